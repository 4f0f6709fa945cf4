//! From a target and a method to a route's entry, or to the reason why there is none.

use std::borrow::Cow;

use http::Method;
use smallvec::SmallVec;

use crate::policy::readings::{self, Readings};
use crate::policy::segment::fold_case;
use crate::policy::site::Site;
use crate::policy::table::Compiled;
use crate::policy::trie::{Matches, Ranked};
use crate::policy::{Denial, Found, RequestTarget, Route, RouteIndex, RouteTable, query};

/// One reading of a path, for whoever wants to see it: where it leads and whether that is as good as the path as sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadingTrace {
    /// The text that an upstream might act on.
    pub text: String,
    /// The steps that make it, by the names of their keys; `as sent` for the path itself.
    pub how: String,
    /// Where it leads.
    pub leads_to: Option<RouteIndex>,
    /// Whether that is the same route, or one with the same upstream and entry; folded readings may lead nowhere.
    pub agrees: bool,
}

impl RouteTable {
    /// Finds the route that wins and the entry of the method.
    ///
    /// The path as sent is looked up on the host's routes first, then its other readings are compared with it, then the
    /// query is looked at, and last the method: of two reasons to refuse the earlier is given.
    ///
    /// # Errors
    ///
    /// [`Denial::NoRoute`], [`Denial::AmbiguousPath`], [`Denial::AmbiguousMethod`], [`Denial::MethodNotAllowed`].
    pub fn find(&self, target: &RequestTarget<'_>, method: &Method) -> Result<Found, Denial> {
        let site = self.site(target).ok_or(Denial::NoRoute)?;
        let index = site.best(target.path()).ok_or(Denial::NoRoute)?;
        let (Some(winner), Some(compiled)) = (self.routes().get(index.position()), self.compiled(index)) else {
            return Err(Denial::Internal);
        };
        if !self.judge(site, index, winner, method).is_unambiguous(target, compiled) {
            return Err(Denial::AmbiguousPath);
        }
        let refused = self.upstreams().get(winner.upstream).map_or(&[][..], |upstream| &upstream.refuse_query);
        if target.query().is_some_and(|query| query::has_parameter(query, refused)) {
            return Err(Denial::AmbiguousMethod);
        }
        match winner.entry_position(method) {
            Some(method) => Ok(Found { route: index, method }),
            None => Err(Denial::MethodNotAllowed { allow: compiled.allow.clone() }),
        }
    }

    /// Returns every route of the chosen host that matches the path as sent, the winner first.
    pub fn candidates(&self, target: &RequestTarget<'_>) -> Vec<RouteIndex> {
        let Some(site) = self.site(target) else { return Vec::new() };
        site.all(self.routes(), target.path()).into_iter().map(|(index, _)| index).collect()
    }

    /// Returns the readings of a path that has a route, and where each leads.
    ///
    /// The first is the path as sent. Foldings of letter case and slash are listed where they lead elsewhere. A path with
    /// too many readings, or with a dot segment in one, is followed by one line that says so and does not agree.
    pub fn readings(&self, target: &RequestTarget<'_>, found: Found) -> Vec<ReadingTrace> {
        let Some(site) = self.site(target) else { return Vec::new() };
        let winner = self.route(found.route);
        let Some((method, _)) = winner.methods.get(found.method) else { return Vec::new() };
        self.judge(site, found.route, winner, method).traces(target.path())
    }

    fn site(&self, target: &RequestTarget<'_>) -> Option<&Site> {
        self.sites.get(self.hosts.choose(target.host())?)
    }

    fn judge<'t>(&'t self, site: &'t Site, index: RouteIndex, winner: &'t Route, method: &'t Method) -> Judge<'t> {
        let readings =
            self.upstreams().get(winner.upstream).map_or_else(Readings::default, |upstream| upstream.readings);
        Judge { table: self, site, index, winner, method, readings }
    }
}

/// Compares where readings lead with the route that won.
struct Judge<'t> {
    table: &'t RouteTable,
    site: &'t Site,
    index: RouteIndex,
    winner: &'t Route,
    method: &'t Method,
    /// Those of the winner's upstream.
    readings: Readings,
}

/// A text looked up with its letters folded, or with a slash more or less.
struct Folding<'p> {
    text: Cow<'p, str>,
    name: &'static str,
    matches: Matches,
}

impl Judge<'_> {
    /// Whether all readings of the path agree with it.
    fn is_unambiguous(&self, target: &RequestTarget<'_>, compiled: &Compiled) -> bool {
        let path = target.path();
        let has_more = target.has_readings() || (self.readings.reads_dots() && target.has_dot());
        if !has_more {
            return self.is_plain(target, compiled) || self.foldings_agree(path, self.index);
        }
        self.readings.compose(path).is_ok_and(|readings| {
            readings.iter().all(|reading| {
                let led = self.site.best(&reading.text);
                led.is_some_and(|route| self.agrees(route) && self.foldings_agree(&reading.text, route))
            })
        })
    }

    /// Whether no folding can lead this path elsewhere, by what is known of the route and its host beforehand.
    fn is_plain(&self, target: &RequestTarget<'_>, compiled: &Compiled) -> bool {
        let case = !self.readings.letter_case
            || compiled.marks.case_is_plain
            || !(self.site.has_capitals || target.has_capitals());
        let slash = !self.readings.trailing_slash
            || compiled.marks.slash_is_plain
            || !(self.site.is_closed || target.path().ends_with('/'));
        case && slash
    }

    /// Whether everything that a text leads to, once folded, agrees; `exact` is where its own spelling leads.
    fn foldings_agree(&self, text: &str, exact: RouteIndex) -> bool {
        self.foldings(text).iter().all(|folding| self.folding_agrees(folding, exact))
    }

    /// Exact spelling decides between templates that differ only by folding; others must agree. Leading nowhere is fine.
    fn folding_agrees(&self, folding: &Folding<'_>, exact: RouteIndex) -> bool {
        folding.matches.iter().all(|led| self.are_twins(led.route, exact) || self.agrees(led.route))
    }

    fn are_twins(&self, route: RouteIndex, other: RouteIndex) -> bool {
        let twin = |index| self.table.compiled(index).map(|compiled| compiled.marks.twin);
        route == other || twin(route) == twin(other)
    }

    /// Whether a route is as good as the winner: the same, or one with the same upstream and the same entry.
    fn agrees(&self, route: RouteIndex) -> bool {
        if route == self.index {
            return true;
        }
        let entry =
            |route: &Route| route.entry_position(self.method).and_then(|position| route.methods.get(position).cloned());
        self.table.routes().get(route.position()).is_some_and(|other| {
            let (own, its) = (entry(self.winner), entry(other));
            other.upstream == self.winner.upstream && own.map(|(_, entry)| entry) == its.map(|(_, entry)| entry)
        })
    }

    /// The ways to look a text up that its upstream's readings ask for; its letters are folded once for all of them.
    fn foldings<'p>(&self, text: &'p str) -> SmallVec<[Folding<'p>; 3]> {
        let mut foldings = SmallVec::new();
        let site = self.site;
        let folded = if self.readings.letter_case { fold_case(text) } else { Cow::Borrowed(text) };
        // A text without capitals among templates without any has been looked up as it is.
        if self.readings.letter_case && (site.has_capitals || matches!(folded, Cow::Owned(_))) {
            foldings.push(Folding { text: text.into(), name: "letter_case", matches: site.best_folded(&folded) });
        }
        if !self.readings.trailing_slash {
            return foldings;
        }
        if let (Some(shorter), Some(folded)) = (readings::without_slash(text), readings::without_slash(&folded)) {
            let matches =
                if self.readings.letter_case { site.best_folded(folded) } else { self.exact(shorter, |_| true) };
            foldings.push(Folding { text: shorter.into(), name: "trailing_slash", matches });
        }
        if site.is_closed
            && let Some(longer) = readings::with_slash(&folded)
        {
            // Only templates written with a slash: the empty end of a `**` is not meant.
            let closed = |route: &Route| route.template.is_closed();
            let matches =
                if self.readings.letter_case { site.best_folded_closed(&longer) } else { self.exact(&longer, closed) };
            let spelled = if matches!(folded, Cow::Owned(_)) { format!("{text}/") } else { longer };
            foldings.push(Folding { text: spelled.into(), name: "trailing_slash", matches });
        }
        foldings
    }

    /// The most specific route as spelled, of those that fit.
    fn exact(&self, text: &str, fits: impl Fn(&Route) -> bool) -> Matches {
        let routes = self.site.all(self.table.routes(), text);
        let best = routes.into_iter().find(|(_, route)| fits(route));
        best.map(|(route, _)| Ranked { rank: 0, route }).into_iter().collect()
    }

    fn traces(&self, path: &str) -> Vec<ReadingTrace> {
        let trace =
            |text: &str, how: String, leads_to, agrees| ReadingTrace { text: text.to_owned(), how, leads_to, agrees };
        let readings = match self.readings.compose(path) {
            Ok(readings) => readings,
            Err(unreadable) => {
                let own = trace(path, "as sent".to_owned(), Some(self.index), true);
                return vec![own, trace(path, unreadable.to_string(), None, false)];
            }
        };
        let mut traces = Vec::new();
        for (position, reading) in readings.iter().enumerate() {
            let how = readings::steps_to(&readings, position);
            let led = self.site.best(&reading.text);
            traces.push(trace(&reading.text, how.clone(), led, led.is_some_and(|route| self.agrees(route))));
            for folding in self.foldings(&reading.text) {
                let agrees = self.folding_agrees(&folding, led.unwrap_or(self.index));
                let elsewhere = folding.matches.iter().find(|found| Some(found.route) != led);
                let steps = if position == 0 { folding.name.to_owned() } else { format!("{how}, {}", folding.name) };
                traces.extend(elsewhere.map(|found| trace(&folding.text, steps, Some(found.route), agrees)));
            }
        }
        traces
    }
}
