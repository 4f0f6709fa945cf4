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

/// Heads that RFC 9113 §8.2 and §8.3 call malformed, or that mean nothing to HTTP/1.1.
pub fn malformed() -> Vec<Sent> {
    vec![
        sent("CRLF and a request in :path", with(":path", "/open/1 HTTP/1.1\r\nHost: api.test\r\n\r\nGET /admin/1")),
        sent("space in :path", with(":path", "/open/1 HTTP/1.1")),
        sent("tab in :path", with(":path", "/open/1\t")),
        sent("LF in :path", with(":path", "/open/1\n")),
        sent("CR in :path", with(":path", "/open/1\r")),
        sent("NUL in :path", with(":path", "/open/1\0")),
        sent("DEL in :path", with(":path", "/open/1\x7F")),
        sent(":path without a slash", with(":path", "open/1")),
        sent(":path absolute", with(":path", "http://api.test/open/1")),
        sent(":path with an authority", with(":path", "@evil.test/open/1")),
        sent(":path with two slashes", with(":path", "//evil.test/open/1")),
        sent(":path with a query alone", with(":path", "?/open/1")),
        sent(":path of an asterisk", with(":path", "*")),
        sent("empty :path", with(":path", "")),
        sent("CRLF and a request in :method", with(":method", "GET /admin/1 HTTP/1.1\r\nHost: api.test\r\n\r\nGET")),
        sent("space in :method", with(":method", "GET /admin/1")),
        sent("space before :method", with(":method", " GET")),
        sent("NUL in :method", with(":method", "GET\0")),
        sent("colon in :method", with(":method", "GET:")),
        sent("small letters in :method", with(":method", "get")),
        sent("empty :method", with(":method", "")),
        sent("CRLF in :authority", with(":authority", "api.test\r\nx: y")),
        sent("space in :authority", with(":authority", "api.test evil.test")),
        sent("path in :authority", with(":authority", "api.test/admin/1?")),
        sent("user information in :authority", with(":authority", "evil@api.test")),
        sent("several in :authority", with(":authority", "api.test,evil.test")),
        sent("NUL in :authority", with(":authority", "api.test\0")),
        sent("empty :authority", with(":authority", "")),
        sent("no port in :authority", with(":authority", "api.test:x")),
        sent("CRLF in :scheme", with(":scheme", "http\r\nx: y")),
        sent("space in :scheme", with(":scheme", "http x")),
        sent("an address in :scheme", with(":scheme", "http://evil.test/?")),
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
        sent("a pseudo-field in capitals", and(&[(":Path", "/admin/1")])),
        sent("a pseudo-field of answers", and(&[(":status", "200")])),
        sent("an unknown pseudo-field", and(&[(":x", "1")])),
        sent(":protocol without CONNECT", and(&[(":protocol", "websocket")])),
        sent("CONNECT with :path", with(":method", "CONNECT")),
        sent("CONNECT", vec![(":method", "CONNECT"), (":authority", "api.test:80")]),
        sent("CRLF in a value", and(&[("x-a", "1\r\nscopegate-access: admin")])),
        sent(
            "CRLF and a request in a value",
            and(&[("x-a", "1\r\n\r\nGET /admin/1 HTTP/1.1\r\nHost: api.test\r\n\r\n")]),
        ),
        sent("CR in a value", and(&[("x-a", "1\r2")])),
        sent("LF in a value", and(&[("x-a", "1\n2")])),
        sent("NUL in a value", and(&[("x-a", "1\x002")])),
        sent("DEL in a value", and(&[("x-a", "1\x7F2")])),
        sent("escape in a value", and(&[("x-a", "1\x1B2")])),
        sent("value that ends with CRLF", and(&[("x-a", "1\r\n")])),
        sent("value that begins with LF", and(&[("x-a", "\n1")])),
        sent("value that begins with a space", and(&[("x-a", " 1")])),
        sent("value that ends with a tab", and(&[("x-a", "1\t")])),
        sent("CRLF in a crumb of cookie", and(&[("cookie", "a=1"), ("cookie", "b=2\r\nx: y")])),
        sent("CRLF in a name", and(&[("x-a: 1\r\nx-b", "1")])),
        sent("LF behind a name", and(&[("x-a\n", "1")])),
        sent("NUL in a name", and(&[("x\0a", "1")])),
        sent("colon in a name", and(&[("x:a", "1")])),
        sent("colon behind a name", and(&[("content-length:", "1")])),
        sent("space in a name", and(&[("x a", "1")])),
        sent("space behind a name", and(&[("transfer-encoding ", "chunked")])),
        sent("space before a name", and(&[(" x-a", "1")])),
        sent("slash in a name", and(&[("x/a", "1")])),
        sent("capitals in a name", and(&[("X-A", "1")])),
        sent("letters beyond ASCII in a name", and(&[("x-\u{E4}", "1")])),
        sent("a request as a name", and(&[("get /admin/1 http/1.1\r\nhost", "api.test")])),
        sent("empty name", and(&[("", "1")])),
        post("transfer-encoding", &[("transfer-encoding", "chunked")], &["0\r\n\r\nGET /admin/1 HTTP/1.1\r\n\r\n"]),
        post("transfer-encoding in capitals", &[("Transfer-Encoding", "chunked")], &["0\r\n\r\n"]),
        post("transfer-encoding of gzip", &[("transfer-encoding", "gzip, chunked")], &["0\r\n\r\n"]),
        post("transfer_encoding", &[("transfer_encoding", "chunked")], &["0\r\n\r\n"]),
        post(
            "transfer-encoding and content-length",
            &[("transfer-encoding", "chunked"), ("content-length", "3")],
            &["abc"],
        ),
        sent("connection that names a field", and(&[("connection", "authorization")])),
        sent("connection", and(&[("connection", "close")])),
        sent("proxy-connection", and(&[("proxy-connection", "keep-alive")])),
        sent("keep-alive", and(&[("keep-alive", "timeout=5")])),
        sent("upgrade", and(&[("upgrade", "websocket")])),
        sent("upgrade to h2c", and(&[("upgrade", "h2c"), ("http2-settings", "AAMAAABkAAQAAP__")])),
        sent("te of more than trailers", and(&[("te", "trailers, chunked")])),
        sent("te of gzip", and(&[("te", "gzip")])),
        sent("host that differs", and(&[("host", "evil.test")])),
        sent("two hosts", and(&[("host", "api.test"), ("host", "evil.test")])),
        sent("two hosts that agree", and(&[("host", "api.test"), ("host", "api.test")])),
        sent(
            "content-length of too much",
            with(":method", "POST").into_iter().chain([("content-length", "5")]).collect(),
        ),
        post("content_length", &[("content_length", "1")], &["abc"]),
    ]
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
pub fn good() -> Vec<(Sent, &'static str, &'static str)> {
    const GET: &str = "GET /open/1 HTTP/1.1\r\nhost: api.test\r\n";
    const CHUNKED: &str = "POST /open/1 HTTP/1.1\r\nhost: api.test\r\ntransfer-encoding: chunked\r\n";
    const COUNTED: &str = "POST /open/1 HTTP/1.1\r\nhost: api.test\r\ncontent-length: 5\r\n";
    const ABC: &str = "3\r\nabc\r\n0\r\n\r\n";
    let host = |value| [&GOOD[..2], &GOOD[3..], &[("host", value)]].concat();
    let with_content = |name, content| Sent { content, ..sent(name, GOOD.to_vec()) };
    vec![
        (sent("nothing more", GOOD.to_vec()), GET, ""),
        (sent("host alone", host("api.test")), GET, ""),
        (sent("host as well", and(&[("host", "API.test")])), "GET /open/1 HTTP/1.1\r\nhost: API.test\r\n", ""),
        (sent("scheme https", with(":scheme", "https")), GET, ""),
        (sent("empty :scheme", with(":scheme", "")), GET, ""),
        (sent("expect", and(&[("expect", "100-continue")])), GET, ""),
        (
            sent("letters beyond ASCII", and(&[("x-a", "\u{E4}")])),
            "GET /open/1 HTTP/1.1\r\nx-a: \u{E4}\r\nhost: api.test\r\n",
            "",
        ),
        (sent("empty value", and(&[("x-a", "")])), "GET /open/1 HTTP/1.1\r\nx-a: \r\nhost: api.test\r\n", ""),
        (
            sent("tab and colon in a value", and(&[("x-a", "b:\tc")])),
            "GET /open/1 HTTP/1.1\r\nx-a: b:\tc\r\nhost: api.test\r\n",
            "",
        ),
        (
            sent("fields of one name", and(&[("x-a", "1"), ("x-b", "2"), ("x-a", "3")])),
            "GET /open/1 HTTP/1.1\r\nx-a: 1\r\nx-a: 3\r\nx-b: 2\r\nhost: api.test\r\n",
            "",
        ),
        (
            sent("crumbs of cookie", and(&[("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2; c=3")])),
            "GET /open/1 HTTP/1.1\r\ncookie: a=1; b=2; c=3\r\nx-a: 1\r\nhost: api.test\r\n",
            "",
        ),
        (
            sent("te", and(&[("te", "trailers")])),
            "GET /open/1 HTTP/1.1\r\nhost: api.test\r\nte: trailers\r\nconnection: te\r\n",
            "",
        ),
        (
            sent("a length of nothing", and(&[("content-length", "0")])),
            "GET /open/1 HTTP/1.1\r\nhost: api.test\r\ncontent-length: 0\r\n",
            "",
        ),
        (
            with_content("GET with empty content", &[""]),
            "GET /open/1 HTTP/1.1\r\nhost: api.test\r\ntransfer-encoding: chunked\r\n",
            "0\r\n\r\n",
        ),
        (
            with_content("GET with a request in its content", &["GET /admin/1 HTTP/1.1\r\n\r\n"]),
            "GET /open/1 HTTP/1.1\r\nhost: api.test\r\ntransfer-encoding: chunked\r\n",
            "19\r\nGET /admin/1 HTTP/1.1\r\n\r\n\r\n0\r\n\r\n",
        ),
        (
            post("content that looks like chunks", &[], &["0\r\n\r\nGET /admin/1 HTTP/1.1\r\n\r\n"]),
            CHUNKED,
            "1E\r\n0\r\n\r\nGET /admin/1 HTTP/1.1\r\n\r\n\r\n0\r\n\r\n",
        ),
        (post("content with a length", &[("content-length", "5")], &["0\r\n\r\n"]), COUNTED, "0\r\n\r\n"),
        (post("a length with zeros", &[("content-length", "005")], &["0\r\n\r\n"]), COUNTED, "0\r\n\r\n"),
        (
            post("a length twice", &[("content-length", "5"), ("content-length", "5")], &["0\r\n\r\n"]),
            COUNTED,
            "0\r\n\r\n",
        ),
        (post("no content", &[], &[]), "POST /open/1 HTTP/1.1\r\nhost: api.test\r\n", ""),
        // RFC 9110 §6.5.1: trailers that nobody announced are dropped, whatever they say.
        (trailing("trailers", &[("x-sum", "7")]), CHUNKED, ABC),
        (trailing("a pseudo-field among trailers", &[(":path", "/admin/1")]), CHUNKED, ABC),
        (trailing("content-length among trailers", &[("content-length", "7")]), CHUNKED, ABC),
        (trailing("host among trailers", &[("host", "evil.test")]), CHUNKED, ABC),
        (trailing("authorization among trailers", &[("authorization", "Bearer x")]), CHUNKED, ABC),
        (trailing("scopegate-access among trailers", &[("scopegate-access", "admin")]), CHUNKED, ABC),
    ]
}
