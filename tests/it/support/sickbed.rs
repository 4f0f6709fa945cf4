//! A gateway's files, well or with something wrong in them or around them, for `scopegate doctor`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::gateway::POLICY;
use super::message::Message;
use super::signer::{AUDIENCE, Signer, now};
use super::upstream::{Answer, Upstream};
use super::{Authority, FeedServer, Issued, TlsFront};

/// `gateway` and `s3cret`, encoded.
const CREDENTIALS: &str = "Basic Z2F0ZXdheTpzM2NyZXQ=";

/// An authorization server that says what it is told to say, by its own clock.
pub struct Idp {
    pub url: String,
    says: Arc<Mutex<Says>>,
}

/// What the server says.
pub struct Says {
    /// Status and content of the key set.
    pub keys: (u16, String),
    /// The `issuer` of the metadata; its own URL if it is empty.
    pub name: String,
    /// What an introspection answers to whoever has the credentials.
    pub introspection: Value,
    /// Seconds by which its clock is ahead of ours.
    pub ahead: i64,
}

impl Idp {
    pub fn start(signer: &Signer) -> Self {
        let says =
            Says { keys: (200, signer.jwks()), name: String::new(), introspection: json!({"active": false}), ahead: 0 };
        let says = Arc::new(Mutex::new(says));
        let of_thread = Arc::clone(&says);
        let server = Upstream::answering(move |request| of_thread.lock().expect("unpoisoned").answer(request));
        Self { url: format!("http://{}", server.address), says }
    }

    /// Changes what it says.
    pub fn change(&self, change: impl FnOnce(&mut Says)) {
        change(&mut self.says.lock().expect("unpoisoned"));
    }
}

impl Says {
    fn answer(&self, request: &Message) -> Answer {
        let base = format!("http://{}", request.field("host").expect("a host"));
        let (status, content) = match request.target() {
            "/.well-known/oauth-authorization-server" => {
                let name = if self.name.is_empty() { base.clone() } else { self.name.clone() };
                let members = json!({
                    "issuer": name, "jwks_uri": format!("{base}/keys"), "introspection_endpoint": format!("{base}/introspect")
                });
                (200, members.to_string())
            }
            "/keys" => self.keys.clone(),
            "/introspect" if request.field("authorization") == Some(CREDENTIALS) => {
                (200, self.introspection.to_string())
            }
            "/introspect" => (401, String::new()),
            _ => (404, String::new()),
        };
        let date = UNIX_EPOCH + Duration::from_secs(now().checked_add_signed(self.ahead).expect("a time"));
        let (date, length) = (httpdate::fmt_http_date(date), content.len());
        Answer::Bytes(
            format!("HTTP/1.1 {status} So\r\nDate: {date}\r\nContent-Length: {length}\r\n\r\n{content}").into_bytes(),
        )
    }
}

/// The files of a gateway, and the servers that they name. All of it is well until a test changes it.
pub struct Sickbed {
    pub folder: TempDir,
    pub authority: Authority,
    pub idp: Idp,
    pub feeds: FeedServer,
    pub upstream: TlsFront,
    /// Behind the front.
    pub api: Upstream,
    /// `listeners`, as flow YAML.
    pub listeners: String,
    pub admin: String,
    /// The issuer's name.
    pub issuer: String,
    /// Its `keys`, as flow YAML.
    pub keys: String,
    /// What else its entry has, as lines.
    pub of_issuer: String,
    /// `upstreams.api`, as flow YAML.
    pub to_api: String,
    /// Further top-level keys.
    pub more: String,
    /// Descriptors that the command may have.
    pub descriptors: Option<usize>,
    /// Further arguments.
    pub arguments: Vec<&'static str>,
}

/// What the command came to.
pub struct Examined {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Sickbed {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (authority, signer) = (Authority::new("authority of the sick"), Signer::new("key-1"));
        let (idp, feeds, api) = (Idp::start(&signer), FeedServer::start(), Upstream::echo());
        let upstream = TlsFront::start(&authority.issue(&["127.0.0.1"]), None, api.address);
        let sickbed = Self {
            listeners: "[{address: '127.0.0.1:0', tls: {certificates: [{chain: tls/api.pem, key: tls/api.key}]}, public_url: 'https://api.test'}]"
                .into(),
            admin: "127.0.0.1:0".into(),
            issuer: idp.url.clone(),
            keys: "{discovery: true}".into(),
            of_issuer: format!(
                "    introspection: {{client_id: gateway, client_secret: {{file: client-secret}}}}\n    revocations: {{{}}}\n",
                feeds.feed()
            ),
            to_api: format!("{{endpoints: ['https://{}'], tls: {{ca: ca.pem}}}}", upstream.address),
            more: format!(
                "limits: {{connections: 100}}\nworkers: 1\nceilings: {{roles: on}}\nroles: {{directory: {{{}}}}}\n",
                feeds.directory()
            ),
            folder,
            authority,
            idp,
            feeds,
            upstream,
            api,
            descriptors: None,
            arguments: Vec::new(),
        };
        sickbed.write("routes.yaml", POLICY);
        sickbed.write("ca.pem", &sickbed.authority.pem());
        sickbed.write("client-secret", "s3cret\n");
        sickbed.mode("client-secret", 0o600);
        sickbed.certify(&sickbed.authority.issue(&["api.test"]));
        sickbed
    }

    /// The listener's certificate.
    pub fn certify(&self, issued: &Issued) {
        issued.write(&self.folder.path().join("tls"), "api");
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).expect("written");
    }

    pub fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.folder.path().join(name), fs::Permissions::from_mode(mode)).expect("a mode");
    }

    /// Writes the gateway file.
    pub fn write_file(&self) {
        let Self { listeners, admin, issuer, keys, of_issuer, to_api, more, .. } = self;
        let file = format!(
            "listeners: {listeners}\nadmin: {{address: '{admin}'}}\nissuers:\n  - issuer: {issuer}\n    audience: ['{AUDIENCE}']\n    keys: \
             {keys}\n{of_issuer}upstreams:\n  api: {to_api}\npolicy: [routes.yaml]\n{more}"
        );
        self.write("scopegate.yaml", &file);
    }

    /// Runs `scopegate doctor` on the file as it is.
    pub fn run(&self, arguments: &[&str]) -> Examined {
        let mut command = match self.descriptors {
            None => Command::new(env!("CARGO_BIN_EXE_scopegate")),
            Some(most) => {
                let mut command = Command::new("sh");
                let script = format!("ulimit -n {most}; exec \"$0\" \"$@\"");
                command.args(["-c", &script, env!("CARGO_BIN_EXE_scopegate")]);
                command
            }
        };
        command.args(["doctor", "scopegate.yaml"]).args(arguments).args(&self.arguments);
        let output = command.current_dir(self.folder.path()).output().expect("it runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Examined {
            status: output.status.code().expect("it exits"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Writes the file and has it examined, as JSON.
    pub fn examine(&self) -> Examined {
        self.write_file();
        self.run(&["--format", "json"])
    }
}

impl Examined {
    pub fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("no JSON: {}{}", self.stdout, self.stderr))
    }

    /// What was found that is not well: check, level, subject, message, hint.
    pub fn unwell(&self) -> Vec<[String; 5]> {
        let document = self.document();
        let findings = document["findings"].as_array().expect("findings").clone();
        let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let told = |finding: &Value| ["check", "level", "subject", "message", "hint"].map(|name| text(finding, name));
        findings.iter().map(told).filter(|finding| finding[1] != "ok").collect()
    }

    /// Asserts that one thing is not well: its check, level and whole subject, and words of message and hint. The exit status goes with it.
    #[track_caller]
    pub fn assert_finds(&self, check: &str, level: &str, subject: &str, message: &str, hint: &str) {
        let unwell = self.unwell();
        let is_it = |found: &[String; 5]| {
            found[0] == check
                && found[1] == level
                && found[2] == subject
                && found[3].contains(message)
                && found[4].contains(hint)
        };
        let wanted = [check, level, subject, message, hint];
        assert!(unwell.len() == 1 && is_it(&unwell[0]), "{wanted:#?}\nand found\n{unwell:#?}\n{}", self.stderr);
        assert_eq!(self.status, i32::from(level == "failed"));
    }
}
