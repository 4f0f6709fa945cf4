//! On whose behalf a request comes, and how far it reaches: what the gateway says.

use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::request::Parts;

use super::fault::Fault;

/// On whose behalf a request comes, and how far it reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// The whole tenant, or what the subject owns or shares.
    pub(super) admin: bool,
    /// `Scopegate-Subject`: a user, or a client that acts alone.
    pub(super) subject: String,
}

impl Caller {
    fn of(fields: &HeaderMap) -> Result<Self, Fault> {
        let admin = match only(fields, "scopegate-access") {
            Some("admin") => true,
            Some("user") => false,
            Some(_) | None => return Err(Fault::NoAccess),
        };
        let subject = only(fields, "scopegate-subject").filter(|subject| !subject.is_empty()).ok_or(Fault::NoAccess)?;
        Ok(Self { admin, subject: subject.to_owned() })
    }

    /// How `Scopegate-Access` spells it.
    pub(super) fn access(&self) -> &'static str {
        if self.admin { "admin" } else { "user" }
    }

    /// Passes admin access alone.
    pub(super) fn admin_only(&self) -> Result<(), Fault> {
        if self.admin { Ok(()) } else { Err(Fault::AdminOnly) }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        Self::of(&parts.headers)
    }
}

/// Refuses what did not come through the gateway, whatever its path.
pub(super) async fn through_gateway(request: Request, next: Next) -> Result<Response, Fault> {
    match only(request.headers(), "scopegate-access") {
        Some(_) => Ok(next.run(request).await),
        None => Err(Fault::NotThroughGateway),
    }
}

/// The value of a field that is there exactly once: of two, nobody knows which the gateway wrote.
fn only<'a>(fields: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = fields.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn caller(fields: &[(&'static str, &'static str)]) -> Option<(bool, String)> {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, HeaderValue::from_static(value));
        }
        Caller::of(&map).ok().map(|caller| (caller.admin, caller.subject))
    }

    #[test]
    fn only_a_subject_with_user_or_admin_access_is_a_caller() {
        let ada = |admin| Some((admin, "ada".to_owned()));
        assert_eq!(caller(&[("scopegate-access", "user"), ("scopegate-subject", "ada")]), ada(false));
        assert_eq!(caller(&[("scopegate-access", "admin"), ("scopegate-subject", "ada")]), ada(true));
        for fields in [
            &[][..],
            &[("scopegate-access", "admin")],
            &[("scopegate-subject", "ada")],
            &[("scopegate-access", "admin"), ("scopegate-subject", "")],
            &[("scopegate-access", "Admin"), ("scopegate-subject", "ada")],
            &[("scopegate-access", "public"), ("scopegate-subject", "ada")],
            &[("scopegate-access", "authenticated"), ("scopegate-subject", "ada")],
            &[("scopegate-access", "user"), ("scopegate-access", "admin"), ("scopegate-subject", "ada")],
            &[("scopegate-access", "user"), ("scopegate-subject", "ada"), ("scopegate-subject", "ben")],
        ] {
            assert_eq!(caller(fields), None, "{fields:?}");
        }
    }
}
