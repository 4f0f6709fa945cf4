//! Forms as browsers send them.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;

use super::page_fault::PageFault;
use super::url_encoded::UrlEncoded;
use super::{AuthorizationServer, csrf, page_events};

/// Bytes of a form, at most.
const LONGEST: usize = 64 * 1024;
/// The only field that a form of ours may carry more than once: the boxes of the consent page.
pub(super) const SCOPE: &str = "scope";

/// A form of anybody's: what a client lets a browser send to the authorization endpoint.
#[derive(Debug)]
pub(super) struct AnyForm(pub(super) Vec<u8>);

/// A form of one of our pages. Whether it is this session's is for the session to say.
#[derive(Debug)]
pub(super) struct OwnForm(UrlEncoded);

impl OwnForm {
    /// The value of a field; empty where there is none.
    pub(super) fn value(&self, name: &str) -> &str {
        self.0.one(name).unwrap_or_default()
    }

    /// Every value of the field that may be repeated.
    pub(super) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.all(SCOPE)
    }
}

impl<S: Send + Sync> FromRequest<S> for AnyForm {
    type Rejection = PageFault;

    async fn from_request(request: Request, _: &S) -> Result<Self, PageFault> {
        let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(PageFault::Form);
        }
        let body = axum::body::to_bytes(request.into_body(), LONGEST).await.map_err(|_| PageFault::Form)?;
        Ok(Self(body.to_vec()))
    }
}

impl FromRequest<Arc<AuthorizationServer>> for OwnForm {
    type Rejection = PageFault;

    async fn from_request(request: Request, server: &Arc<AuthorizationServer>) -> Result<Self, PageFault> {
        if !csrf::is_from_our_page(request.headers(), &server.settings.issuer) {
            page_events::foreign_form();
            return Err(PageFault::Foreign);
        }
        let AnyForm(body) = AnyForm::from_request(request, server).await?;
        let fields = UrlEncoded::parse(&body).map_err(|_| PageFault::Form)?;
        if fields.repeats_any_but(SCOPE) { Err(PageFault::Form) } else { Ok(Self(fields)) }
    }
}
