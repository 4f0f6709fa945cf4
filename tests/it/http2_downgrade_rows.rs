//! Requests of HTTP/2, right and wrong, and what becomes of the right ones: the rows of `http2_downgrade`.

/// A request as its frames have it.
pub struct Sent {
    pub name: &'static str,
    pub fields: Vec<(&'static str, &'static str)>,
    /// Payloads of `DATA`; nothing follows the last, unless there are trailers.
    pub content: &'static [&'static str],
    pub trailers: &'static [(&'static str, &'static str)],
}

pub type Field = (&'static str, &'static str);

const GOOD: [Field; 4] = [(":method", "GET"), (":scheme", "http"), (":authority", "api.test"), (":path", "/open/1")];

fn sent(name: &'static str, fields: Vec<Field>) -> Sent {
    Sent { name, fields, content: &[], trailers: &[] }
}

/// A good request in which one pseudo-header field has another value.
fn with(pseudo: &'static str, value: &'static str) -> Vec<Field> {
    GOOD.iter().map(|&(name, own)| (name, if name == pseudo { value } else { own })).collect()
}

/// A good request with more fields.
fn and(fields: &[Field]) -> Vec<Field> {
    [&GOOD, fields].concat()
}

/// A `POST` with more fields and content.
pub fn post(name: &'static str, fields: &[Field], content: &'static [&'static str]) -> Sent {
    Sent { name, fields: [&with(":method", "POST"), fields].concat(), content, trailers: &[] }
}

/// The same with trailers.
fn trailing(name: &'static str, trailers: &'static [Field]) -> Sent {
    Sent { trailers, ..post(name, &[], &["abc"]) }
}

/// Pseudo-header fields with values that RFC 9113 §8.3.1 does not let them have, or that mean nothing to HTTP/1.1.
const REPLACED: &[(&str, &str, &str)] = &[
    ("CRLF and a request in :path", ":path", "/open/1 HTTP/1.1\r\nHost: api.test\r\n\r\nGET /admin/1"),
    ("space in :path", ":path", "/open/1 HTTP/1.1"),
    ("tab in :path", ":path", "/open/1\t"),
    ("LF in :path", ":path", "/open/1\n"),
    ("CR in :path", ":path", "/open/1\r"),
    ("NUL in :path", ":path", "/open/1\0"),
    ("DEL in :path", ":path", "/open/1\x7F"),
    (":path without a slash", ":path", "open/1"),
    (":path absolute", ":path", "http://api.test/open/1"),
    (":path with an authority", ":path", "@evil.test/open/1"),
    (":path with two slashes", ":path", "//evil.test/open/1"),
    (":path with a query alone", ":path", "?/open/1"),
    (":path of an asterisk", ":path", "*"),
    ("empty :path", ":path", ""),
    ("CRLF and a request in :method", ":method", "GET /admin/1 HTTP/1.1\r\nHost: api.test\r\n\r\nGET"),
    ("space in :method", ":method", "GET /admin/1"),
    ("space before :method", ":method", " GET"),
    ("NUL in :method", ":method", "GET\0"),
    ("colon in :method", ":method", "GET:"),
    ("small letters in :method", ":method", "get"),
    ("empty :method", ":method", ""),
    ("CRLF in :authority", ":authority", "api.test\r\nx: y"),
    ("space in :authority", ":authority", "api.test evil.test"),
    ("path in :authority", ":authority", "api.test/admin/1?"),
    ("user information in :authority", ":authority", "evil@api.test"),
    ("several in :authority", ":authority", "api.test,evil.test"),
    ("NUL in :authority", ":authority", "api.test\0"),
    ("empty :authority", ":authority", ""),
    ("no port in :authority", ":authority", "api.test:x"),
    ("CRLF in :scheme", ":scheme", "http\r\nx: y"),
    ("space in :scheme", ":scheme", "http x"),
    ("an address in :scheme", ":scheme", "http://evil.test/?"),
    ("CONNECT with :path", ":method", "CONNECT"),
];

/// Fields that make a request malformed by RFC 9113 §8.2, or that two readers could read in two ways.
const ADDED: &[(&str, &[Field])] = &[
    ("a pseudo-field in capitals", &[(":Path", "/admin/1")]),
    ("a pseudo-field of answers", &[(":status", "200")]),
    ("an unknown pseudo-field", &[(":x", "1")]),
    (":protocol without CONNECT", &[(":protocol", "websocket")]),
    ("CRLF in a value", &[("x-a", "1\r\nscopegate-access: admin")]),
    ("CRLF and a request in a value", &[("x-a", "1\r\n\r\nGET /admin/1 HTTP/1.1\r\nHost: api.test\r\n\r\n")]),
    ("CR in a value", &[("x-a", "1\r2")]),
    ("LF in a value", &[("x-a", "1\n2")]),
    ("NUL in a value", &[("x-a", "1\x002")]),
    ("DEL in a value", &[("x-a", "1\x7F2")]),
    ("escape in a value", &[("x-a", "1\x1B2")]),
    ("value that ends with CRLF", &[("x-a", "1\r\n")]),
    ("value that begins with LF", &[("x-a", "\n1")]),
    ("value that begins with a space", &[("x-a", " 1")]),
    ("value that ends with a tab", &[("x-a", "1\t")]),
    ("CRLF in a crumb of cookie", &[("cookie", "a=1"), ("cookie", "b=2\r\nx: y")]),
    ("CRLF in a name", &[("x-a: 1\r\nx-b", "1")]),
    ("LF behind a name", &[("x-a\n", "1")]),
    ("NUL in a name", &[("x\0a", "1")]),
    ("colon in a name", &[("x:a", "1")]),
    ("colon behind a name", &[("content-length:", "1")]),
    ("space in a name", &[("x a", "1")]),
    ("space behind a name", &[("transfer-encoding ", "chunked")]),
    ("space before a name", &[(" x-a", "1")]),
    ("slash in a name", &[("x/a", "1")]),
    ("capitals in a name", &[("X-A", "1")]),
    ("letters beyond ASCII in a name", &[("x-\u{E4}", "1")]),
    ("a request as a name", &[("get /admin/1 http/1.1\r\nhost", "api.test")]),
    ("empty name", &[("", "1")]),
    ("connection that names a field", &[("connection", "authorization")]),
    ("connection", &[("connection", "close")]),
    ("proxy-connection", &[("proxy-connection", "keep-alive")]),
    ("keep-alive", &[("keep-alive", "timeout=5")]),
    ("upgrade", &[("upgrade", "websocket")]),
    ("upgrade to h2c", &[("upgrade", "h2c"), ("http2-settings", "AAMAAABkAAQAAP__")]),
    ("te of more than trailers", &[("te", "trailers, chunked")]),
    ("te of gzip", &[("te", "gzip")]),
    ("host that differs", &[("host", "evil.test")]),
    ("two hosts", &[("host", "api.test"), ("host", "evil.test")]),
    ("two hosts that agree", &[("host", "api.test"), ("host", "api.test")]),
];

/// The same of requests with content.
const ADDED_TO_POST: &[(&str, &[Field], &[&str])] = &[
    ("transfer-encoding", &[("transfer-encoding", "chunked")], &["0\r\n\r\nGET /admin/1 HTTP/1.1\r\n\r\n"]),
    ("transfer-encoding in capitals", &[("Transfer-Encoding", "chunked")], &["0\r\n\r\n"]),
    ("transfer-encoding of gzip", &[("transfer-encoding", "gzip, chunked")], &["0\r\n\r\n"]),
    ("transfer_encoding", &[("transfer_encoding", "chunked")], &["0\r\n\r\n"]),
    ("transfer-encoding and content-length", &[("transfer-encoding", "chunked"), ("content-length", "3")], &["abc"]),
    ("content_length", &[("content_length", "1")], &["abc"]),
];

/// Requests whose head says already that nobody may forward them.
pub fn malformed() -> Vec<Sent> {
    let mut rows = vec![
        sent("two :method", [&[(":method", "POST")], &GOOD[..]].concat()),
        sent("two equal :method", [&[GOOD[0]], &GOOD[..]].concat()),
        sent("two :path", [&[(":path", "/admin/1")], &GOOD[..]].concat()),
        sent("two equal :path", [&[GOOD[3]], &GOOD[..]].concat()),
        sent("two :authority", [&[(":authority", "evil.test")], &GOOD[..]].concat()),
        sent("two equal :authority", [&[GOOD[2]], &GOOD[..]].concat()),
        sent("two :scheme", [&[(":scheme", "https")], &GOOD[..]].concat()),
        sent("no :method", GOOD[1..].to_vec()),
        sent("no :path", GOOD[..3].to_vec()),
        sent("no :scheme", [&GOOD[..1], &GOOD[2..]].concat()),
        sent("no :authority and no host", [&GOOD[..2], &GOOD[3..]].concat()),
        sent("a pseudo-field behind a field", [&GOOD[..3], &[("x-a", "1"), GOOD[3]]].concat()),
        sent("CONNECT", vec![(":method", "CONNECT"), (":authority", "api.test:80")]),
        sent(
            "content-length of too much",
            with(":method", "POST").into_iter().chain([("content-length", "5")]).collect(),
        ),
    ];
    rows.extend(REPLACED.iter().map(|(name, pseudo, value)| sent(name, with(pseudo, value))));
    rows.extend(ADDED.iter().map(|(name, fields)| sent(name, and(fields))));
    rows.extend(ADDED_TO_POST.iter().map(|(name, fields, content)| post(name, fields, content)));
    rows
}

/// Requests whose head may be good, until their content or trailers come.
pub fn broken_later() -> Vec<Sent> {
    vec![
        post("content-length too small", &[("content-length", "1")], &["abc"]),
        post("two content-lengths", &[("content-length", "3"), ("content-length", "2")], &["abc"]),
        post("content-length as a list", &[("content-length", "3, 3")], &["abc"]),
        post("content-length with a sign", &[("content-length", "+3")], &["abc"]),
        post("content-length in hexadecimal", &[("content-length", "0x3")], &["abc"]),
        post("content-length with a space", &[("content-length", "3 ")], &["abc"]),
        post("empty content-length", &[("content-length", "")], &["abc"]),
        post("content-length beyond any number", &[("content-length", "18446744073709551619")], &["abc"]),
        post("content-length too large", &[("content-length", "10")], &["abc"]),
        post("content-length too small, in parts", &[("content-length", "3")], &["ab", "cd"]),
        trailing("CRLF in a trailer", &[("x-a", "1\r\n\r\nGET /admin/1 HTTP/1.1\r\n\r\n")]),
        trailing("colon in a trailer's name", &[("x:a", "1")]),
        trailing("capitals in a trailer's name", &[("X-A", "1")]),
        trailing("connection among trailers", &[("connection", "close")]),
        trailing("transfer-encoding among trailers", &[("transfer-encoding", "chunked")]),
    ]
}

/// Requests, and what becomes of them: the head as far as it is theirs, and the content.
pub fn good() -> Vec<(Sent, String, &'static str)> {
    let get = |fields: &str| format!("GET /open/1 HTTP/1.1\r\n{fields}host: api.test\r\n");
    let host = |value| [&GOOD[..2], &GOOD[3..], &[("host", value)]].concat();
    let other_case = "GET /open/1 HTTP/1.1\r\nhost: API.test\r\n".to_owned();
    let crumbs = and(&[("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2; c=3")]);
    let heads = vec![
        (sent("nothing more", GOOD.to_vec()), get("")),
        (sent("host alone", host("api.test")), get("")),
        (sent("host as well", and(&[("host", "API.test")])), other_case),
        (sent("scheme https", with(":scheme", "https")), get("")),
        (sent("empty :scheme", with(":scheme", "")), get("")),
        (sent("expect", and(&[("expect", "100-continue")])), get("")),
        (sent("letters beyond ASCII", and(&[("x-a", "\u{E4}")])), get("x-a: \u{E4}\r\n")),
        (sent("empty value", and(&[("x-a", "")])), get("x-a: \r\n")),
        (sent("tab and colon in a value", and(&[("x-a", "b:\tc")])), get("x-a: b:\tc\r\n")),
        (sent("one name", and(&[("x-a", "1"), ("x-b", "2"), ("x-a", "3")])), get("x-a: 1\r\nx-a: 3\r\nx-b: 2\r\n")),
        (sent("crumbs of cookie", crumbs), get("cookie: a=1; b=2; c=3\r\nx-a: 1\r\n")),
        (sent("te", and(&[("te", "trailers")])), get("") + "te: trailers\r\nconnection: te\r\n"),
        (sent("a length of nothing", and(&[("content-length", "0")])), get("") + "content-length: 0\r\n"),
    ];
    heads.into_iter().map(|(sent, start)| (sent, start, "")).chain(good_content()).collect()
}

fn good_content() -> Vec<(Sent, String, &'static str)> {
    let start = |method: &str, framing: &str| format!("{method} /open/1 HTTP/1.1\r\nhost: api.test\r\n{framing}");
    let (chunked, counted) = ("transfer-encoding: chunked\r\n", "content-length: 5\r\n");
    let get = |content| Sent { content, ..sent("GET with content", GOOD.to_vec()) };
    let hidden = &["GET /admin/1 HTTP/1.1\r\n\r\n"];
    let hidden_chunks = &["0\r\n\r\nGET /admin/1 HTTP/1.1\r\n\r\n"];
    let twice: &[Field] = &[("content-length", "5"), ("content-length", "5")];
    let last = "0\r\n\r\n";
    let mut rows = vec![
        (get(&[""]), start("GET", chunked), last),
        (get(hidden), start("GET", chunked), "19\r\nGET /admin/1 HTTP/1.1\r\n\r\n\r\n0\r\n\r\n"),
        (
            post("chunks in chunks", &[], hidden_chunks),
            start("POST", chunked),
            "1E\r\n0\r\n\r\nGET /admin/1 HTTP/1.1\r\n\r\n\r\n0\r\n\r\n",
        ),
        (post("a length", &[("content-length", "5")], &["0\r\n\r\n"]), start("POST", counted), last),
        (post("a length with zeros", &[("content-length", "005")], &["0\r\n\r\n"]), start("POST", counted), last),
        (post("a length twice", twice, &["0\r\n\r\n"]), start("POST", counted), last),
        (post("no content", &[], &[]), start("POST", ""), ""),
    ];
    // RFC 9110 §6.5.1: trailers that nobody announced are dropped, whatever they say.
    let trailers: [&[Field]; 6] = [
        &[("x-sum", "7")],
        &[(":path", "/admin/1")],
        &[("content-length", "7")],
        &[("host", "evil.test")],
        &[("authorization", "Bearer x")],
        &[("scopegate-access", "admin")],
    ];
    let abc = "3\r\nabc\r\n0\r\n\r\n";
    rows.extend(trailers.map(|trailers| (trailing("trailers", trailers), start("POST", chunked), abc)));
    rows
}
