//! The expanded table as JSON.

use serde_json::{Map, Value, json};

use crate::policy::{Entry, Route, RouteTable};
use crate::scope::Catalog;

/// Shows every route with what each side of each method asks for.
pub(super) fn expanded(table: &RouteTable) -> Value {
    let routes: Vec<Value> = table.routes().iter().map(|route| expanded_route(table, route)).collect();
    json!({ "fingerprint": table.fingerprint(), "routes": routes })
}

fn expanded_route(table: &RouteTable, route: &Route) -> Value {
    let methods: Map<String, Value> = route
        .methods
        .iter()
        .map(|(method, entry)| (method.to_string(), expanded_entry(entry, table.catalog())))
        .collect();
    json!({
        "id": &*route.id,
        "host": route.host.as_ref().map(|host| host.as_str()),
        "path": route.template.as_str(),
        "upstream": table.upstreams().get(route.upstream).map(|upstream| &*upstream.name),
        "methods": methods,
    })
}

/// `"public"`, `"authenticated"`, or the sides that there are.
fn expanded_entry(entry: &Entry, catalog: &Catalog) -> Value {
    match entry {
        Entry::Public => json!("public"),
        Entry::Authenticated => json!("authenticated"),
        Entry::Scoped(sides) => {
            let sides = [("user", &sides.user), ("admin", &sides.admin)];
            let written = sides.into_iter().filter_map(|(side, requirement)| Some((side, requirement.as_ref()?)));
            written
                .map(|(side, requirement)| (side.to_owned(), json!(requirement.text(catalog))))
                .collect::<Map<_, _>>()
                .into()
        }
    }
}
