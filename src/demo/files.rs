//! The files that the demo's servers are started from.

use super::start::Addresses;

/// The audience of the demo's tokens.
const AUDIENCE: &str = "https://api.example";

/// The policy that the demo starts with, and that anybody may begin theirs with.
pub(super) const ROUTES: &str = include_str!("../../routes.yaml");

/// The gateway file: everything that the authorization server tells is asked of it.
pub(super) fn gateway(addresses: &Addresses) -> String {
    let Addresses { gateway, admin, api, .. } = addresses;
    let issuer = addresses.issuer();
    format!(
        "listeners:
  - address: {gateway}
admin:
  address: {admin}
issuers:
  - issuer: {issuer}
    audience: [{AUDIENCE}]
    keys: {{discovery: true}}
    revocations: {{url: '{issuer}/oauth/revocations', interval: 1s, token: {{file: gateway.token}}}}
roles:                                 # besides those of the policy: the authorization server's own
  directory: {{url: '{issuer}/api/v1/role-directory', interval: 1s, token: {{file: gateway.token}}}}
upstreams:                             # one sample API plays all three
  automations: {{endpoints: [http://{api}]}}
  apps:        {{endpoints: [http://{api}]}}
  spaces:      {{endpoints: [http://{api}]}}
ceilings: {{roles: on, clients: on}}
log: {{format: text, level: error, access: all}}
policy: [routes.yaml]
"
    )
}

/// The authorization server's file.
pub(super) fn authorization_server(addresses: &Addresses) -> String {
    let (issuer, address) = (addresses.issuer(), addresses.authorization_server);
    format!(
        "issuer: {issuer}
address: {address}
database: authorization-server.sqlite
audience: [{AUDIENCE}]
gateway_token: {{file: gateway.token}}
lifetimes: {{access_token: 1h}}          # time to look around; 5m is the default
log: {{format: text, level: error}}
policy: [routes.yaml]
"
    )
}
