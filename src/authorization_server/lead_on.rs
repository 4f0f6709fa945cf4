//! The way from a form that holds a password to where it leads.

use axum::http::header::REFRESH;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::AuthorizationServer;
use super::authorization_fault::RequestFault;
use super::destination::Destination;
use super::page::{page, see_other};
use super::page_fault::PageFault;
use super::redirect_uri::{form_action_source, is_web};
use super::visit::check;
use crate::pages::{Link, MessagePage};
use crate::store::StoreFault;

/// What a form that holds a password may lead to beside this server: the scheme of an application on the device, or nothing.
///
/// INVARIANT: no password is typed on a page that lets a form be sent to another web site.
pub(super) async fn beyond(
    server: &AuthorizationServer,
    destination: &Destination,
) -> Result<Option<String>, StoreFault> {
    let redirect_uri = redirect_uri(server, destination).await?;
    Ok(redirect_uri.filter(|uri| !is_web(uri)).map(|uri| form_action_source(&uri)))
}

/// Leads on from such a form.
///
/// A redirect would be held to the form's `form-action` all the way to the client. So where a web site waits, the chain is cut: a page
/// leads on, and a browser does that at once and without a script. To an application on the device a redirect is the better way, for
/// some browsers open one only as long as they know of a touch that asked for it.
pub(super) async fn lead_on(server: &AuthorizationServer, destination: &Destination) -> Result<Response, PageFault> {
    let location = destination.location();
    if !redirect_uri(server, destination).await?.is_some_and(|uri| is_web(&uri)) {
        return see_other(&location);
    }
    let refresh = HeaderValue::try_from(format!("0; url={location}")).map_err(|_| PageFault::Unwritable)?;
    let said = MessagePage {
        title: "You are logged in".to_owned(),
        what: "You will be led on at once.".to_owned(),
        advice: "If nothing happens, go on yourself.".to_owned(),
        link: Some(Link { address: location, text: "Go on" }),
        code: None,
    };
    let mut response = page(StatusCode::OK, &said, None)?;
    response.headers_mut().insert(REFRESH, refresh);
    Ok(response)
}

async fn redirect_uri(server: &AuthorizationServer, destination: &Destination) -> Result<Option<String>, StoreFault> {
    let Destination::Authorization(pending) = destination else { return Ok(None) };
    Ok(match check(server, pending).await? {
        Ok(request) => Some(request.return_address.redirect_uri),
        Err(RequestFault::Returned(address, _)) => Some(address.redirect_uri),
        Err(RequestFault::Shown(_)) => None,
    })
}
