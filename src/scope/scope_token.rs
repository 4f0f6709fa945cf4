//! One scope-token.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// One scope-token as RFC 6749 §3.3 spells it: `1*( %x21 / %x23-5B / %x5D-7E )`.
///
/// Case matters, and a comma or a colon is a character like any other. Cloning is cheap: the text is shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(Arc<str>);

/// Says that a text is no scope-token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scope is one or more printable ASCII characters, without space, `\"` and `\\`")]
pub struct InvalidScope;

impl Scope {
    /// Takes `text` as a scope-token, unchanged.
    ///
    /// # Errors
    ///
    /// [`InvalidScope`] if `text` is empty or holds a byte that RFC 6749 §3.3 does not allow.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        let is_scope_token = !text.is_empty() && text.bytes().all(is_scope_character);
        if is_scope_token { Ok(Self(text.into())) } else { Err(InvalidScope) }
    }

    /// Returns the text, as parsed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of no scope, which `parse` never makes.
    pub(super) fn none() -> Self {
        Self(Arc::from(""))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Lets maps that are keyed by scopes be asked with text; equality, order and hash are those of the text.
impl Borrow<str> for Scope {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

// RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
fn is_scope_character(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rfc_6749_3_3_scope_token() {
        let cases = [
            ("automations:read", true),
            ("https://www.googleapis.com/auth/drive", true),
            ("user.read,mail.read", true),
            ("!#[]~", true),
            ("*", true),
            ("", false),
            ("a b", false),
            (" a", false),
            ("a\"", false),
            ("a\\b", false),
            ("a\tb", false),
            ("a\u{7f}", false),
            ("a\0", false),
            ("lügen", false),
        ];
        for (text, valid) in cases {
            assert_eq!(Scope::parse(text).is_ok(), valid, "{text:?}");
        }
    }

    #[test]
    fn case_matters() {
        assert_ne!(Scope::parse("Apps").unwrap(), Scope::parse("apps").unwrap());
    }

    proptest! {
        #[test]
        fn takes_exactly_the_grammar_and_keeps_the_text(text in ".{0,12}") {
            let grammar = !text.is_empty()
                && text.chars().all(|c| c == '!' || ('#'..='[').contains(&c) || (']'..='~').contains(&c));
            match Scope::parse(&text) {
                Ok(scope) => { prop_assert!(grammar); prop_assert_eq!(scope.as_str(), text) }
                Err(InvalidScope) => prop_assert!(!grammar),
            }
        }
    }
}
