//! What a message must be before anything else is read: the fields alone, in one pass.

use std::fmt;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use crate::policy::Denial;
use crate::token::CredentialFault;

/// Names that no other spelling may reach: some upstreams read `Content_Length` or `Content.Length` as `Content-Length`.
const FOLDED_NAMES: [&str; 5] = ["host", "authorization", "content-length", "transfer-encoding", "connection"];

/// One pass over the fields of a request, which refuses what a parser of HTTP/1.1 lets through and a gateway may not.
///
/// Its Debug shows no value.
pub struct Screening<'f> {
    version: Version,
    host: Option<&'f HeaderValue>,
    credentials: Option<&'f HeaderValue>,
    hosts: usize,
    authorizations: usize,
    length: Option<&'f [u8]>,
    has_coding: bool,
    bytes: usize,
    has_fault: bool,
}

/// Screens the fields of a request at once, and returns the bytes of their names and values.
///
/// # Errors
///
/// Those of [`Screening::end`].
pub fn screen_fields(method: &Method, version: Version, fields: &HeaderMap) -> Result<usize, Denial> {
    let mut screening = Screening::begin(method, version);
    fields.iter().for_each(|(name, value)| screening.see(name, value));
    screening.end()
}

impl<'f> Screening<'f> {
    /// Begins with what stands before the fields.
    pub fn begin(method: &Method, version: Version) -> Self {
        let has_fault = *method == Method::CONNECT || method.as_str().bytes().any(|byte| byte.is_ascii_lowercase());
        Self {
            version,
            host: None,
            credentials: None,
            hosts: 0,
            authorizations: 0,
            length: None,
            has_coding: false,
            bytes: 0,
            has_fault,
        }
    }

    /// Takes one field, in the order of the message.
    pub fn see(&mut self, name: &HeaderName, value: &'f HeaderValue) {
        self.bytes += name.as_str().len() + value.len();
        self.has_fault |= has_controls(value.as_bytes());
        if name == HOST {
            self.hosts += 1;
            self.host = self.host.or(Some(value));
        } else if name == AUTHORIZATION {
            self.authorizations += 1;
            self.credentials = self.credentials.or(Some(value));
        } else if name == CONTENT_LENGTH {
            self.length(value);
        } else if name == TRANSFER_ENCODING {
            self.coding(value);
        } else {
            self.has_fault |= folds_to_ours(name.as_str());
        }
    }

    /// The first `Host` so far, whatever else is to be said of the fields.
    pub fn host(&self) -> Option<&'f HeaderValue> {
        self.host
    }

    /// The first `Authorization` so far, whatever else is to be said of the fields.
    pub fn credentials(&self) -> Option<&'f HeaderValue> {
        self.credentials
    }

    /// Ends the pass, and returns the bytes of all names and values.
    ///
    /// # Errors
    ///
    /// [`Denial::BadRequest`] for none or several `Host`; `CONNECT`; a method with lower-case letters; a `Transfer-Encoding`
    /// other than exactly one `chunked`, or on HTTP/1.0 (RFC 9112 §6.1); `Content-Length` fields that are no number or differ
    /// (RFC 9112 §6.3); a field name that becomes `Host`, `Authorization`, `Content-Length`, `Transfer-Encoding` or
    /// `Connection` when every sign in it is read as `-`; control characters in values (RFC 9110 §5.5). Several `Authorization`
    /// fields alone are [`CredentialFault::MultipleTokens`].
    pub fn end(&self) -> Result<usize, Denial> {
        if self.has_fault {
            return Err(Denial::BadRequest);
        }
        // RFC 9112 §3.2: one `Host`, whatever the version.
        match (self.hosts, self.authorizations) {
            (1, 0 | 1) => Ok(self.bytes),
            (1, _) => Err(Denial::Credential(CredentialFault::MultipleTokens)),
            (_, _) => Err(Denial::BadRequest),
        }
    }

    /// RFC 9112 §6.3: one length, in digits, however often it is said.
    fn length(&mut self, value: &'f HeaderValue) {
        let digits = value.as_bytes();
        let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        self.has_fault |= !plain || self.length.is_some_and(|before| before != digits);
        self.length = Some(digits);
    }

    /// RFC 9112 §6.1: the one coding that is understood, once, and not in HTTP/1.0, which has none.
    fn coding(&mut self, value: &HeaderValue) {
        let only = !self.has_coding && value.as_bytes().eq_ignore_ascii_case(b"chunked");
        self.has_fault |= !only || self.version < Version::HTTP_11;
        self.has_coding = true;
    }
}

impl fmt::Debug for Screening<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screening")
            .field("bytes", &self.bytes)
            .field("has_fault", &self.has_fault)
            .finish_non_exhaustive()
    }
}

/// RFC 9110 §5.5: of the controls only the tab may stand in a value.
fn has_controls(value: &[u8]) -> bool {
    // Without a branch in the loop the compiler looks at sixteen bytes at a time, and two questions a byte are fewer than three.
    let (lowest, has_delete) = value
        .iter()
        .fold((u8::MAX, false), |(lowest, has_delete), &byte| (lowest.min(byte), has_delete | (byte == 0x7F)));
    has_delete || (lowest < b' ' && value.iter().any(|&byte| byte < b' ' && byte != b'\t'))
}

/// Whether a name in lower case is none of [`FOLDED_NAMES`], and becomes one when all of its signs are read as `-`.
fn folds_to_ours(name: &str) -> bool {
    let fold = |byte: u8| if byte.is_ascii_alphanumeric() { byte } else { b'-' };
    let becomes = |known: &str| known.len() == name.len() && name.bytes().map(fold).eq(known.bytes());
    FOLDED_NAMES.into_iter().any(|known| becomes(known) && known != name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(method: &str, version: Version, fields: &[(&str, &[u8])]) -> Result<(), Denial> {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value).unwrap());
        }
        screen_fields(&Method::from_bytes(method.as_bytes()).unwrap(), version, &map).map(|_| ())
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
    fn rfc9110_5_5_the_tab_is_the_only_control() {
        for byte in 0..=u8::MAX {
            let value = [&[b'a', byte][..], &[b'b'; 20]].concat();
            assert_eq!(has_controls(&value), byte.is_ascii_control() && byte != b'\t', "{byte}");
        }
        assert!(has_controls(b"\t\0") && has_controls(b"\0\t") && !has_controls(b"") && !has_controls(b"\t"));
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
