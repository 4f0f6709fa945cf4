//! What every page about the user's own affairs asks first.

use axum::http::HeaderMap;
use axum::response::Response;

use super::destination::Destination;
use super::login::{self, LoginForm};
use super::page_fault::PageFault;
use super::session::LoggedIn;
use super::{AuthorizationServer, password_change};

/// Finds who is logged in and may go on; otherwise the inner response asks for the login, or for a password of the user's own, and
/// then leads to `destination`.
pub(super) async fn enter(
    server: &AuthorizationServer,
    fields: &HeaderMap,
    destination: Destination,
) -> Result<Result<LoggedIn, Response>, PageFault> {
    match LoggedIn::find(server, fields).await? {
        None => login::show(server, fields, &destination, LoginForm::empty(String::new())).await.map(Err),
        Some(logged_in) if logged_in.session.must_change_password => {
            password_change::show(server, &logged_in, &destination, None).await.map(Err)
        }
        Some(logged_in) => Ok(Ok(logged_in)),
    }
}
