//! For every reason one request that is refused with it, by the real binary, and the whole of what the peer is told.

use std::fmt::Write as _;
use std::io::BufReader;
use std::net::TcpStream;

use scopegate::policy::Reason;
use serde_json::{Value, json};

use crate::support::{
    Answer, Behaviour, FeedServer, ForeignServer, Gateway, INTROSPECTION, KeyServer, Mood, Reply, Response, Setup,
    Signer, Upstream, eventually, golden, now, shipped,
};

const POLICY: &str = "scopes:
  items: {implies: [items:read], admin: admin.items}
  items:read: {admin: admin.items:read}
  admin.items: {implies: [admin.items:read]}
  admin.items:read: {}
roles:
  Editor: {scopes: [items]}
  Admin: {scopes: [items, admin.items]}
clients:
  client-1: {scopes: ['*']}
  viewer: {scopes: [items:read]}
routes:
  - {path: '/items/{id}', upstream: api, methods: {GET: items:read, DELETE: items}}
  - {path: /items/all, upstream: api, methods: {GET: {admin: admin.items:read}}}
  - {path: '/open/{name}', upstream: api, methods: {GET: public, POST: public}}
";

/// What only a defect can give, and the test that plants one.
const BY_DEFECT: (Reason, &str) =
    (Reason::Internal, "tests/it/panics.rs::a_panic_in_one_request_answers_500_counts_and_hurts_nothing_else");

/// A request as the text shows it, and its answer.
struct Refused {
    shown: String,
    response: Response,
}

/// Never answers `/open/silent`, and hangs up over `/open/closed`.
fn upstream() -> Upstream {
    Upstream::answering(|request| match request.target() {
        "/open/silent" => Answer::Take(Box::new(|mut stream: BufReader<TcpStream>| {
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        })),
        "/open/closed" => Answer::Close(Vec::new()),
        _ => Answer::ok(""),
    })
}

fn setup(api: &str, more: &str) -> Setup {
    Setup {
        policy: POLICY.into(),
        api: api.into(),
        more: format!("ceilings: {{roles: on, clients: on}}\n{more}"),
        ..Setup::default()
    }
}

/// What one gateway refuses while it is well.
struct Refusals {
    gateway: Gateway,
    refused: Vec<Refused>,
}

impl Refusals {
    fn ask(&mut self, shown: &str, method: &str, target: &str, fields: &str) {
        let response = self.gateway.client().request(method, target, fields);
        self.refused.push(Refused { shown: shown.to_owned(), response });
    }

    /// A request whose text shows all of it.
    fn plain(&mut self, method: &str, target: &str, fields: &str) {
        let shown =
            format!("{method} {target}{}", if fields.is_empty() { String::new() } else { format!("  {fields}") });
        self.ask(&shown, method, target, &fields.split("; ").map(|field| format!("{field}\r\n")).collect::<String>());
    }

    fn token(&mut self, what: &str, token: &str) {
        self.token_for("GET /items/7", what, token);
    }

    fn token_for(&mut self, request: &str, what: &str, token: &str) {
        let (method, target) = request.split_once(' ').unwrap();
        self.ask(&format!("{request}  {what}"), method, target, &format!("Authorization: Bearer {token}\r\n"));
    }

    /// A token that is good but for these claims.
    fn claims(&mut self, what: &str, claims: &Value) {
        let token = self.gateway.signer.token("items:read", claims);
        self.token(what, &token);
    }

    fn message_and_route(&mut self) {
        for (method, target) in [
            ("GET", "/items/%zz"),
            ("GET", "/items/ALL"),
            ("POST", "/open/x?_method=DELETE"),
            ("BREW", "/open/x"),
            ("GET", "/nowhere"),
            ("PATCH", "/items/7"),
            ("GET", "/items/7"),
            ("GET", "/open/closed"),
            ("GET", "/open/silent"),
        ] {
            self.ask(&format!("{method} {target}"), method, target, "");
        }
        let long = format!("/open/{}", "x".repeat(300));
        self.ask("GET /open/x…  a target of 306 bytes", "GET", &long, "");
        let wide = format!("X-Long: {}\r\n", "x".repeat(3000));
        self.ask("GET /open/x  a field of 3,000 bytes", "GET", "/open/x", &wide);
    }

    fn credentials(&mut self) {
        self.plain("GET", "/items/7", "Authorization: Bearer a; Authorization: Bearer b");
        self.plain("GET", "/items/7", "Authorization: Bearer a b");
        self.token("a token of 2,000 bytes", &"x".repeat(2000));
        self.plain("GET", "/items/7", "Authorization: Bearer a.b.c");
    }

    fn tokens(&mut self) {
        let now = now();
        let good = json!({"iss": "https://idp.test/", "aud": "https://api.test", "sub": "user-1", "client_id": "client-1",
            "iat": now, "exp": now + 60, "scope": "items:read"});
        let hmac = self.gateway.signer.sign(&json!({"alg": "HS256", "typ": "at+jwt", "kid": "key-1"}), &good);
        self.token("`alg` HS256", &hmac);
        let proof = self.gateway.signer.sign(&json!({"alg": "ES256", "typ": "dpop+jwt", "kid": "key-1"}), &good);
        self.token("`typ` dpop+jwt", &proof);
        self.claims("`iss` of a stranger", &json!({"iss": "https://stranger.test/"}));
        self.token("`kid` that is not published", &Signer::new("key-2").token("items:read", &json!({})));
        self.token("signed with another key", &Signer::new("key-1").token("items:read", &json!({})));
        self.claims("`exp` in the past", &json!({"iat": now - 60, "exp": now - 1}));
        self.claims("`nbf` in a minute", &json!({"nbf": now + 60}));
        self.claims("`aud` of another API", &json!({"aud": "https://other.test"}));
        self.claims("no `sub`", &json!({"sub": null}));
        self.claims("`cnf`", &json!({"cnf": {"jkt": "x"}}));
    }

    fn scopes(&mut self) {
        let token = |scope: &str, more: &Value| self.gateway.signer.token(scope, more);
        let editor = token("items:read", &json!({"roles": ["Editor"]}));
        let viewer = token("items", &json!({"roles": ["Editor"], "client_id": "viewer"}));
        let no_admin = token("admin.items", &json!({"roles": ["Editor"]}));
        self.token_for("DELETE /items/7", "scope items:read", &editor);
        self.token_for("DELETE /items/7", "scope items, of a client that may use items:read", &viewer);
        self.token_for("GET /items/all", "scope admin.items, of a user whose role permits items", &no_admin);
    }
}

/// Everything that a gateway refuses while it and its neighbours are well.
fn by_request() -> Vec<Refused> {
    let more = "limits: {target_bytes: 256B, header_bytes: 2500B, token_bytes: 1500B}";
    let gateway = setup("timeouts: {response: 300ms}", more).start(&upstream());
    let mut refusals = Refusals { gateway, refused: Vec::new() };
    refusals.message_and_route();
    refusals.credentials();
    refusals.tokens();
    refusals.scopes();
    refusals.refused
}

/// A token that is no JWT, of a server that says it is not active, and of one that says nothing.
fn introspected() -> [Refused; 2] {
    let server = ForeignServer::start();
    let introspection = format!("{{url: '{}', client_id: gateway, client_secret: s3cret}}", server.url(INTROSPECTION));
    let keys = format!("{{file: jwks.json}}\n    introspection: {introspection}");
    let gateway = Setup { keys, ..setup("", "") }.start(&upstream());
    let inactive = gateway.client().get("/items/7", "opaque-1");
    server.reply(INTROSPECTION, Reply::Status(500));
    let unavailable = gateway.client().get("/items/7", "opaque-2");
    [
        Refused {
            shown: "GET /items/7  a token that is no JWT and that its issuer does not know".into(),
            response: inactive,
        },
        Refused { shown: "GET /items/7  a token that is no JWT, while its issuer fails".into(), response: unavailable },
    ]
}

fn without_keys() -> Refused {
    let server = KeyServer::start(Behaviour::Dead);
    let keys = format!("{{url: 'http://{}/keys'}}", server.address);
    let gateway = Setup { keys, ..setup("", "") }.start(&upstream());
    let response = gateway.client().get("/items/7", &gateway.signer.token("items:read", &json!({})));
    Refused { shown: "GET /items/7  while no key set was ever fetched".into(), response }
}

fn with_feed(server: &FeedServer) -> Gateway {
    let keys = format!("{{file: jwks.json}}\n    revocations: {{{}}}", server.feed());
    Setup { keys, ..setup("", "") }.start(&upstream())
}

fn after_revocation() -> Refused {
    let server = FeedServer::start();
    server.revoke(json!({"iss": "https://idp.test/", "jti": "a", "exp": now() + 3600}));
    let gateway = with_feed(&server);
    eventually("the feed is read", || (gateway.ask("GET", "/readyz").status == 200).then_some(()));
    let response = gateway.client().get("/items/7", &gateway.signer.token("items:read", &json!({"jti": "a"})));
    Refused { shown: "GET /items/7  a token that the issuer's revocation feed names".into(), response }
}

fn without_feed() -> Refused {
    let server = FeedServer::start();
    server.be(Mood::Dead);
    let gateway = with_feed(&server);
    let response = gateway.client().get("/items/7", &gateway.signer.token("items:read", &json!({})));
    Refused { shown: "GET /items/7  while the issuer's revocation feed was never read".into(), response }
}

fn without_directory() -> Refused {
    let server = FeedServer::start();
    server.be(Mood::Dead);
    let gateway = setup("", &format!("roles: {{directory: {{{}}}}}", server.directory())).start(&upstream());
    let token = gateway.signer.token("items:read", &json!({"roles": ["Guest"]}));
    let shown = "GET /items/7  of a user whose role the policy file lacks, while the role directory was never read";
    Refused { shown: shown.into(), response: gateway.client().get("/items/7", &token) }
}

fn beyond_a_limit() -> Refused {
    let gateway = setup("", "limits: {requests_in_flight: 1}\nworkers: 1").start(&upstream());
    let mut first = gateway.client();
    first.send("GET /open/silent HTTP/1.1\r\nHost: api.test\r\n\r\n");
    eventually("it is under way", || (gateway.metric("scopegate_requests_in_flight", &[]) == 1.0).then_some(()));
    let response = gateway.client().request("GET", "/open/x", "");
    Refused { shown: "GET /open/x  while `limits.requests_in_flight` are under way".into(), response }
}

fn after_the_drain() -> Refused {
    let gateway = setup("", "drain_timeout: 300ms").start(&upstream());
    let mut client = gateway.client();
    client.send("GET /open/silent HTTP/1.1\r\nHost: api.test\r\n\r\n");
    eventually("it is under way", || (gateway.metric("scopegate_requests_in_flight", &[]) == 1.0).then_some(()));
    gateway.signal("TERM");
    let shown = "GET /open/silent  unanswered when `drain_timeout` is over".into();
    Refused { shown, response: client.response_to("GET") }
}

impl Refused {
    fn text(&self) -> String {
        let mut text = format!("  {}\n    {}\n", self.shown, self.response.status);
        assert_eq!(self.response.field("cache-control"), Some("no-store"), "{}", self.shown);
        assert_eq!(self.response.field("content-type"), Some("application/problem+json"), "{}", self.shown);
        for name in ["www-authenticate", "allow", "retry-after"] {
            if let Some(value) = self.response.field(name) {
                writeln!(text, "    {name}: {value}").unwrap();
            }
        }
        for (member, value) in self.response.json().as_object().unwrap() {
            let value =
                if member == "instance" { "\"urn:scopegate:request:…\"".to_owned() } else { value.to_string() };
            writeln!(text, "      {member}: {value}").unwrap();
        }
        text
    }
}

#[test]
fn every_reason_is_given_to_some_request() {
    let mut refused = by_request();
    refused.extend(introspected());
    refused.extend([without_keys(), beyond_a_limit(), after_the_drain()]);
    refused.extend([after_revocation(), without_feed(), without_directory()]);
    let mut text = String::new();
    for reason in Reason::ALL {
        writeln!(text, "{reason}").unwrap();
        let cases: Vec<_> = refused.iter().filter(|case| case.response.reason() == reason.as_str()).collect();
        cases.iter().for_each(|case| text += &case.text());
        match BY_DEFECT {
            (defect, test) if defect == *reason => writeln!(text, "  by a defect only: {test}").unwrap(),
            _ => assert!(!cases.is_empty(), "no request is refused as `{reason}`"),
        }
        text.push('\n');
    }
    golden("reasons.txt", &text);
    let (file, test) = BY_DEFECT.1.split_once("::").unwrap();
    assert!(shipped(file).contains(&format!("fn {test}()")), "{}", BY_DEFECT.1);
}
