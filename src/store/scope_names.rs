//! Sets of scope names as requests, rows and responses spell them.

use std::collections::BTreeSet;
use std::fmt;

/// A set of scope names, in ascending order and without duplicates (RFC 6749 §3.3: their order means nothing).
///
/// Names are taken as they come; whether a catalogue knows one is not this type's affair.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeNames(BTreeSet<String>);

impl ScopeNames {
    /// Splits a `scope` parameter or a stored list at spaces; empty pieces mean nothing.
    pub fn parse(text: &str) -> Self {
        text.split(' ').filter(|name| !name.is_empty()).collect()
    }

    /// Returns whether `name` is among them.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// Adds a name; whether it was new.
    pub fn insert(&mut self, name: &str) -> bool {
        self.0.insert(name.to_owned())
    }

    /// Removes a name; whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name)
    }

    /// What both hold.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.0.intersection(&other.0).map(String::as_str).collect()
    }

    /// What either holds.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.0.union(&other.0).map(String::as_str).collect()
    }

    /// What this one holds and `other` does not.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        self.0.difference(&other.0).map(String::as_str).collect()
    }

    /// Returns whether `other` holds all of them.
    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The names in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl<'a> FromIterator<&'a str> for ScopeNames {
    fn from_iter<T: IntoIterator<Item = &'a str>>(names: T) -> Self {
        Self(names.into_iter().map(str::to_owned).collect())
    }
}

impl FromIterator<String> for ScopeNames {
    fn from_iter<T: IntoIterator<Item = String>>(names: T) -> Self {
        Self(names.into_iter().collect())
    }
}

/// As a `scope` parameter is written (RFC 6749 §3.3).
impl fmt::Display for ScopeNames {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, name) in self.iter().enumerate() {
            if position > 0 {
                out.write_str(" ")?;
            }
            out.write_str(name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6749_3_3_empty_pieces_duplicates_and_order_mean_nothing() {
        for (text, expected) in [("", ""), ("  ", ""), ("b a", "a b"), (" a  a ", "a"), ("a,b", "a,b"), ("A a", "A a")]
        {
            assert_eq!(ScopeNames::parse(text).to_string(), expected, "`{text}`");
        }
    }
}
