//! Builds the route table, and says of its faults and warnings where they are.

use std::sync::Arc;

use crate::policy::{Ceilings, RouteIndex, RouteTable, TableFault, TableParts, UpstreamRules, Warning};

use super::catalog::PlacedCatalog;
use super::faults::{Fault, Faults};
use super::routes::PlacedRoute;
use super::source::Place;

/// Where the routes of a table are written.
struct Places {
    upstreams: Vec<Arc<str>>,
    routes: Vec<RoutePlaces>,
}

struct RoutePlaces {
    id: Arc<str>,
    path: Place,
    strip_prefix: Option<Place>,
    add_prefix: Option<Place>,
    methods: Vec<(http::Method, Place)>,
}

/// Builds the table of the routes that have no fault of their own; `None` after a fault between them.
pub(super) fn build(
    catalog: &PlacedCatalog,
    ceilings: Ceilings,
    upstreams: Vec<UpstreamRules>,
    routes: Vec<PlacedRoute>,
    faults: &Faults,
) -> Option<Arc<RouteTable>> {
    let upstream_names = upstreams.iter().map(|upstream| Arc::clone(&upstream.name)).collect();
    let places = Places { upstreams: upstream_names, routes: routes.iter().map(RoutePlaces::of).collect() };
    let routes = routes.into_iter().map(|placed| placed.route).collect();
    let parts = TableParts { catalog: catalog.catalog.clone(), ceilings, upstreams, routes };
    match RouteTable::build(parts) {
        Ok(table) => {
            // Warnings of a table that lacks routes would be wrong ones.
            if !faults.has_errors() {
                table
                    .warnings()
                    .iter()
                    .filter_map(|warning| places.warning(warning, catalog))
                    .for_each(|fault| faults.push(fault));
            }
            Some(Arc::new(table))
        }
        Err(found) => {
            found.iter().filter_map(|fault| places.fault(fault)).for_each(|fault| faults.push(fault));
            None
        }
    }
}

impl RoutePlaces {
    fn of(placed: &PlacedRoute) -> Self {
        let methods = placed.route.methods.iter().map(|(method, _)| method.clone()).zip(placed.methods.iter().copied());
        Self {
            id: Arc::clone(&placed.route.id),
            path: placed.path,
            strip_prefix: placed.strip_prefix,
            add_prefix: placed.add_prefix,
            methods: methods.collect(),
        }
    }

    /// Where a method is written, or else the path: `HEAD` may stand for `GET`.
    fn method(&self, method: &http::Method) -> Place {
        self.methods.iter().find(|(written, _)| written == method).map_or(self.path, |(_, place)| *place)
    }
}

impl Places {
    fn route(&self, index: RouteIndex) -> Option<&RoutePlaces> {
        self.routes.get(index.0 as usize)
    }

    fn fault(&self, fault: &TableFault) -> Option<Fault> {
        match fault {
            TableFault::Overlap { first, second, example } => {
                let (first, second) = (self.routes.get(*first)?, self.routes.get(*second)?);
                let message = format!(
                    "route `{}`: it and route `{}` both match `{example}`, and neither is more specific",
                    second.id, first.id
                );
                let hint = "give one of them a literal where the other has a placeholder, or make them one route";
                Some(Fault::error(second.path, message).related(first.path, "the other route").hint(hint))
            }
            TableFault::StripPrefix { route } => {
                let route = self.routes.get(*route)?;
                Some(Fault::error(route.strip_prefix.unwrap_or(route.path), format!("route `{}`: {fault}", route.id)))
            }
            TableFault::AddPrefix { route } => {
                let route = self.routes.get(*route)?;
                Some(Fault::error(route.add_prefix.unwrap_or(route.path), format!("route `{}`: {fault}", route.id)))
            }
            TableFault::BasePath { upstream } => {
                let name = self.upstreams.get(*upstream)?;
                Some(Fault::nowhere(format!("upstream `{name}`: {fault}")))
            }
        }
    }

    fn warning(&self, warning: &Warning, catalog: &PlacedCatalog) -> Option<Fault> {
        match warning {
            Warning::UnusedScope { scope } => {
                let message = format!("scope `{}` is asked for by no route", catalog.catalog.name(*scope));
                Some(Fault::warning(catalog.place(*scope)?, message))
            }
            Warning::UnreachableRoute { route, by } => {
                let (route, by) = (self.route(*route)?, self.route(*by)?);
                let message = format!("route `{}`: every path that it matches is won by others", route.id);
                Some(Fault::warning(route.path, message).related(by.path, format!("such as route `{}`", by.id)))
            }
            Warning::PublicMethod { route, method } => {
                let route = self.route(*route)?;
                let message = format!("route `{}`: `{method}` is public: no token is asked for", route.id);
                Some(Fault::warning(route.method(method), message))
            }
            Warning::OneSideOnly { route, method } => {
                let route = self.route(*route)?;
                let message = format!("route `{}`: `{method}` can be opened from one side only", route.id);
                Some(Fault::warning(route.method(method), message))
            }
            Warning::HostlessUnseen { route, host } => {
                let route = self.route(*route)?;
                let message =
                    format!("route `{}`: it is not seen on host `{host}`, which has routes of its own", route.id);
                Some(Fault::warning(route.path, message).hint("the host is chosen before the path"))
            }
            Warning::BroaderHasMethods { route, broader, methods } => self.broader(*route, *broader, methods),
            Warning::FoldedCollision { first, second, example } => {
                let (first, second) = (self.route(*first)?, self.route(*second)?);
                let message = format!(
                    "route `{}`: it and route `{}` differ only in letter case or a slash at the end, as at `{example}`",
                    second.id, first.id
                );
                let hint = "exact spelling decides between them";
                Some(Fault::warning(second.path, message).related(first.path, "the other route").hint(hint))
            }
        }
    }

    fn broader(&self, route: RouteIndex, broader: RouteIndex, methods: &[http::Method]) -> Option<Fault> {
        let (route, broader) = (self.route(route)?, self.route(broader)?);
        let names: Vec<String> = methods.iter().map(|method| format!("`{method}`")).collect();
        let (lacks, names) = (&route.id, names.join(", "));
        let message = format!("route `{lacks}`: it lacks {names}, which the broader route `{}` has", broader.id);
        let place = methods.first().map_or(broader.path, |method| broader.method(method));
        let fault = Fault::warning(route.path, message).related(place, "never consulted for its paths");
        Some(fault.hint("a method that the most specific route lacks is refused with 405"))
    }
}
