//! Who may do what under the shipped policy: every entry of `routes.yaml` × a set of bearers, as one text to review.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use http::{HeaderValue, Method, Uri};
use scopegate::config;
use scopegate::policy::{Access, Decision, Entry, Presented, PresentedClient, RouteTable, decide_request};

use crate::support::{ROOT, golden};

/// One who asks: a column's name, and the token that is shown.
struct Bearer {
    name: &'static str,
    /// Scope, roles, client, and whether no user stands behind it; `None` shows no token.
    token: Option<(&'static str, &'static [&'static str], &'static str, bool)>,
}

/// From nobody to a tenant admin, each beside what it differs from in one respect.
const BEARERS: &[Bearer] = &[
    Bearer { name: "nobody", token: None },
    Bearer { name: "empty", token: Some(("", &["TenantAdmin"], "web-console", false)) },
    Bearer { name: "analyst", token: Some(("automations:read", &["AnalyticsAdmin"], "web-console", false)) },
    Bearer { name: "tenant-own", token: Some(("automations", &["TenantAdmin"], "web-console", false)) },
    Bearer { name: "tenant-all", token: Some(("admin.automations", &["TenantAdmin"], "web-console", false)) },
    Bearer { name: "no-role", token: Some(("admin.automations automations", &[], "web-console", false)) },
    Bearer {
        name: "developer",
        token: Some((
            "admin.automations apps apps:manage automations user_default spaces.shared:read",
            &["Developer"],
            "web-console",
            false,
        )),
    },
    Bearer {
        name: "curator",
        token: Some((
            "apps apps:manage app.share user_default automation-runs.shared spaces.data spaces.managed spaces.shared",
            &["TenantAdmin"],
            "web-console",
            false,
        )),
    },
    Bearer { name: "classic", token: Some(("admin_classic", &["TenantAdmin"], "web-console", false)) },
    Bearer {
        name: "mobile",
        token: Some(("admin_classic apps automations user_default", &["TenantAdmin"], "mobile-app", false)),
    },
    Bearer {
        name: "unlisted",
        token: Some(("admin_classic apps automations spaces.shared", &["TenantAdmin"], "some-app", false)),
    },
    Bearer {
        name: "job-alone",
        token: Some(("apps:read apps.report:all admin.automation-runs", &[], "reporting-job", true)),
    },
    Bearer {
        name: "job-user",
        token: Some(("apps:read apps.report:all admin.automation-runs", &[], "reporting-job", false)),
    },
];

/// An entry of the policy, with what each bearer's request for it comes to.
struct Row {
    method: Method,
    template: String,
    entry: Entry,
    /// In the order of [`BEARERS`], for the template's example path.
    decisions: Vec<Decision>,
}

fn table() -> Arc<RouteTable> {
    let policy = config::load_policy(&[Path::new(ROOT).join("routes.yaml")]).expect("it loads");
    policy.table
}

fn rows(table: &RouteTable) -> Vec<Row> {
    let mut rows = Vec::new();
    for route in table.routes() {
        let uri: Uri = route.template.example().parse().expect("a path");
        for (method, entry) in &route.methods {
            let decisions = BEARERS.iter().map(|bearer| bearer.ask(table, method, &uri)).collect();
            let (method, template) = (method.clone(), route.template.as_str().to_owned());
            rows.push(Row { method, template, entry: entry.clone(), decisions });
        }
    }
    rows
}

impl Bearer {
    fn ask(&self, table: &RouteTable, method: &Method, uri: &Uri) -> Decision {
        let host = HeaderValue::from_static("api.test");
        let presented = self.token.map(|(scope, roles, client, alone)| Presented {
            scope,
            roles: roles.to_vec(),
            client: PresentedClient::Named(client),
            alone,
        });
        decide_request(table, method, uri, &host, presented.as_ref())
    }

    fn legend(&self) -> String {
        let Some((scope, roles, client, alone)) = self.token else { return format!("{:<10}  no token", self.name) };
        let roles = if roles.is_empty() { "no roles".to_owned() } else { roles.join(", ") };
        let alone = if alone { ", nobody's" } else { "" };
        format!("{:<10}  {client}{alone}; {roles}; scope `{scope}`", self.name)
    }
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let decisions = self.decisions.iter().map(|decision| match decision {
            Decision::Forward(grant) => format!("allow {}", grant.access()),
            Decision::Deny(denial) => denial.reason().to_string(),
        });
        [self.method.to_string(), self.template.clone()].into_iter().chain(decisions).collect()
    }

    /// What the entry can grant.
    fn grantable(&self) -> BTreeSet<Access> {
        match &self.entry {
            Entry::Public => [Access::Public].into(),
            Entry::Authenticated => [Access::Authenticated].into(),
            Entry::Scoped(sides) => {
                let user = sides.user.iter().map(|_| Access::User);
                user.chain(sides.admin.iter().map(|_| Access::Admin)).collect()
            }
        }
    }
}

/// Lines of cells, each column as wide as its widest cell.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let widths: Vec<_> =
        (0..columns).map(|column| lines.iter().map(|line| line[column].len()).max().unwrap()).collect();
    let line = |line: &Vec<String>| {
        let cells: Vec<_> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    lines.iter().map(line).collect()
}

#[test]
fn every_route_and_method_for_every_bearer() {
    let heading = ["METHOD", "PATH"].into_iter().chain(BEARERS.iter().map(|bearer| bearer.name)).map(str::to_owned);
    let lines: Vec<_> = [heading.collect()].into_iter().chain(rows(&table()).iter().map(Row::cells)).collect();
    let legend: String = BEARERS.iter().map(|bearer| bearer.legend() + "\n").collect();
    golden("matrix.txt", &format!("{legend}\n{}", aligned(&lines)));
}

#[test]
fn every_route_occurs_by_its_own_path_and_each_side_of_it_is_granted_to_someone() {
    let table = table();
    let rows = rows(&table);
    for row in &rows {
        let place = format!("{} {}", row.method, row.template);
        let mut granted = BTreeSet::new();
        for (bearer, decision) in BEARERS.iter().zip(&row.decisions) {
            let Decision::Forward(grant) = decision else { continue };
            let met = table.route(grant.found().route).template.as_str();
            assert_eq!(met, row.template, "{place}: the sample path of {} meets another route", bearer.name);
            granted.insert(grant.access());
        }
        assert_eq!(granted, row.grantable(), "{place}: what the bearers are granted, and what the entry can grant");
        let refused = row.decisions.iter().any(|decision| matches!(decision, Decision::Deny(_)));
        assert_eq!(refused, row.entry != Entry::Public, "{place}: somebody is refused");
    }
    let occurring: BTreeSet<_> = rows.iter().map(|row| &*row.template).collect();
    let known: BTreeSet<_> = table.routes().iter().map(|route| route.template.as_str()).collect();
    assert_eq!(occurring, known);
}
