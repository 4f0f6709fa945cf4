//! What the gateway keeps beside a remembered token: its standing under the terms in force, and its fields for upstreams.

use std::cell::RefCell;
use std::rc::Rc;

use http::HeaderValue;

use crate::policy::{Presented, Standing, Terms};
use crate::token::{TokenFault, VerifiedToken};

/// A bearer's standing and the values that tell an upstream about it, all of one generation of table and role directory.
#[derive(Debug)]
pub(super) struct Bearer {
    pub(super) standing: Standing,
    /// The permitted scopes, separated by one space.
    pub(super) permitted: HeaderValue,
    pub(super) subject: Option<HeaderValue>,
    pub(super) client: Option<HeaderValue>,
    pub(super) issuer: HeaderValue,
}

/// The note on a remembered token. It is no verdict: a request under other terms makes another standing.
#[derive(Debug, Default)]
pub(super) struct Note(RefCell<Option<Rc<Bearer>>>);

impl Note {
    /// The bearer as `terms` have it.
    ///
    /// # Errors
    ///
    /// [`TokenFault::BadClaims`] where a claim cannot stand in a field unchanged, so that an upstream would read another.
    pub(super) fn bearer(&self, terms: Terms<'_>, token: &VerifiedToken) -> Result<Rc<Bearer>, TokenFault> {
        if let Some(bearer) = &*self.0.borrow()
            && bearer.standing.is_under(terms)
        {
            return Ok(Rc::clone(bearer));
        }
        let bearer = Rc::new(Bearer::new(terms, token)?);
        *self.0.borrow_mut() = Some(Rc::clone(&bearer));
        Ok(bearer)
    }
}

impl Bearer {
    fn new(terms: Terms<'_>, token: &VerifiedToken) -> Result<Self, TokenFault> {
        let standing = Standing::new(terms.table, terms.directory, &Presented::of(token));
        let permitted = terms.table.catalog().text(standing.permitted());
        Ok(Self {
            permitted: exactly(&permitted)?,
            subject: token.subject.as_deref().map(exactly).transpose()?,
            client: token.client.as_deref().map(exactly).transpose()?,
            issuer: exactly(&token.issuer)?,
            standing,
        })
    }
}

/// A field value that every recipient reads as `text`: without control characters, which may not stand in a field, and without
/// surrounding white space, which recipients take away (RFC 9110 §5.5).
fn exactly(text: &str) -> Result<HeaderValue, TokenFault> {
    if text.trim_matches([' ', '\t']).len() != text.len() {
        return Err(TokenFault::BadClaims);
    }
    match text.bytes().any(|byte| byte.is_ascii_control()) {
        true => Err(TokenFault::BadClaims),
        false => HeaderValue::from_bytes(text.as_bytes()).map_err(|_| TokenFault::BadClaims),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_recipient_reads_unchanged_is_carried() {
        for (text, carried) in [
            ("user-1", true),
            ("auth0|6 5", true),
            ("jürgen", true),
            ("", true),
            (" admin", false),
            ("admin\t", false),
            ("a\r\nScopegate-Access: admin", false),
            ("a\tb", false),
            ("a\u{7f}", false),
        ] {
            assert_eq!(exactly(text).is_ok(), carried, "{text:?}");
        }
    }
}
