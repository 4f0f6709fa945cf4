//! Parameters of a query by which an upstream might take another method than the one that was decided on.

use std::borrow::Cow;

/// Whether a parameter of the query has one of the names, as a form parser would read it.
///
/// `&` and `;` separate parameters; `+` and escapes in a name are decoded. Some parsers go further, and what they would
/// take for a name counts too: they drop leading spaces, read ` `, `.` and a lone `[` as `_`, and end a name at NUL or at
/// the `[` of an index.
pub(super) fn has_parameter(query: &str, names: &[String]) -> bool {
    if names.is_empty() {
        return false;
    }
    query.split(['&', ';']).any(|parameter| {
        let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
        let decoded = decode(name);
        names.iter().any(|refused| *decoded == *refused.as_bytes() || loosely(&decoded).eq(loosely(refused.as_bytes())))
    })
}

/// A name as parsers that build variables from it read it.
fn loosely(name: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let name = name.trim_ascii_start();
    // A `[` at the start opens no index.
    let end = name.iter().skip(1).position(|&byte| byte == b'[').map_or(name.len(), |at| at + 1);
    let name = name.get(..end).unwrap_or(name);
    name.iter().take_while(|&&byte| byte != 0).map(|&byte| if matches!(byte, b' ' | b'.' | b'[') { b'_' } else { byte })
}

/// The bytes of a name of `application/x-www-form-urlencoded`; malformed escapes stay as they are.
fn decode(name: &str) -> Cow<'_, [u8]> {
    if !name.contains(['%', '+']) {
        return Cow::Borrowed(name.as_bytes());
    }
    let mut decoded = Vec::with_capacity(name.len());
    for (before, byte, written) in crate::policy::escapes::pieces(name) {
        decoded.extend(before.bytes().map(|byte| if byte == b'+' { b' ' } else { byte }));
        match byte {
            Some(byte) => decoded.push(byte),
            None => decoded.extend_from_slice(written.as_bytes()),
        }
    }
    Cow::Owned(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_form_parsers_read_them() {
        for (query, expected) in [
            ("", false),
            ("_method", true),
            ("_method=DELETE", true),
            ("a=1&_method=DELETE", true),
            ("a=1;_method=DELETE", true),
            ("%5Fmethod=DELETE", true),
            ("_m%65thod=DELETE", true),
            ("%5f%6D%65%74%68%6f%64=DELETE", true),
            ("_method[]=DELETE", true),
            ("_method%5B0%5D=DELETE", true),
            ("+_method=DELETE", true),
            (".method=DELETE", true),
            ("%5Bmethod=DELETE", true),
            ("_method%00x=DELETE", true),
            ("_METHOD=DELETE", false),
            ("__method=DELETE", false),
            ("x_method=DELETE", false),
            ("_methods=DELETE", false),
            ("a=_method", false),
            ("a=1?_method=DELETE", false),
            ("%255Fmethod=DELETE", false),
            ("_method%zz=DELETE", false),
        ] {
            assert_eq!(has_parameter(query, &["_method".to_owned()]), expected, "{query}");
        }
        assert!(!has_parameter("_method=DELETE", &[]));
        assert!(has_parameter("a.b=1", &["a.b".to_owned()]));
    }
}
