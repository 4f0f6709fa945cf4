//! Every scope that a policy names, and what it contains.

use std::collections::HashMap;

use super::closure::closures;
use super::{Scope, ScopeId, ScopeSet};

/// Whose rows a scope opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// What the user owns or shares.
    User,
    /// What belongs to the whole tenant.
    Admin,
}

/// What the policy file says of one scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeEntry {
    /// The scope.
    pub name: Scope,
    /// What it lets an application do, for people.
    pub describe: String,
    /// The scopes that it contains directly.
    pub implies: Vec<Scope>,
    /// The `admin:` twin.
    pub twin: Option<Scope>,
    /// The `side:`, where written.
    pub side: Option<Side>,
    /// Where it may be held.
    pub uses: Uses,
}

/// Where a scope may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uses {
    /// A token may carry it.
    pub token: bool,
    /// A role may list it.
    pub role: bool,
}

/// Says what is wrong with a catalogue; `entry` is the position in the list given to [`Catalog::build`].
///
/// A name given twice is not among them: whoever reads the files finds it, and can show both places.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogFault {
    /// A scope implies one that is not listed.
    #[error("scope `{name}` implies `{implied}`, which is not in the catalogue")]
    UnknownImplied {
        /// Position of the entry.
        entry: usize,
        /// The scope of that entry.
        name: Scope,
        /// What it implies.
        implied: Scope,
    },
    /// A scope names a twin that is not listed.
    #[error("scope `{name}` names the twin `{twin}`, which is not in the catalogue")]
    UnknownTwin {
        /// Position of the entry.
        entry: usize,
        /// The scope of that entry.
        name: Scope,
        /// The twin that it names.
        twin: Scope,
    },
    /// A scope names a twin that opens what the user owns.
    #[error("scope `{name}` names the twin `{twin}`, which is not of side admin")]
    TwinNotAdmin {
        /// Position of the entry.
        entry: usize,
        /// The scope of that entry.
        name: Scope,
        /// The twin that it names.
        twin: Scope,
    },
    /// Scopes contain each other.
    #[error("scopes imply each other in a circle: {}", cycle.join(" → "))]
    Cycle {
        /// Position of the circle's entry that is listed first.
        entry: usize,
        /// The whole circle: from that entry, along `implies`, back to it.
        cycle: Vec<String>,
    },
}

/// Every scope that a route, role or client may name, each with all that it contains.
///
/// Positions are those of the list that it was built from. A [`ScopeId`] of another catalogue that is beyond this one's
/// end stands for no scope: it has an empty name, contains nothing and may be held nowhere.
#[derive(Clone, Debug)]
pub struct Catalog {
    known: Vec<Known>,
    by_name: HashMap<Scope, ScopeId>,
    stranger: Known,
}

#[derive(Clone, Debug)]
struct Known {
    entry: ScopeEntry,
    side: Side,
    twin: Option<ScopeId>,
    closure: ScopeSet,
}

impl Catalog {
    /// Compiles a catalogue from its entries, in the order written.
    ///
    /// Of two entries with one name, the first counts.
    ///
    /// # Errors
    ///
    /// Every fault at once: first those of names, by entry, then the circles of `implies`.
    pub fn build(entries: Vec<ScopeEntry>) -> Result<Self, Vec<CatalogFault>> {
        let mut by_name = HashMap::with_capacity(entries.len());
        for (position, entry) in (0u32..).zip(&entries) {
            by_name.entry(entry.name.clone()).or_insert(ScopeId(position));
        }
        let mut faults = name_faults(&entries, &by_name);
        let closed = closures(&implied_ids(&entries, &by_name));
        match closed {
            Ok(closures) if faults.is_empty() => {
                let known = entries.into_iter().zip(closures).map(|(entry, closure)| Known {
                    side: side_of(&entry),
                    twin: entry.twin.as_ref().and_then(|twin| by_name.get(twin).copied()),
                    closure,
                    entry,
                });
                Ok(Self { known: known.collect(), by_name, stranger: Known::stranger() })
            }
            Ok(_) => Err(faults),
            Err(circles) => {
                faults.extend(circles.iter().map(|circle| cycle_fault(circle, &entries)));
                Err(faults)
            }
        }
    }

    /// Finds a scope by its exact name.
    pub fn id(&self, name: &str) -> Option<ScopeId> {
        self.by_name.get(name).copied()
    }

    /// Returns what the policy file says of a scope.
    pub fn entry(&self, id: ScopeId) -> &ScopeEntry {
        &self.known(id).entry
    }

    /// Returns the name of a scope.
    pub fn name(&self, id: ScopeId) -> &str {
        self.entry(id).name.as_str()
    }

    /// Returns the side that the entry writes; without one, `admin.…` is admin and every other name is user.
    pub fn side(&self, id: ScopeId) -> Side {
        self.known(id).side
    }

    /// Returns the scope that opens the same for the whole tenant, where the entry names one; always of side admin.
    pub fn twin(&self, id: ScopeId) -> Option<ScopeId> {
        self.known(id).twin
    }

    /// Returns the scope and all that it implies, however far.
    pub fn closure(&self, id: ScopeId) -> &ScopeSet {
        &self.known(id).closure
    }

    /// Returns the scopes and all that they imply, however far.
    #[must_use]
    pub fn close(&self, scopes: &ScopeSet) -> ScopeSet {
        self.closed(scopes.iter())
    }

    /// Returns the scopes that a token with these names holds: those that are known and for tokens, closed under
    /// `implies`.
    ///
    /// Names that the catalogue does not know, empty names, duplicates and order mean nothing.
    pub fn held<'a>(&self, names: impl Iterator<Item = &'a str>) -> ScopeSet {
        self.closed(names.filter_map(|name| self.id(name)).filter(|id| self.entry(*id).uses.token))
    }

    /// Returns the scopes that match `pattern`, closed under `implies`; `None` if none does.
    ///
    /// A `*` at the end of the pattern stands for any ending, the empty one too; any other `*` is a character like any
    /// other. Without one at the end, the pattern is a name.
    pub fn matching(&self, pattern: &str) -> Option<ScopeSet> {
        let set = match pattern.strip_suffix('*') {
            Some(prefix) => self.closed(self.ids().filter(|id| self.name(*id).starts_with(prefix))),
            None => self.closed(self.id(pattern).into_iter()),
        };
        Some(set).filter(|set| !set.is_empty())
    }

    /// Names every scope in the order of the catalogue.
    pub fn ids(&self) -> impl Iterator<Item = ScopeId> + '_ {
        (0u32..).zip(&self.known).map(|(position, _)| ScopeId(position))
    }

    /// Counts the scopes.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Says whether there is no scope at all.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Writes the names of a set in the order of the catalogue, one space between (RFC 6749 §3.3).
    pub fn text(&self, set: &ScopeSet) -> String {
        let mut text = String::new();
        for id in set.iter() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(self.name(id));
        }
        text
    }

    fn known(&self, id: ScopeId) -> &Known {
        self.known.get(id.index()).unwrap_or(&self.stranger)
    }

    fn closed(&self, ids: impl Iterator<Item = ScopeId>) -> ScopeSet {
        let mut set = ScopeSet::default();
        ids.for_each(|id| set.union_with(self.closure(id)));
        set
    }
}

impl Default for Catalog {
    fn default() -> Self {
        Self { known: Vec::new(), by_name: HashMap::new(), stranger: Known::stranger() }
    }
}

impl Known {
    /// What is known of a position beyond the catalogue's end.
    fn stranger() -> Self {
        let entry = ScopeEntry {
            name: Scope::none(),
            describe: String::new(),
            implies: Vec::new(),
            twin: None,
            side: None,
            uses: Uses { token: false, role: false },
        };
        Self { entry, side: Side::User, twin: None, closure: ScopeSet::default() }
    }
}

fn side_of(entry: &ScopeEntry) -> Side {
    let by_name = if entry.name.as_str().starts_with("admin.") { Side::Admin } else { Side::User };
    entry.side.unwrap_or(by_name)
}

fn name_faults(entries: &[ScopeEntry], by_name: &HashMap<Scope, ScopeId>) -> Vec<CatalogFault> {
    let side = |id: &ScopeId| entries.get(id.index()).map(side_of);
    let mut faults = Vec::new();
    for (entry, written) in entries.iter().enumerate() {
        for implied in written.implies.iter().filter(|implied| !by_name.contains_key(*implied)) {
            let (name, implied) = (written.name.clone(), implied.clone());
            faults.push(CatalogFault::UnknownImplied { entry, name, implied });
        }
        let Some(twin) = written.twin.clone() else { continue };
        let name = written.name.clone();
        match by_name.get(&twin).and_then(side) {
            None => faults.push(CatalogFault::UnknownTwin { entry, name, twin }),
            Some(Side::User) => faults.push(CatalogFault::TwinNotAdmin { entry, name, twin }),
            Some(Side::Admin) => {}
        }
    }
    faults
}

fn implied_ids(entries: &[ScopeEntry], by_name: &HashMap<Scope, ScopeId>) -> Vec<Vec<ScopeId>> {
    entries.iter().map(|entry| entry.implies.iter().filter_map(|name| by_name.get(name).copied()).collect()).collect()
}

fn cycle_fault(circle: &[ScopeId], entries: &[ScopeEntry]) -> CatalogFault {
    let back_to_first = circle.iter().chain(circle.first());
    let cycle = back_to_first.filter_map(|id| entries.get(id.index())).map(|entry| entry.name.to_string()).collect();
    CatalogFault::Cycle { entry: circle.first().map_or(0, |id| id.index()), cycle }
}
