//! The token that a request shows: RFC 6750 §2.1 over RFC 9110 §11.

use std::fmt;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use super::digest::TokenDigest;
use super::fault::CredentialFault;

/// The scheme of RFC 6750 §2.1.
const SCHEME: &[u8] = b"Bearer";

/// What a peer shows as its token, before anybody has looked whether it is one. Its Debug prints `…`.
#[derive(Clone, Copy)]
pub struct BearerCredentials<'a>(&'a [u8]);

/// A token as one peer showed it: one b64token, not longer than the limit. Its Debug prints `…`.
#[derive(Clone, Copy)]
pub struct BearerToken<'a>(&'a str);

/// A token with its digest, which is computed when this is made.
#[derive(Clone, Copy, Debug)]
pub struct DigestedToken<'a> {
    token: BearerToken<'a>,
    digest: TokenDigest,
}

impl<'a> BearerCredentials<'a> {
    /// Takes what the one `Authorization` field shows; `limit` is in bytes. Body and query are never read.
    ///
    /// # Errors
    ///
    /// [`CredentialFault::NoToken`] without the field, [`CredentialFault::MultipleTokens`] with several fields of any scheme,
    /// and those of [`BearerCredentials::from_value`].
    pub fn from_fields(fields: &'a HeaderMap, limit: usize) -> Result<Self, CredentialFault> {
        let mut values = fields.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or(CredentialFault::NoToken)?;
        if values.next().is_some() {
            return Err(CredentialFault::MultipleTokens);
        }
        Self::from_value(value, limit)
    }

    /// Takes what the value of the one `Authorization` field shows; `limit` is in bytes.
    ///
    /// # Errors
    ///
    /// [`CredentialFault::NoToken`] with another scheme than `Bearer`, [`CredentialFault::TokenTooLarge`] beyond `limit`, and
    /// [`CredentialFault::MalformedToken`] if no space follows the scheme.
    pub fn from_value(value: &'a HeaderValue, limit: usize) -> Result<Self, CredentialFault> {
        Self::read(value.as_bytes(), limit)
    }

    /// The bytes behind the scheme and its spaces, at most as many as the limit allowed: a secret.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Reads the token.
    ///
    /// # Errors
    ///
    /// [`CredentialFault::MalformedToken`] if it is not exactly one b64token.
    pub fn token(self) -> Result<BearerToken<'a>, CredentialFault> {
        if !is_b64token(self.0) {
            return Err(CredentialFault::MalformedToken);
        }
        std::str::from_utf8(self.0).map(BearerToken).map_err(|_| CredentialFault::MalformedToken)
    }

    fn read(value: &'a [u8], limit: usize) -> Result<Self, CredentialFault> {
        // RFC 9110 §11.1: the scheme is a token, compared without case.
        let (scheme, rest) = value.split_at_checked(SCHEME.len()).ok_or(CredentialFault::NoToken)?;
        // RFC 6750 §2.1: credentials = "Bearer" 1*SP b64token.
        let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
        let (_, token) = rest.split_at_checked(spaces).ok_or(CredentialFault::MalformedToken)?;
        let goes_on = spaces == 0 && token.first().is_some_and(|byte| is_tchar(*byte));
        if goes_on || !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(CredentialFault::NoToken);
        }
        if token.len() > limit {
            return Err(CredentialFault::TokenTooLarge);
        }
        if spaces == 0 { Err(CredentialFault::MalformedToken) } else { Ok(Self(token)) }
    }
}

impl<'a> BearerToken<'a> {
    /// Takes the token from the one `Authorization` field; `limit` is in bytes. Body and query are never read.
    ///
    /// # Errors
    ///
    /// Those of [`BearerCredentials::from_fields`] and of [`BearerCredentials::token`].
    pub fn from_fields(fields: &'a HeaderMap, limit: usize) -> Result<Self, CredentialFault> {
        BearerCredentials::from_fields(fields, limit)?.token()
    }

    /// Takes a token that came otherwise than in a field, such as the parameter of RFC 7662 §2.1; `limit` is in bytes.
    ///
    /// # Errors
    ///
    /// [`CredentialFault::TokenTooLarge`] beyond `limit`, [`CredentialFault::MalformedToken`] if it is not one b64token.
    pub fn from_text(text: &'a str, limit: usize) -> Result<Self, CredentialFault> {
        if text.len() > limit {
            return Err(CredentialFault::TokenTooLarge);
        }
        if is_b64token(text.as_bytes()) { Ok(Self(text)) } else { Err(CredentialFault::MalformedToken) }
    }

    /// The token's text.
    pub fn as_str(&self) -> &'a str {
        self.0
    }

    /// Tells whether the token is cut like a compact JWS (RFC 7515 §7.1): by exactly two dots.
    pub fn is_compact_jws(&self) -> bool {
        // A token of many dots costs no more than the first three of them.
        self.0.bytes().filter(|byte| *byte == b'.').take(3).count() == 2
    }

    /// Digests the token with SHA-256.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(self.0.as_bytes())
    }
}

impl<'a> DigestedToken<'a> {
    /// The token.
    pub fn token(&self) -> BearerToken<'a> {
        self.token
    }

    /// Its digest.
    pub fn digest(&self) -> TokenDigest {
        self.digest
    }
}

impl<'a> From<BearerToken<'a>> for DigestedToken<'a> {
    fn from(token: BearerToken<'a>) -> Self {
        Self { token, digest: token.digest() }
    }
}

impl fmt::Debug for BearerCredentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerCredentials(…)")
    }
}

impl fmt::Debug for BearerToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(…)")
    }
}

/// RFC 9110 §5.6.2.
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 6750 §2.1: `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn is_b64token(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let Some((body, _)) = token.split_at_checked(token.len() - padding) else { return false };
    // Without a branch in the loop the compiler compares sixteen bytes at a time.
    !body.is_empty() && body.iter().fold(true, |good, byte| good & is_b64token_byte(*byte))
}

fn is_b64token_byte(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    // `-`, `.`, `/` and the digits stand side by side.
    let dash_to_nine = byte.wrapping_sub(b'-') < 13;
    letter | dash_to_nine | (byte == b'_') | (byte == b'~') | (byte == b'+')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::CredentialFault::{MalformedToken, MultipleTokens, NoToken, TokenTooLarge};
    use super::*;

    fn read(values: &[&[u8]], limit: usize) -> Result<String, CredentialFault> {
        let mut fields = HeaderMap::new();
        for value in values {
            fields.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        BearerToken::from_fields(&fields, limit).map(|token| token.as_str().to_owned())
    }

    #[test]
    fn rfc_6750_section_2_1_one_field() {
        let rows: [(&str, &[u8], Result<&str, CredentialFault>); 32] = [
            ("scheme Bearer", b"Bearer a.b.c", Ok("a.b.c")),
            ("scheme bearer", b"bearer a.b.c", Ok("a.b.c")),
            ("scheme BEARER", b"BEARER a.b.c", Ok("a.b.c")),
            ("several spaces", b"Bearer   a.b.c", Ok("a.b.c")),
            ("every byte of the grammar", b"Bearer AZaz09-._~+/=", Ok("AZaz09-._~+/=")),
            ("padding", b"Bearer abc==", Ok("abc==")),
            ("nothing", b"", Err(NoToken)),
            ("Basic", b"Basic dGVzdDp0ZXN0", Err(NoToken)),
            ("unknown scheme", b"Foo a.b.c", Err(NoToken)),
            ("DPoP", b"DPoP a.b.c", Err(NoToken)),
            ("no scheme", b"a.b.c", Err(NoToken)),
            ("no space", b"Bearera.b.c", Err(NoToken)),
            ("a longer scheme", b"Bearer-2 a.b.c", Err(NoToken)),
            ("a shorter scheme", b"Beare a.b.c", Err(NoToken)),
            ("space first", b" Bearer a.b.c", Err(NoToken)),
            ("scheme alone", b"Bearer", Err(MalformedToken)),
            ("scheme and a space", b"Bearer ", Err(MalformedToken)),
            ("tab", b"Bearer\ta.b.c", Err(MalformedToken)),
            ("space and tab", b"Bearer \ta.b.c", Err(MalformedToken)),
            ("comma after the scheme", b"Bearer,a.b.c", Err(MalformedToken)),
            ("quotes inside", b"Bearer an\"invalid\"token", Err(MalformedToken)),
            ("quoted", b"Bearer \"a.b.c\"", Err(MalformedToken)),
            ("word after", b"Bearer a.b.c x", Err(MalformedToken)),
            ("space after", b"Bearer a.b.c ", Err(MalformedToken)),
            ("parameter after", b"Bearer a.b.c, realm=x", Err(MalformedToken)),
            ("two by a comma", b"Bearer a.b.c, Bearer a.b.c", Err(MalformedToken)),
            ("only padding", b"Bearer ==", Err(MalformedToken)),
            ("padding inside", b"Bearer a=b", Err(MalformedToken)),
            ("obs-text", b"Bearer a\xffb", Err(MalformedToken)),
            ("UTF-8", "Bearer a\u{e9}b".as_bytes(), Err(MalformedToken)),
            ("one byte too long", b"Bearer 12345678901234567890123456", Err(TokenTooLarge)),
            ("as long as allowed", b"Bearer 1234567890123456789012345", Ok("1234567890123456789012345")),
        ];
        for (name, value, expected) in rows {
            assert_eq!(read(&[value], 25).as_deref(), expected.as_ref().map(|text| *text), "{name}");
        }
    }

    #[test]
    fn rfc_6750_section_2_more_than_one_field_is_refused_whatever_the_schemes() {
        let rows: [&[&[u8]]; 4] = [
            &[b"Bearer a.b.c", b"Bearer a.b.c"],
            &[b"Basic dGVzdDp0ZXN0", b"Bearer a.b.c"],
            &[b"Bearer a.b.c", b"Basic dGVzdDp0ZXN0"],
            &[b"Bearer a.b.c", b""],
        ];
        for values in rows {
            assert_eq!(read(values, 100), Err(MultipleTokens));
        }
        assert_eq!(read(&[], 100), Err(NoToken));
    }

    #[test]
    fn no_token_is_shown_by_debug() {
        let mut fields = HeaderMap::new();
        fields.insert(AUTHORIZATION, HeaderValue::from_static("Bearer secret"));
        assert_eq!(format!("{:?}", BearerToken::from_fields(&fields, 100).unwrap()), "BearerToken(…)");
        assert_eq!(format!("{:?}", BearerCredentials::from_fields(&fields, 100).unwrap()), "BearerCredentials(…)");
    }

    proptest! {
        #[test]
        fn a_value_is_accepted_only_if_the_grammar_has_it(value in "(Bearer|bEARER|Basic)[ \t]{0,2}[A-Za-z0-9._~+/ =,\"-]{0,12}") {
            let token = read(&[value.as_bytes()], 100).ok();
            let (scheme, rest) = value.split_at(value.find([' ', '\t']).unwrap_or(value.len()));
            let credentials = rest.trim_start_matches(' ');
            let body = credentials.trim_end_matches('=');
            let good = scheme.eq_ignore_ascii_case("bearer") && rest.starts_with(' ') && !body.is_empty()
                && body.chars().all(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(c));
            prop_assert_eq!(token.as_deref(), good.then_some(credentials));
        }

        #[test]
        fn any_bytes_are_answered(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = BearerCredentials::read(&value, 20).and_then(BearerCredentials::token);
        }

        #[test]
        fn the_branchless_test_of_a_byte_is_the_grammar(byte in any::<u8>()) {
            prop_assert_eq!(is_b64token_byte(byte), byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte));
        }
    }
}
