//! The worked example of the model, end to end: gateway, authorization server and sample API as they are, and two people.
//!
//! `cargo test --test it worked_example -- --nocapture` prints the transcript, which is kept in `golden/worked_example.txt`.

use std::fmt::Write;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Demo, Response, Visitor, eventually, golden};

const LIST: &str = "GET /api/v1/automations";
/// Ben's own, in no space.
const PAYROLL: &str = "GET /api/v1/automations/4";
/// Within this, what was changed is in force at the gateway.
const PROMPT: Duration = Duration::from_secs(5);

/// What was done and what came of it, without what differs from one run to the next.
#[derive(Default)]
struct Transcript(String);

impl Transcript {
    fn chapter(&mut self, title: &str) {
        let space = if self.0.is_empty() { "" } else { "\n" };
        self.say(&format!("{space}{title}\n"));
    }

    #[expect(clippy::print_stdout, reason = "`--nocapture` shows the transcript as it comes about")]
    fn say(&mut self, line: &str) {
        println!("{line}");
        writeln!(self.0, "{line}").expect("text");
    }

    /// Asks the gateway, and writes down what it answers.
    fn ask(&mut self, demo: &Demo, request: &str, token: &str) -> Response {
        let response = demo.ask(request, token);
        let mut line = format!("  {request:<40} {} {}", response.status, gist(&response));
        if let Some(challenge) = response.field("www-authenticate") {
            write!(line, "\n{:<47}WWW-Authenticate: {challenge}", "").expect("text");
        }
        self.say(&line);
        response
    }

    /// Waits until the gateway answers with this status, at most the five seconds that are promised, and writes the answer down.
    fn until(&mut self, demo: &Demo, request: &str, token: &str, status: u16) -> Response {
        let begun = Instant::now();
        eventually(request, || (demo.ask(request, token).status == status).then_some(()));
        let took = begun.elapsed();
        assert!(took < PROMPT, "{request} took {took:?} to become {status}");
        self.ask(demo, request, token)
    }

    fn token(&mut self, visitor: &mut Visitor, who: &str, scopes: &[&str]) -> String {
        visitor.ask_for(scopes);
        let asked = if visitor.asked.is_empty() { "no page is shown".into() } else { visitor.asked.join(", ") };
        let requested = if scopes.is_empty() { "nothing new".into() } else { format!("`{}`", scopes.join(" ")) };
        let token = visitor.token();
        let claims = claims(&token);
        let roles: Vec<_> = claims["roles"].as_array().expect("roles").iter().filter_map(Value::as_str).collect();
        self.say(&format!("  the application asks {who} for {requested}: {asked}"));
        self.say(&format!("  it gets a token with scope `{}` and roles {}", scope(&token), roles.join(" ")));
        token
    }
}

/// The names of the rows, or the reason of a refusal.
fn gist(response: &Response) -> String {
    let json = response.json();
    if let Some(reason) = json["reason"].as_str() {
        return reason.to_owned();
    }
    if let Some(rows) = json["automations"].as_array() {
        let names: Vec<_> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
        return format!("access {}: {}", json["access"].as_str().unwrap_or_default(), names.join(", "));
    }
    json["name"].as_str().or(json["detail"].as_str()).unwrap_or("done").to_owned()
}

fn claims(token: &str) -> Value {
    use base64::Engine;
    let payload = token.split('.').nth(1).expect("a JWT");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&bytes).expect("claims")
}

fn scope(token: &str) -> String {
    claims(token)["scope"].as_str().expect("a scope").to_owned()
}

#[test]
fn scopes_limit_roles_permit_and_the_api_filters() {
    let demo = Demo::start();
    let mut told = Transcript::default();
    let (mut ada, mut ben) = (demo.visitor("ada"), demo.visitor("ben"));
    let own = own_and_shared_rows(&demo, &mut told, &mut ada);
    let tenant = all_rows(&demo, &mut told, &mut ada, &own);
    a_role_permits(&demo, &mut told, &mut ben);
    an_approval_is_taken_back(&demo, &mut told, &mut ada, &tenant);
    golden("worked_example.txt", &told.0);
}

fn own_and_shared_rows(demo: &Demo, told: &mut Transcript, ada: &mut Visitor) -> String {
    told.chapter("Ada is TenantAdmin. She lets the application manage her automations.");
    let own = told.token(ada, "Ada", &["automations"]);
    assert_eq!(told.ask(demo, LIST, &own).json()["access"], "user");
    assert_eq!(told.ask(demo, "GET /api/v1/automations/3", &own).status, 200, "shared with her");
    assert_eq!(told.ask(demo, "POST /api/v1/automations/2/actions/copy", &own).status, 201, "managing her own");
    assert_eq!(told.ask(demo, PAYROLL, &own).status, 404, "neither hers nor shared: the API's own rule");
    assert_eq!(told.ask(demo, "GET /api/v1/automations/usage", &own).reason(), "insufficient_scope");
    own
}

fn all_rows(demo: &Demo, told: &mut Transcript, ada: &mut Visitor, own: &str) -> String {
    told.chapter("She lets it manage the tenant's as well.");
    let tenant = told.token(ada, "Ada", &["admin.automations"]);
    assert_eq!(told.ask(demo, LIST, &tenant).json()["access"], "admin");
    assert_eq!(told.ask(demo, PAYROLL, &tenant).status, 200);
    told.say("  with the token of before:");
    assert_eq!(told.ask(demo, PAYROLL, own).status, 404, "a token that was issued gains nothing");
    tenant
}

fn a_role_permits(demo: &Demo, told: &mut Transcript, ben: &mut Visitor) {
    told.chapter("Ben's role permits no scope of the whole tenant. He approves one all the same.");
    let bens = told.token(ben, "Ben", &["admin.automations"]);
    assert_eq!(told.ask(demo, PAYROLL, &bens).reason(), "role_ceiling");

    told.chapter("The role is changed. Within five seconds the same token opens the tenant.");
    ben.change_role();
    told.until(demo, PAYROLL, &bens, 200);
    assert_eq!(told.ask(demo, LIST, &bens).json()["access"], "admin");

    told.chapter("The role is changed back.");
    ben.change_role();
    assert_eq!(told.until(demo, PAYROLL, &bens, 403).reason(), "role_ceiling");
}

fn an_approval_is_taken_back(demo: &Demo, told: &mut Transcript, ada: &mut Visitor, tenant: &str) {
    told.chapter("Ada takes her approval back. Within five seconds the token that rested on it is refused.");
    ada.take_back("admin.automations");
    assert_eq!(told.until(demo, PAYROLL, tenant, 401).reason(), "revoked");

    told.chapter("The next token lacks it.");
    let next = told.token(ada, "Ada", &[]);
    assert_eq!(scope(&next), "automations");
    assert_eq!(told.ask(demo, LIST, &next).json()["access"], "user");
    assert_eq!(told.ask(demo, PAYROLL, &next).status, 404);
}
