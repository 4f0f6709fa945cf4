//! Pages and redirects as responses, each with the fields that keep other sites out.

use askama::Template;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, PRAGMA, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use super::page_fault::PageFault;

/// What a page may do, and where its forms may lead.
///
/// Chromium asks `form-action` also of every redirect that answers a form, so a page whose form may end at a client names where.
fn content_security_policy(form_leads_to: Option<&str>) -> String {
    let beyond = form_leads_to.map(|source| format!(" {source}")).unwrap_or_default();
    format!("default-src 'none'; style-src 'self'; form-action 'self'{beyond}; base-uri 'none'; frame-ancestors 'none'")
}

/// Answers with a page. `form_leads_to` is the source expression of what its forms may lead to beside this server.
pub(super) fn page(
    status: StatusCode,
    page: &impl Template,
    form_leads_to: Option<&str>,
) -> Result<Response, PageFault> {
    let html = page.render().map_err(|_| PageFault::Unwritable)?;
    let policy = HeaderValue::try_from(content_security_policy(form_leads_to)).map_err(|_| PageFault::Unwritable)?;
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    keep_private(fields);
    fields.insert(CONTENT_SECURITY_POLICY, policy);
    // For browsers that do not know `frame-ancestors`.
    fields.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    // With `no-referrer` a browser would send our own forms with `Origin: null` (Fetch, "append a request `Origin` header").
    fields.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    Ok(response)
}

/// Leads on with GET (RFC 9700 §4.12: 303 never sends a password on).
pub(super) fn see_other(location: &str) -> Result<Response, PageFault> {
    let location = HeaderValue::try_from(location).map_err(|_| PageFault::Unwritable)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let fields = response.headers_mut();
    keep_private(fields);
    fields.insert(LOCATION, location);
    fields.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// Adds a `Set-Cookie` field.
pub(super) fn with_cookie(mut response: Response, cookie: &str) -> Result<Response, PageFault> {
    let cookie = HeaderValue::try_from(cookie).map_err(|_| PageFault::Unwritable)?;
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

fn keep_private(fields: &mut HeaderMap) {
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let same_origin = HeaderValue::from_static("same-origin");
    fields.insert(HeaderName::from_static("cross-origin-opener-policy"), same_origin.clone());
    fields.insert(HeaderName::from_static("cross-origin-resource-policy"), same_origin);
}
