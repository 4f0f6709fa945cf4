//! The role directory: roles that another server keeps, as it tells of them and as one table takes them.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::RouteTable;
use crate::scope::{Catalog, ScopeSet};
use crate::token::{Json, Repeats};

/// So many roles a directory has at most.
const MOST_ROLES: usize = 65_536;

/// A role directory as its server tells of it: patterns of scopes by the role's name. It belongs to no table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleDirectory {
    roles: HashMap<Box<str>, Box<[Box<str>]>>,
}

/// Why a text is no role directory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryFault {
    /// Not one JSON object, or a member twice at any depth: so is a role that is listed twice.
    #[error("the text is not a JSON object with each member once")]
    NotAnObject,
    /// `roles` is not an object.
    #[error("`roles` is missing or not an object")]
    Roles,
    /// A role without a list of scopes.
    #[error("role `{0}` is not an object with an array `scopes` of texts")]
    Role(String),
    /// More roles than are kept.
    #[error("it has {0} roles, more than {MOST_ROLES}")]
    TooMany(usize),
}

impl RoleDirectory {
    /// Reads a directory. Members that nobody knows are ignored.
    ///
    /// # Errors
    ///
    /// [`DirectoryFault`] for the first thing in it that is not as it must be; then nothing of it counts.
    pub fn read(text: &[u8]) -> Result<Self, DirectoryFault> {
        let whole = Json::read(text, Repeats::Refuse).ok_or(DirectoryFault::NotAnObject)?;
        let members = whole.as_object().ok_or(DirectoryFault::NotAnObject)?;
        let listed = &members.get("roles").and_then(Json::as_object).ok_or(DirectoryFault::Roles)?.members;
        if listed.len() > MOST_ROLES {
            return Err(DirectoryFault::TooMany(listed.len()));
        }
        let role = |(name, role): &(_, Json<'_>)| {
            let name: &str = std::borrow::Borrow::borrow(name);
            let scopes = scopes(role).ok_or_else(|| DirectoryFault::Role(name.to_owned()))?;
            Ok((name.into(), scopes))
        };
        Ok(Self { roles: listed.iter().map(role).collect::<Result<_, _>>()? })
    }

    /// Counts the roles.
    pub fn len(&self) -> usize {
        self.roles.len()
    }

    /// Says whether there is no role.
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty()
    }
}

fn scopes(role: &Json<'_>) -> Option<Box<[Box<str>]>> {
    let listed = role.as_object()?.get("scopes")?.as_array()?;
    listed.iter().map(|scope| scope.as_text().map(Into::into)).collect()
}

/// What the roles of a directory permit under one table. Immutable; another directory, or another table, makes another one.
///
/// Every set is closed under `implies`.
#[derive(Clone)]
pub struct DirectoryRoles {
    roles: HashMap<Box<str>, ScopeSet>,
    /// The table whose bits these are.
    table: u64,
    generation: u64,
}

impl DirectoryRoles {
    /// Works out what the roles permit under `table`. A `*` at the end of a pattern stands for any ending, as in a policy file;
    /// names that the table's catalogue does not know, and those that are not for roles, mean nothing.
    pub fn compile(directory: &RoleDirectory, table: &RouteTable) -> Self {
        Self::under(directory, table.catalog(), table.generation())
    }

    pub(super) fn under(directory: &RoleDirectory, catalog: &Catalog, table: u64) -> Self {
        // A pattern is looked up once, however many roles have it.
        let mut known: HashMap<&str, ScopeSet> = HashMap::new();
        let mut roles = HashMap::with_capacity(directory.roles.len());
        for (name, patterns) in &directory.roles {
            let mut permitted = ScopeSet::default();
            for pattern in patterns {
                let set = known.entry(pattern).or_insert_with(|| named_by(pattern, catalog));
                permitted.union_with(set);
            }
            roles.insert(name.clone(), permitted);
        }
        Self { roles, table, generation: next_generation() }
    }

    /// Returns a number that nothing else of this kind in this process has.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Counts the roles.
    pub fn len(&self) -> usize {
        self.roles.len()
    }

    /// Says whether there is no role.
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty()
    }

    /// What a role permits, if the directory has it.
    pub(super) fn permitted_by(&self, role: &str) -> Option<&ScopeSet> {
        self.roles.get(role)
    }

    /// Says whether the bits are those of the table of this generation.
    pub(super) fn is_under(&self, table: u64) -> bool {
        self.table == table
    }
}

impl fmt::Debug for DirectoryRoles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectoryRoles").field("roles", &self.roles.len()).finish_non_exhaustive()
    }
}

fn named_by(pattern: &str, catalog: &Catalog) -> ScopeSet {
    let is_for_roles = catalog.id(pattern).is_none_or(|id| catalog.entry(id).uses.role);
    catalog.matching(pattern).filter(|_| is_for_roles).unwrap_or_default()
}

fn next_generation() -> u64 {
    static GENERATIONS: AtomicU64 = AtomicU64::new(1);
    GENERATIONS.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::super::samples::catalog;
    use super::*;

    fn permitted(scopes: &str) -> String {
        let text = format!(r#"{{"roles": {{"R": {{"level": "admin", "scopes": {scopes}}}}}, "other": 1}}"#);
        let roles = DirectoryRoles::under(&RoleDirectory::read(text.as_bytes()).unwrap(), &catalog(), 1);
        assert_eq!((roles.len(), roles.permitted_by("r")), (1, None));
        catalog().text(roles.permitted_by("R").unwrap())
    }

    #[test]
    fn patterns_are_those_of_a_policy_file_and_strangers_mean_nothing() {
        for (scopes, expected) in [
            ("[]", ""),
            (r#"["apps"]"#, "apps apps:read apps:export"),
            (r#"["apps:*", "spaces"]"#, "apps:read apps:export spaces"),
            (r#"["admin.*"]"#, "admin.automations admin.automations:read"),
            (r#"["nosuch", "nosuch.*", "a*b", "", "spaces"]"#, "spaces"),
            (r#"["api-keys", "api-keys"]"#, "api-keys"),
        ] {
            assert_eq!(permitted(scopes), expected, "{scopes}");
        }
        assert_eq!(permitted(r#"["*"]"#), catalog().text(&catalog().ids().collect()));
    }

    #[test]
    fn what_is_not_exactly_a_directory_is_none() {
        let role = |name: &str| Err(DirectoryFault::Role(name.to_owned()));
        for (text, expected) in [
            ("", Err(DirectoryFault::NotAnObject)),
            ("[]", Err(DirectoryFault::NotAnObject)),
            (r#"{"roles": {}} "#, Ok(0)),
            (r#"{"roles": {}}, {}"#, Err(DirectoryFault::NotAnObject)),
            (r#"{"roles": {}, "roles": {}}"#, Err(DirectoryFault::NotAnObject)),
            (r#"{"roles": {"A": {"scopes": []}, "A": {"scopes": []}}}"#, Err(DirectoryFault::NotAnObject)),
            (r#"{"roles": {"A": {"scopes": [], "scopes": ["*"]}}}"#, Err(DirectoryFault::NotAnObject)),
            ("{}", Err(DirectoryFault::Roles)),
            (r#"{"roles": []}"#, Err(DirectoryFault::Roles)),
            (r#"{"roles": {"A": {"scopes": ["a"]}, "B": {"scopes": [], "level": 7}}}"#, Ok(2)),
            (r#"{"roles": {"A": {}}}"#, role("A")),
            (r#"{"roles": {"A": []}}"#, role("A")),
            (r#"{"roles": {"A": {"scopes": "a b"}}}"#, role("A")),
            (r#"{"roles": {"A": {"scopes": ["a", null]}}}"#, role("A")),
        ] {
            assert_eq!(RoleDirectory::read(text.as_bytes()).map(|directory| directory.len()), expected, "{text}");
        }
    }

    #[test]
    fn the_number_of_roles_is_bounded() {
        for (count, expected) in
            [(MOST_ROLES, Ok(MOST_ROLES)), (MOST_ROLES + 1, Err(DirectoryFault::TooMany(MOST_ROLES + 1)))]
        {
            let roles: Vec<_> = (0..count).map(|number| format!(r#""{number}":{{"scopes":[]}}"#)).collect();
            let text = format!(r#"{{"roles":{{{}}}}}"#, roles.join(","));
            assert_eq!(RoleDirectory::read(text.as_bytes()).map(|directory| directory.len()), expected);
        }
    }
}
