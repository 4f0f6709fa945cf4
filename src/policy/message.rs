//! What a message must be before anything else is read: the fields alone, in one pass.

use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Version};

use crate::policy::Denial;
use crate::token::CredentialFault;

/// Names that no other spelling may reach: some upstreams read `Content_Length` or `Content.Length` as `Content-Length`.
const FOLDED_NAMES: [&str; 5] = ["host", "authorization", "content-length", "transfer-encoding", "connection"];

/// Refuses what a parser of HTTP/1.1 lets through and a gateway may not.
///
/// # Errors
///
/// [`Denial::BadRequest`] for none or several `Host`; `CONNECT`; a method with lower-case letters; a `Transfer-Encoding`
/// other than exactly one `chunked`, or on HTTP/1.0 (RFC 9112 §6.1); `Content-Length` fields that are no number or differ
/// (RFC 9112 §6.3); a field name that becomes `Host`, `Authorization`, `Content-Length`, `Transfer-Encoding` or
/// `Connection` when every sign in it is read as `-`; control characters in values (RFC 9110 §5.5). Several `Authorization` fields
/// alone are [`CredentialFault::MultipleTokens`].
pub fn screen_fields(method: &Method, version: Version, fields: &HeaderMap) -> Result<(), Denial> {
    if *method == Method::CONNECT || method.as_str().bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(Denial::BadRequest);
    }
    let mut seen = Seen::default();
    for (name, value) in fields {
        if has_controls(value.as_bytes()) {
            return Err(Denial::BadRequest);
        }
        if name == HOST {
            seen.hosts += 1;
        } else if name == AUTHORIZATION {
            seen.authorizations += 1;
        } else if name == CONTENT_LENGTH {
            seen.length(value)?;
        } else if name == TRANSFER_ENCODING {
            seen.coding(value, version)?;
        } else if folds_to_ours(name.as_str()) {
            return Err(Denial::BadRequest);
        }
    }
    // RFC 9112 §3.2: one `Host`, whatever the version.
    match seen {
        Seen { hosts: 1, authorizations: 0 | 1, .. } => Ok(()),
        Seen { hosts: 1, .. } => Err(Denial::Credential(CredentialFault::MultipleTokens)),
        Seen { .. } => Err(Denial::BadRequest),
    }
}

/// What the pass has met so far.
#[derive(Default)]
struct Seen<'f> {
    hosts: usize,
    authorizations: usize,
    length: Option<&'f [u8]>,
    has_coding: bool,
}

impl<'f> Seen<'f> {
    /// RFC 9112 §6.3: one length, in digits, however often it is said.
    fn length(&mut self, value: &'f HeaderValue) -> Result<(), Denial> {
        let digits = value.as_bytes();
        let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        if !plain || self.length.is_some_and(|before| before != digits) {
            return Err(Denial::BadRequest);
        }
        self.length = Some(digits);
        Ok(())
    }

    /// RFC 9112 §6.1: the one coding that is understood, once, and not in HTTP/1.0, which has none.
    fn coding(&mut self, value: &HeaderValue, version: Version) -> Result<(), Denial> {
        let only = !self.has_coding && value.as_bytes().eq_ignore_ascii_case(b"chunked");
        if !only || version < Version::HTTP_11 {
            return Err(Denial::BadRequest);
        }
        self.has_coding = true;
        Ok(())
    }
}

/// RFC 9110 §5.5: of the controls only the tab may stand in a value.
fn has_controls(value: &[u8]) -> bool {
    // Without a branch in the loop the compiler looks at sixteen bytes at a time.
    value.iter().fold(false, |found, &byte| found | ((byte < b' ') & (byte != b'\t')) | (byte == 0x7F))
}

/// Whether a name in lower case is none of [`FOLDED_NAMES`], and becomes one when all of its signs are read as `-`.
fn folds_to_ours(name: &str) -> bool {
    let fold = |byte: u8| if byte.is_ascii_alphanumeric() { byte } else { b'-' };
    let becomes = |known: &str| known.len() == name.len() && name.bytes().map(fold).eq(known.bytes());
    FOLDED_NAMES.into_iter().any(|known| becomes(known) && known != name)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn screen(method: &str, version: Version, fields: &[(&str, &[u8])]) -> Result<(), Denial> {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value).unwrap());
        }
        screen_fields(&Method::from_bytes(method.as_bytes()).unwrap(), version, &map)
    }

    const TOKENS: Result<(), Denial> = Err(Denial::Credential(CredentialFault::MultipleTokens));

    #[test]
    fn rfc9112_6_1_rfc9112_6_3_rfc9110_5_5_fields_are_screened() {
        type Fields<'a> = &'a [(&'a str, &'a [u8])];
        let cases: &[(&str, Fields<'_>, Result<(), Denial>)] = &[
            ("plain", &[], Ok(())),
            ("two hosts", &[("host", b"api.test")], Err(Denial::BadRequest)),
            ("one token", &[("authorization", b"Bearer a")], Ok(())),
            ("two tokens", &[("authorization", b"Bearer a"), ("authorization", b"Bearer b")], TOKENS),
            ("a length", &[("content-length", b"5")], Ok(())),
            ("one length twice", &[("content-length", b"5"), ("content-length", b"5")], Ok(())),
            ("two lengths", &[("content-length", b"5"), ("content-length", b"6")], Err(Denial::BadRequest)),
            (
                "one length in two spellings",
                &[("content-length", b"5"), ("content-length", b"05")],
                Err(Denial::BadRequest),
            ),
            ("a list of lengths", &[("content-length", b"5, 5")], Err(Denial::BadRequest)),
            ("a length with a sign", &[("content-length", b"+5")], Err(Denial::BadRequest)),
            ("no length", &[("content-length", b"")], Err(Denial::BadRequest)),
            ("chunked", &[("transfer-encoding", b"Chunked")], Ok(())),
            (
                "chunked twice",
                &[("transfer-encoding", b"chunked"), ("transfer-encoding", b"chunked")],
                Err(Denial::BadRequest),
            ),
            ("chunked in a list", &[("transfer-encoding", b"chunked, chunked")], Err(Denial::BadRequest)),
            ("another coding", &[("transfer-encoding", b"gzip, chunked")], Err(Denial::BadRequest)),
            ("an odd coding", &[("transfer-encoding", b"\tchunked")], Err(Denial::BadRequest)),
            ("a length of another spelling", &[("content_length", b"5")], Err(Denial::BadRequest)),
            ("a coding of another spelling", &[("Transfer_Encoding", b"x")], Err(Denial::BadRequest)),
            ("a length spelled with a dot", &[("content.length", b"5")], Err(Denial::BadRequest)),
            ("a name of ours with a bar more", &[("authorization_", b"x"), ("x_host", b"x")], Ok(())),
            ("a tab", &[("x", b"a\tb")], Ok(())),
            ("bytes beyond ASCII", &[("x", b"\xE9")], Ok(())),
        ];
        for (name, fields, expected) in cases {
            let fields: Vec<_> = [("host", &b"api.test"[..])].into_iter().chain(fields.iter().copied()).collect();
            assert_eq!(screen("GET", Version::HTTP_11, &fields), *expected, "{name}");
        }
    }

    #[test]
    fn rfc9112_3_2_a_host_is_demanded_on_every_version() {
        assert_eq!(screen("GET", Version::HTTP_11, &[]), Err(Denial::BadRequest));
        assert_eq!(screen("GET", Version::HTTP_10, &[]), Err(Denial::BadRequest));
        assert_eq!(screen("GET", Version::HTTP_10, &[("host", b"a")]), Ok(()));
    }

    #[test]
    fn rfc9112_6_1_http_1_0_has_no_transfer_codings() {
        let fields: &[(&str, &[u8])] = &[("host", b"a"), ("transfer-encoding", b"chunked")];
        assert_eq!(screen("POST", Version::HTTP_10, fields), Err(Denial::BadRequest));
    }

    #[test]
    fn methods_are_in_capitals_and_never_connect() {
        for (method, expected) in [
            ("GET", Ok(())),
            ("VERSION-CONTROL", Ok(())),
            ("get", Err(Denial::BadRequest)),
            ("GeT", Err(Denial::BadRequest)),
            ("CONNECT", Err(Denial::BadRequest)),
        ] {
            assert_eq!(screen(method, Version::HTTP_11, &[("host", b"a")]), expected, "{method}");
        }
    }
}
