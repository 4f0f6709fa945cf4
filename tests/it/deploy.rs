//! A volume of Kubernetes under a gateway that is busy: gateway file, policies and secrets in one projected volume, as the chart mounts it.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Busy, POLICY, Place, Server, Upstream, eventually};

const ADMIN_TOKEN: &str = "the-first-of-the-admin-tokens";

/// What the kubelet keeps at a mount: the names that are seen lead through `..data`, a link, into the folder of the version in force.
struct Volume {
    folder: TempDir,
    files: Vec<(&'static str, String)>,
    version: Option<PathBuf>,
    versions: usize,
}

impl Volume {
    fn new(files: Vec<(&'static str, String)>) -> Self {
        let mut volume = Self { folder: tempfile::tempdir().unwrap(), files, version: None, versions: 0 };
        volume.swap();
        volume
    }

    /// The steps of the kubelet's writer, in its order: a whole new folder, the link swapped, new names linked, the old folder removed.
    fn swap(&mut self) {
        let root = self.folder.path();
        self.versions += 1;
        let version = root.join(format!("..2026_11_23_{}", self.versions));
        for (path, content) in &self.files {
            let file = version.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, content).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o440)).unwrap();
        }
        symlink(version.file_name().unwrap(), root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
        let names: BTreeSet<_> = self.files.iter().filter_map(|(path, _)| Path::new(path).iter().next()).collect();
        for name in names {
            if !root.join(name).exists() {
                symlink(Path::new("..data").join(name), root.join(name)).unwrap();
            }
        }
        if let Some(old) = self.version.replace(version) {
            fs::remove_dir_all(old).unwrap();
        }
    }

    fn change(&mut self, path: &str, content: impl Into<String>) {
        let file = self.files.iter_mut().find(|(name, _)| *name == path).expect("a file");
        file.1 = content.into();
        self.swap();
    }
}

fn gateway_file(upstream: &Upstream, realm: &str) -> String {
    format!(
        "listeners: [{{address: 127.0.0.1:0}}]\nadmin: {{address: 127.0.0.1:0, token: {{file: secrets/admin/token}}}}\nissuers: [{{issuer: \
         https://idp.test/, audience: [https://api.test], keys: {{file: secrets/keys/jwks.json}}}}]\nupstreams: {{api: {{endpoints: \
         ['http://{}']}}}}\nrealm: {realm}\npolicy: [policies/*.yaml]\n",
        upstream.address
    )
}

fn address(serving: &Value, member: &str) -> SocketAddr {
    serving[member].as_str().expect("an address").parse().expect("an address")
}

fn reloads(server: &Server, message: &str) -> usize {
    server.output().iter().filter(|line| line.contains(&format!("\"msg\":\"{message}"))).count()
}

#[test]
fn the_swap_of_a_projected_volume_takes_effect_and_loses_no_request() {
    let upstream = Upstream::echo();
    let keys = crate::support::Signer::new("key-1").jwks();
    let mut volume = Volume::new(vec![
        ("scopegate.yaml", gateway_file(&upstream, "first")),
        ("policies/routes.yaml", POLICY.to_owned()),
        ("secrets/admin/token", ADMIN_TOKEN.to_owned()),
        ("secrets/keys/jwks.json", keys),
    ]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_scopegate"));
    command.args(["serve", "--config"]).arg(volume.folder.path().join("scopegate.yaml"));
    let (mut server, serving) = Server::run(&mut command);
    let place = Place::Tcp(address(&serving, "listener"));
    let status = |target: &str| place.get(target, "").map(|answer| answer.start_line).unwrap_or_default();
    let challenge = || {
        place
            .get("/items", "")
            .map(|answer| answer.field("www-authenticate").unwrap_or_default().to_owned())
            .unwrap_or_default()
    };
    assert!(status("/late").contains(" 404 ") && challenge().contains("realm=\"first\""));

    let load = Busy::new().keep_alive(&place, 4).connecting(&place, 4);
    let late = format!("{POLICY}  - {{path: /late, upstream: api, methods: {{GET: public}}}}\n");
    volume.change("policies/routes.yaml", late.as_str());
    eventually("the new route", || status("/late").contains(" 200 ").then_some(()));
    volume.change("scopegate.yaml", gateway_file(&upstream, "second"));
    eventually("the new realm", || challenge().contains("realm=\"second\"").then_some(()));
    volume.change("policies/routes.yaml", "routes: [{path: /late}]\n");
    eventually("the faulty policy is told of", || (reloads(&server, "error") > 0).then_some(()));
    assert!(status("/late").contains(" 200 "), "and what was in force still is");
    volume.change("policies/routes.yaml", POLICY);
    eventually("the policy as it was", || status("/late").contains(" 404 ").then_some(()));
    let so_far = load.good();
    eventually("the load runs", || (load.good() > so_far + 100).then_some(()));
    let (good, bad) = load.stop();
    assert!(bad.is_empty(), "{} of {good} failed: {:?}", bad.len(), bad.first());
    server.signal("TERM");
    assert!(server.exit().success());
}
