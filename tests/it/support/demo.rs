//! `scopegate demo` as a child process, and a person with a browser in front of it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::browser::{Browser, Page};
use super::client::{Client, Response};

/// A demo that runs on ports of its own, and what it said.
pub struct Demo {
    pub child: Child,
    pub text: String,
    _output: BufReader<ChildStdout>,
}

/// A person: a browser for the demo's page, and one for the authorization server's.
pub struct Visitor {
    pub page: Browser,
    pub server: Browser,
    /// How often the person was asked something on the way to the latest token.
    pub asked: Vec<&'static str>,
    issuer: SocketAddr,
    origin: String,
    login: String,
    password: String,
}

impl Demo {
    pub fn start() -> Self {
        let mut child = Self::command().spawn().expect("it runs");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let mut text = String::new();
        while !text.contains("Ctrl-C") {
            assert_ne!(output.read_line(&mut text).expect("UTF-8"), 0, "the demo ended: {text}");
        }
        Self { child, text, _output: output }
    }

    /// The command, on free ports, with an output to be read.
    pub fn command() -> Command {
        let options = ["--page", "--gateway", "--admin", "--authorization-server", "--api"];
        let any = options.into_iter().flat_map(|option| [option, "127.0.0.1:0"]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_scopegate"));
        command.arg("demo").args(any).stdout(Stdio::piped());
        command
    }

    /// The address that it gives for one of its servers.
    #[track_caller]
    pub fn address(&self, what: &str) -> SocketAddr {
        let line = self.text.lines().find(|line| line.trim_start().starts_with(what)).expect("a line for it");
        let (_, url) = line.split_once("http://").expect("a URL");
        url.split(['/', ' ']).next().and_then(|address| address.parse().ok()).expect("an address")
    }

    /// The requests that it says to try, each with its status.
    pub fn requests(&self) -> Vec<(u16, String)> {
        let mut requests = Vec::new();
        let mut status = None;
        for line in self.text.lines() {
            if let Some(curl) = line.trim().strip_prefix("curl -i ") {
                requests.push((status.take().expect("a status before its request"), curl.to_owned()));
            } else if let Some(number) = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()) {
                status = Some(number);
            }
        }
        requests
    }

    /// Asks the gateway.
    pub fn ask(&self, request: &str, token: &str) -> Response {
        let (method, target) = request.split_once(' ').expect("method and path");
        let mut client = Client::connect(self.address("gateway"));
        let fields = format!("Authorization: Bearer {token}\r\nContent-Length: 0\r\n");
        client.request(method, target, &fields)
    }

    /// Where its files lie.
    pub fn folder(&self) -> PathBuf {
        let line = self.text.lines().find_map(|line| line.strip_prefix("Edit ")).expect("a file to edit");
        Path::new(line.split(": ").next().expect("a path")).parent().expect("a folder").to_owned()
    }

    /// What Ctrl-C does.
    pub fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
    }

    /// Somebody in front of it, with the password that its page shows.
    pub fn visitor(&self, login: &str) -> Visitor {
        let (page, issuer) = (self.address("open this"), self.address("authorization server"));
        let mut visitor = Visitor {
            page: Browser::new(page),
            server: Browser::new(issuer),
            asked: Vec::new(),
            issuer,
            origin: format!("http://{page}"),
            login: login.to_owned(),
            password: String::new(),
        };
        let shown = visitor.page.get("/").text();
        let (_, after) = shown.split_once(&format!("<code>{login}</code></th><td><code>")).expect("a password");
        visitor.password = after.split('<').next().expect("a password").to_owned();
        visitor
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Interrupted and not killed, so that it takes its folder away; it ends by its drain at the latest.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.interrupt();
            let _ = self.child.wait();
        }
    }
}

impl Visitor {
    /// Asks for these scopes on the demo's page, logs in and approves them where that is asked, and comes back to the page.
    pub fn ask_for(&mut self, scopes: &[&str]) -> Page {
        let mut form =
            self.page.get("/").form("/log-in").with("ask", if scopes.is_empty() { "nothing" } else { "these" });
        form.fields.retain(|(name, _)| name != "scope");
        form.fields.extend(scopes.iter().map(|scope| ("scope".to_owned(), (*scope).to_owned())));
        let mut next = self.page.submit(&form);
        self.asked.clear();
        loop {
            next = match next.location().map(str::to_owned) {
                Some(location) if location.starts_with(&self.origin) => {
                    let back = self.page.get(&location[self.origin.len()..]);
                    assert_eq!(back.location(), Some("/#token"), "{}", back.text());
                    return self.page.get("/");
                }
                Some(location) => self.server.get(location.trim_start_matches(&format!("http://{}", self.issuer))),
                None => self.answer(&next, scopes),
            };
        }
    }

    /// Fills in what the authorization server asks.
    fn answer(&mut self, page: &Page, scopes: &[&str]) -> Page {
        let text = page.text();
        if text.contains(r#"action="/login""#) {
            self.asked.push("login");
            let form = page.form("/login").with("login", &self.login).with("password", &self.password);
            return self.server.submit(&form);
        }
        // What a browser without `Refresh` shows after a login.
        if let Some((_, after)) = text.split_once(r#"href="/oauth/authorize"#) {
            let query = after.split('"').next().unwrap_or_default().replace("&#38;", "&");
            return self.server.get(&format!("/oauth/authorize{query}"));
        }
        assert!(text.contains(r#"action="/consent""#), "neither login nor consent ({}): {text}", page.status());
        self.asked.push("consent");
        let mut form = page.form("/consent").with("decision", "allow");
        form.fields.retain(|(name, _)| name != "scope");
        let offered = scopes.iter().filter(|scope| text.contains(&format!("name=\"scope\" value=\"{scope}\"")));
        form.fields.extend(offered.map(|scope| ("scope".to_owned(), (*scope).to_owned())));
        self.server.submit(&form)
    }

    /// Calls the API by a button of the page, with the token chosen there, and returns the page with the answer.
    pub fn call(&mut self, name: &str) -> Page {
        let form = self.page.get("/").form("/call").with("call", name);
        assert_eq!(self.page.submit(&form).location(), Some("/#answer"));
        self.page.get("/")
    }

    /// The newest token itself, as the page's own curl line shows it.
    pub fn token(&mut self) -> String {
        let page = self.call("list").text();
        let (_, after) = page.split_once("Authorization: Bearer ").expect("a curl line with a token");
        after.chars().take_while(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(*letter)).collect()
    }

    /// Removes an approval on the authorization server's page.
    pub fn take_back(&mut self, scope: &str) {
        let approvals = self.server.get("/approvals");
        let text = approvals.text();
        assert!(text.contains(scope), "approved: {text}");
        let form = approvals.form("/approvals").with("scope", scope);
        assert_eq!(self.server.submit(&form).status(), 303);
    }

    /// Lets Ben's role permit the administrator's scope, or no longer.
    pub fn change_role(&mut self) {
        let page = self.page.get("/");
        let (_, after) =
            page.text().split_once(r#"name="permit" value=""#).map(|(a, b)| (a.len(), b.to_owned())).expect("a button");
        let form = page.form("/role").with("permit", after.split('"').next().expect("a value"));
        assert_eq!(self.page.submit(&form).location(), Some("/#role"));
        let said = self.page.get("/").text();
        assert!(said.contains("The role is changed"), "{said}");
    }
}
