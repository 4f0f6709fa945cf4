//! A folder that holds the shipped files as a reader of the documents would have them, and the command run in it.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use tempfile::TempDir;

use super::certificates::Authority;

/// The root of the repository.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A folder with the shipped policy, the example gateway file and certificates: `routes.yaml`, `scopegate.yaml`, `tls/`.
pub struct Workplace(TempDir);

impl Workplace {
    pub fn new() -> Self {
        let workplace = Self(tempfile::tempdir().expect("a folder"));
        for name in ["routes.yaml", "deploy/example/scopegate.yaml", "deploy/example/authorization-server.yaml"] {
            workplace.write(name, &shipped(name));
        }
        workplace.write(
            "scopegate.yaml",
            &shipped("deploy/example/scopegate.yaml").replace("../../routes.yaml", "routes.yaml"),
        );
        let authority = Authority::new("authority of the documents");
        workplace.write("tls/ca.pem", &authority.pem());
        for name in ["api", "admin", "gateway"] {
            authority.issue(&[&format!("{name}.example.com")]).write(&workplace.path().join("tls"), name);
        }
        workplace
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }

    /// The command, to be run here, without the environment's own settings.
    pub fn scopegate(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scopegate"));
        command.current_dir(self.path()).env_remove("SCOPEGATE_CONFIG");
        command.env_remove("SCOPEGATE_AUTHORIZATION_SERVER_CONFIG");
        for secret in ["SCOPEGATE_ADMIN_TOKEN", "SCOPEGATE_FEED_TOKEN", "SCOPEGATE_GATEWAY_TOKEN"] {
            command.env(secret, "a-token-of-the-documents");
        }
        command
    }

    /// Runs the command: exit status, standard output, standard error.
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.scopegate().args(arguments).output().expect("it runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code().expect("it exits"), text(output.stdout), text(output.stderr))
    }
}

/// The text of a file of the repository.
pub fn shipped(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
