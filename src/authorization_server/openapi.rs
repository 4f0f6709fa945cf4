//! The API's description of itself (OpenAPI 3.1).

use utoipa::openapi::security::{
    AuthorizationCode, ClientCredentials, Flow, HttpAuthScheme, HttpBuilder, OAuth2, Scopes, SecurityScheme,
};
use utoipa::{Modify, OpenApi, ToSchema};

use super::views::GrantTypeView;
use super::{api_approvals, api_clients, api_directory, api_roles, api_scopes, api_users};

/// Makes the document.
pub(super) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "scopegate authorization server: administration",
        description = "Users, roles, clients and approvals. Scopes limit and roles permit: an operation needs its scope in the access token \
                       and in one of the caller's roles, as they stand at the moment of the request.",
    ),
    paths(
        api_approvals::list_approvals,
        api_approvals::remove_approvals,
        api_approvals::remove_approval,
        api_clients::list_clients,
        api_clients::add_client,
        api_clients::show_client,
        api_clients::change_client,
        api_clients::remove_client,
        api_clients::replace_secret,
        api_directory::role_directory,
        api_roles::list_roles,
        api_roles::add_role,
        api_roles::show_role,
        api_roles::change_role,
        api_roles::remove_role,
        api_scopes::list_scopes,
        api_scopes::show_scope,
        api_users::list_users,
        api_users::add_user,
        api_users::show_user,
        api_users::change_user,
        api_users::remove_user,
        api_users::replace_password,
    ),
    modifiers(&Security)
)]
struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scopes = || {
            Scopes::from_iter([
                ("admin.roles", "Manage the roles of the tenant"),
                ("admin.users", "Manage the users of the tenant and what they approved"),
                ("admin.oauth-clients", "Manage the applications of the tenant"),
            ])
        };
        let flows = [
            Flow::AuthorizationCode(AuthorizationCode::new("/oauth/authorize", "/oauth/token", scopes())),
            Flow::ClientCredentials(ClientCredentials::new("/oauth/token", scopes())),
        ];
        let gateway = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The gateway's own token"));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("oauth2", SecurityScheme::OAuth2(OAuth2::new(flows)));
        components.add_security_scheme("gateway", SecurityScheme::Http(gateway.build()));
    }
}

/// Names of roles, each once.
#[derive(ToSchema)]
#[schema(max_items = 100)]
#[expect(dead_code, reason = "describes what is read elsewhere")]
pub(super) struct RoleNames(std::collections::BTreeSet<RoleName>);

/// The name of a role.
#[derive(ToSchema)]
#[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]
#[expect(dead_code, reason = "describes what is read elsewhere")]
pub(super) struct RoleName(String);

/// Scopes of the catalogue, each once.
#[derive(ToSchema)]
#[schema(max_items = 500)]
#[expect(dead_code, reason = "describes what is read elsewhere")]
pub(super) struct ScopeList(std::collections::BTreeSet<ScopeName>);

/// A scope (RFC 6749 section 3.3).
#[derive(ToSchema)]
#[schema(pattern = "^[!#-\\[\\]-~]{1,100}$")]
#[expect(dead_code, reason = "describes what is read elsewhere")]
pub(super) struct ScopeName(String);

/// Ways to a token, each once.
#[derive(ToSchema)]
#[schema(max_items = 3)]
#[expect(dead_code, reason = "describes what is read elsewhere")]
pub(super) struct GrantTypeList(std::collections::BTreeSet<GrantTypeView>);

/// Redirect URIs, each once.
#[derive(ToSchema)]
#[schema(max_items = 20)]
#[expect(dead_code, reason = "describes what is read elsewhere")]
pub(super) struct RedirectUris(std::collections::BTreeSet<RedirectUri>);

/// A redirect URI: https, http to a loopback address, or of a private-use scheme with a dot (RFC 8252 section 7); no fragment.
#[derive(ToSchema)]
#[schema(
    max_length = 500,
    pattern = "^(https://[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?([/?]([A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)?|http://(127\\.0\\.0\\.1|localhost|\\[::1\\])(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?([/?]([A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)?|[a-z][a-z0-9-]*(\\.[a-z0-9-]+)+:([A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)$",
    example = "https://app.example.com/callback"
)]
#[expect(dead_code, reason = "describes what is read elsewhere")]
pub(super) struct RedirectUri(String);
