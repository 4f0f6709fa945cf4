//! The demo's folder: gateway file, policy, key set and key, for the owner's eyes only and gone when the demo ends.

use std::fs::{self, DirBuilder};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::mint::random_name;
use super::test_key::{PRIVATE, TestKey, write_new};

/// The issuer of the demo's tokens.
pub(super) const ISSUER: &str = "https://idp.example/";
/// Their audience.
pub(super) const AUDIENCE: &str = "https://api.example";

/// The policy that the demo starts with, and that anybody may begin theirs with.
const ROUTES: &str = include_str!("../../routes.yaml");

/// A folder that is removed when it is dropped.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

/// Where the three servers of the demo listen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) gateway: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) api: SocketAddr,
}

impl Folder {
    /// Writes everything that the gateway reads into a new folder.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub(super) fn write(key: &TestKey, addresses: &Addresses) -> Result<Self, Fault> {
        let path = std::env::temp_dir().join(format!("scopegate-demo-{}", random_name()?));
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| Fault::write(&path, error))?;
        let folder = Self(path);
        let set = key.jwk_set().to_string();
        let files = [
            ("scopegate.yaml", gateway_file(addresses)),
            ("routes.yaml", ROUTES.to_owned()),
            ("jwks.json", set),
            ("key.pem", key.pem()),
        ];
        for (name, text) in files {
            let path = folder.0.join(name);
            write_new(&path, &text, PRIVATE).map_err(|error| Fault::write(&path, error))?;
        }
        Ok(folder)
    }

    /// The path of one of its files.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The folder itself.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind lies in the system's temporary folder and opens nothing but a demo that has ended.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn gateway_file(addresses: &Addresses) -> String {
    let Addresses { gateway, admin, api } = addresses;
    format!(
        "listeners:
  - address: {gateway}
admin:
  address: {admin}
issuers:
  - issuer: {ISSUER}
    audience: [{AUDIENCE}]
    keys: {{file: jwks.json}}
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder() -> Folder {
        let address: SocketAddr = "127.0.0.1:1".parse().expect("an address");
        let addresses = Addresses { gateway: address, admin: address, api: address };
        Folder::write(&TestKey::generate().expect("a key"), &addresses).expect("a folder")
    }

    #[test]
    fn nobody_else_may_read_it_and_it_does_not_outlive_its_owner() {
        let folder = folder();
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode(folder.path()), 0o700);
        for name in ["scopegate.yaml", "routes.yaml", "jwks.json", "key.pem"] {
            assert_eq!(mode(&folder.file(name)), 0o600, "{name}");
        }
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }
}
