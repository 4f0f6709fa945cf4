//! UrlEncoded as RFC 6749 Appendix B spells them: `application/x-www-form-urlencoded`, in a query or in a form.

use std::collections::BTreeSet;

/// Names with values, in the order sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct UrlEncoded(Vec<(String, String)>);

/// An escape is cut off or names no byte, or the bytes are not UTF-8. Guessing would not give back what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl UrlEncoded {
    /// Reads a query or the content of a form.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let pairs = text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        let read = |pair: &[u8]| {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let mut next = || unescape(halves.next().unwrap_or_default());
            Ok((next()?, next()?))
        };
        pairs.map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The value of a parameter that is sent once. One without a value counts as omitted (RFC 6749 §3.1), and one that is sent more than
    /// once has no value to be sure of.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        let mut values = self.all(name);
        let first = values.next()?;
        (values.next().is_none() && !first.is_empty()).then_some(first)
    }

    /// Every value of a parameter.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether any parameter but `but` is sent more than once (RFC 6749 §3.1).
    pub(super) fn repeats_any_but(&self, but: &str) -> bool {
        let mut seen = BTreeSet::new();
        self.0.iter().any(|(name, _)| name != but && !seen.insert(name))
    }

    /// Takes a parameter away; its only value.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let value = self.one(name).map(str::to_owned);
        self.0.retain(|(known, _)| known != name);
        value
    }

    /// Writes them as [`UrlEncoded::parse`] reads them: ASCII letters, digits and `*-._+&=%` alone.
    pub(super) fn text(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

fn unescape(text: &[u8]) -> Result<String, Malformed> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => bytes.push(digit(rest.next())? << 4 | digit(rest.next())?),
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).map_err(|_| Malformed)
}

fn digit(byte: Option<&u8>) -> Result<u8, Malformed> {
    let digit = byte.and_then(|byte| char::from(*byte).to_digit(16));
    digit.and_then(|digit| u8::try_from(digit).ok()).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rfc_6749_3_1_a_parameter_without_a_value_is_omitted_and_one_sent_twice_has_none() {
        for (text, expected) in [
            ("a=1", Some("1")),
            ("b=2&a=1&", Some("1")),
            ("a=%2B+%c3%A9", Some("+ é")),
            ("a=x=y", Some("x=y")),
            ("%61=1", Some("1")),
            ("a=", None),
            ("a", None),
            ("", None),
            ("A=1", None),
            ("a=1&a=1", None),
            ("a=&a=1", None),
        ] {
            assert_eq!(UrlEncoded::parse(text.as_bytes()).unwrap().one("a"), expected, "`{text}`");
        }
    }

    #[test]
    fn what_cannot_be_read_in_one_way_is_refused() {
        for text in ["a=%", "a=%4", "a=%zz", "a=%+1", "a=%ff", "%80=1", "a=%c3"] {
            assert_eq!(UrlEncoded::parse(text.as_bytes()), Err(Malformed), "`{text}`");
        }
    }

    #[test]
    fn repetition_is_seen_whatever_the_values() {
        for (text, expected) in
            [("a=1&b=2", false), ("a=1&a=1", true), ("a&a", true), ("r=1&r=2", false), ("r=1&r=2&b&b", true)]
        {
            assert_eq!(UrlEncoded::parse(text.as_bytes()).unwrap().repeats_any_but("r"), expected, "`{text}`");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(pairs in prop::collection::vec((".{0,6}", ".{0,9}"), 0..5)) {
            let pairs: Vec<_> = pairs.into_iter().filter(|(name, value)| !(name.is_empty() && value.is_empty())).collect();
            let parameters = UrlEncoded(pairs);
            prop_assert_eq!(UrlEncoded::parse(parameters.text().as_bytes()), Ok(parameters));
        }

        #[test]
        fn any_bytes_are_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(parameters) = UrlEncoded::parse(&text) {
                prop_assert!(parameters.text().is_ascii());
            }
        }
    }
}
