//! JSON Pointer (RFC 6901) into claims.

use super::json::{Json, Object};

/// A JSON pointer, cut into its unescaped reference tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer(Box<[Box<str>]>);

impl Pointer {
    /// Cuts a pointer; what stands before the first `/` is nothing in a valid one.
    pub(super) fn new(text: &str) -> Self {
        // RFC 6901 §4: first `~1`, then `~0`.
        Self(text.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~").into()).collect())
    }

    /// Finds the value that the pointer leads to; the pointer to the whole leads nowhere, for claims are members.
    pub(super) fn find<'v, 'a>(&self, claims: &'v Object<'a>) -> Option<&'v Json<'a>> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(claims.get(first)?, |value, token| match value {
            Json::Object(object) => object.get(token),
            Json::Array(elements) => elements.get(array_index(token)?),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => None,
        })
    }
}

/// RFC 6901 §4: digits without a leading zero.
fn array_index(token: &str) -> Option<usize> {
    let digits = token.bytes().all(|byte| byte.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    digits.then(|| token.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6901_section_5_examples() {
        let claims = Json::read_object(
            br#"{"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8, "realm_access": {"roles": ["x"]}, "k\"l": 6, "~1": 9}"#,
        )
        .unwrap();
        for (pointer, expected) in [
            ("/foo/0", Some(serde_json::json!("bar"))),
            ("/", Some(serde_json::json!(0))),
            ("/a~1b", Some(serde_json::json!(1))),
            ("/m~0n", Some(serde_json::json!(8))),
            ("/~01", Some(serde_json::json!(9))),
            ("/k\"l", Some(serde_json::json!(6))),
            ("/realm_access/roles", Some(serde_json::json!(["x"]))),
            ("/realm_access/roles/0", Some(serde_json::json!("x"))),
            ("/foo/00", None),
            ("/foo/-", None),
            ("/foo/+1", None),
            ("/foo/2", None),
            ("/foo/", None),
            ("/foo/0/x", None),
            ("/nothing", None),
            ("", None),
        ] {
            let found = Pointer::new(pointer).find(&claims);
            assert_eq!(found.is_some(), expected.is_some(), "{pointer}");
            assert!(found.zip(expected).is_none_or(|(found, expected)| found.equals(&expected)), "{pointer}");
        }
    }
}
