//! How tunnels end, and what they may take until then.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::support::{
    Answer, Authority, FeedServer, ISSUER, Message, Mood, Setup, TlsClient, TlsFront, Upstream, eventually, now,
};
use crate::websocket::{HANDSHAKE, accepting, bearer, ended, open, read, switching, tunnels};

fn started(api: &str, more: &str) -> Setup {
    Setup { api: api.into(), more: format!("log: {{access: all}}\n{more}"), ..Setup::default() }
}

#[test]
fn the_end_of_one_side_is_passed_on_and_the_other_goes_on() {
    let (upstream, streams) = accepting();
    let gateway = started("", "").start(&upstream);
    // The peer ends first.
    let mut client = open(&gateway, "/open/x", "");
    let mut stream = streams.recv().unwrap();
    client.send("last words");
    client.reader().get_ref().shutdown(Shutdown::Write).unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "last words");
    stream.get_mut().write_all(b"an answer").unwrap();
    assert_eq!(&read::<9>(client.reader()), b"an answer");
    assert_eq!(tunnels(&gateway), 1.0, "one way is still open");
    drop(stream);
    assert_eq!(client.rest(), b"");
    ended(&gateway, "closed");

    // The upstream ends first.
    let mut client = open(&gateway, "/open/x", "");
    let mut stream = streams.recv().unwrap();
    stream.get_mut().write_all(b"goodbye").unwrap();
    stream.get_ref().shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"goodbye");
    client.send("and to you");
    assert_eq!(&read::<10>(&mut stream), b"and to you");
    assert_eq!(tunnels(&gateway), 1.0);
    drop(client);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    eventually("the end", || {
        (gateway.metric("scopegate_tunnels_ended_total", &["end=\"closed\""]) == 2.0).then_some(())
    });
    assert_eq!(tunnels(&gateway), 0.0);
}

#[test]
fn under_tls_on_both_sides_the_ends_are_said_by_tls() {
    let authority = Authority::new("tunnels");
    let (upstream, streams) = accepting();
    let front = TlsFront::start(&authority.issue(&["127.0.0.1"]), None, upstream.address);
    let setup = Setup {
        tls: "{certificates: [{chain: tls/api.pem, key: tls/api.key}]}".into(),
        certificates: vec![("api", authority.issue(&["api.test"]))],
        api: "tls: {ca: ca.pem}".into(),
        files: vec![("ca.pem", authority.pem())],
        ..started("tls: {ca: ca.pem}", "")
    };
    let gateway = setup.start_before(&format!("https://{}", front.address));
    let mut client = TlsClient::trusting(&authority).connect(gateway.address, "api.test").unwrap();
    client.write_all(format!("GET /open/x HTTP/1.1\r\nHost: api.test\r\n{HANDSHAKE}\r\nearly ").as_bytes()).unwrap();
    let mut client = std::io::BufReader::new(client);
    let head = Message::read_head(&mut client).unwrap().unwrap();
    assert_eq!(head.start_line, "HTTP/1.1 101 Switching Protocols");
    let mut stream = streams.recv().unwrap();
    let large = vec![9; 3 << 20];
    let sender = std::thread::spawn({
        let (mut socket, large) = (stream.get_ref().try_clone().unwrap(), large.clone());
        move || socket.write_all(&large).unwrap()
    });
    let mut heard = vec![0; large.len()];
    client.read_exact(&mut heard).unwrap();
    assert!(heard == large);
    sender.join().unwrap();
    client.get_mut().write_all(b"words").unwrap();
    client.get_mut().conn.send_close_notify();
    client.get_mut().flush().unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert_eq!(said, "early words");
    stream.get_mut().write_all(b"an answer").unwrap();
    drop(stream);
    let mut answer = String::new();
    // This fails where the end is not said by TLS.
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "an answer");
    ended(&gateway, "closed");
}

#[test]
fn a_side_that_fails_takes_the_other_with_it() {
    for (name, end) in [("the peer", "peer_failed"), ("the upstream", "upstream_failed")] {
        let (upstream, streams) = accepting();
        let gateway = started("", "").start(&upstream);
        let mut client = open(&gateway, "/open/x", "");
        let mut stream = streams.recv().unwrap();
        let reset = |socket: &std::net::TcpStream| {
            socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO)).unwrap();
        };
        if end == "peer_failed" {
            reset(client.reader().get_ref());
            drop(client);
            assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), "{name}");
        } else {
            reset(stream.get_ref());
            drop(stream);
            assert!(client.is_closed(), "{name}");
        }
        ended(&gateway, end);
    }
}

#[test]
fn a_tunnel_that_carries_nothing_is_closed() {
    let (upstream, streams) = accepting();
    let gateway = started("tunnels: {idle: 600ms}", "").start(&upstream);
    let mut client = open(&gateway, "/open/x", "");
    let mut stream = streams.recv().unwrap();
    let begun = Instant::now();
    let mut last = begun;
    // Bytes either way, each sooner than the limit and all together later, keep it open.
    for number in 0..8_u8 {
        while last.elapsed() < Duration::from_millis(120) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        last = Instant::now();
        if number % 2 == 0 {
            client.send([number]);
            assert_eq!(read::<1>(&mut stream), [number]);
        } else {
            stream.get_mut().write_all(&[number]).unwrap();
            assert_eq!(read::<1>(client.reader()), [number]);
        }
    }
    assert!(begun.elapsed() > Duration::from_millis(900));
    assert!(client.is_closed());
    let silent = last.elapsed();
    assert!(silent > Duration::from_millis(500) && silent < Duration::from_secs(10), "{silent:?}");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    ended(&gateway, "idle");
}

#[test]
fn a_tunnel_ends_with_its_token_only_where_it_is_to() {
    for (setting, ends) in [("tunnels: {end_with_token: on}", true), ("tunnels: {end_with_token: off}", false)] {
        let (upstream, streams) = accepting();
        let gateway = started(setting, "").start(&upstream);
        let exp = now() + 2;
        let token = gateway.signer.token("items:read", &serde_json::json!({ "exp": exp }));
        let mut client = open(&gateway, "/items", &bearer(&token));
        let mut stream = streams.recv().unwrap();
        client.send("a");
        assert_eq!(&read::<1>(&mut stream), b"a");
        eventually("the token's end", || (now() > exp).then_some(()));
        if ends {
            assert!(client.is_closed());
            assert_eq!(stream.read(&mut [0]).unwrap(), 0);
            ended(&gateway, "token");
        } else {
            client.send("b");
            assert_eq!(&read::<1>(&mut stream), b"b");
            assert_eq!(tunnels(&gateway), 1.0);
        }
    }
}

#[test]
fn what_a_token_opens_as_it_ends_carries_nothing() {
    let (give, streams) = mpsc::channel();
    let give = std::sync::Mutex::new(give);
    let upstream = Upstream::answering(move |request| {
        let (give, key) = (give.lock().unwrap().clone(), request.field("sec-websocket-key").unwrap().to_owned());
        Answer::Take(Box::new(move |stream| give.send((stream, key)).unwrap()))
    });
    let gateway = started("tunnels: {end_with_token: on}", "").start(&upstream);
    let exp = now() + 2;
    let token = gateway.signer.token("items:read", &serde_json::json!({ "exp": exp }));
    let mut client = gateway.client();
    client.send(format!("GET /items HTTP/1.1\r\nHost: api.test\r\n{}{HANDSHAKE}\r\ntoo late", bearer(&token)));
    let (mut stream, key) = streams.recv().unwrap();
    eventually("the token's end", || (now() > exp).then_some(()));
    stream.get_mut().write_all(switching(&key, "").as_bytes()).unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, b"");
    ended(&gateway, "token");
}

#[test]
fn a_revocation_ends_what_the_token_has_opened_and_an_outage_of_the_feed_does_not() {
    let server = FeedServer::start();
    let (upstream, streams) = accepting();
    let keys = format!("{{file: jwks.json}}\n    revocations: {{{}, interval: 100ms, max_stale: 1s}}", server.feed());
    let gateway = Setup { keys, ..started("tunnels: {end_with_token: on}", "") }.start(&upstream);
    eventually("ready", || (gateway.ask("GET", "/readyz").status == 200).then_some(()));
    let open_with = |name: &str| {
        let token = gateway.signer.token("items:read", &serde_json::json!({ "jti": name }));
        (open(&gateway, "/items", &bearer(&token)), streams.recv().unwrap())
    };
    let ((mut taken, mut stream), (mut kept, mut other)) = (open_with("taken"), open_with("kept"));
    server.revoke(serde_json::json!({"iss": ISSUER, "jti": "taken", "exp": now() + 3600}));
    assert!(taken.is_closed());
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    eventually("one end", || {
        (gateway.metric("scopegate_tunnels_ended_total", &["end=\"token\""]) == 1.0).then_some(())
    });

    server.be(Mood::Dead);
    eventually("nobody knows", || {
        let token = gateway.signer.token("items:read", &serde_json::json!({}));
        (gateway.client().get("/items", &token).status == 503).then_some(())
    });
    // Longer than it takes until the next look.
    let begun = Instant::now();
    eventually("some looks", || (begun.elapsed() > Duration::from_secs(6)).then_some(()));
    kept.send("still here");
    assert_eq!(&read::<10>(&mut other), b"still here");
    assert_eq!(tunnels(&gateway), 1.0);
}

#[test]
fn a_drain_keeps_tunnels_for_its_time_and_then_ends_them() {
    let (upstream, streams) = accepting();
    let mut gateway = started("", "drain_timeout: 1500ms").start(&upstream);
    let mut client = open(&gateway, "/open/x", "");
    let mut stream = streams.recv().unwrap();
    gateway.signal("TERM");
    eventually("the drain", || (gateway.ask("GET", "/readyz").status == 503).then_some(()));
    client.send("still here");
    assert_eq!(&read::<10>(&mut stream), b"still here");
    assert!(client.is_closed());
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert!(gateway.exit().success());
    let record = gateway.log().into_iter().find(|line| line["path"] == "/open/x").unwrap();
    assert_eq!((&record["status"], &record["bytes_in"]), (&101.into(), &10.into()));
}

#[test]
fn a_drain_ends_at_once_when_the_last_tunnel_does() {
    let (upstream, streams) = accepting();
    let mut gateway = started("", "drain_timeout: 1h").start(&upstream);
    let client = open(&gateway, "/open/x", "");
    let stream = streams.recv().unwrap();
    gateway.signal("TERM");
    eventually("the drain", || (gateway.ask("GET", "/readyz").status == 503).then_some(()));
    assert!(!gateway.has_ended());
    drop((client, stream));
    assert!(gateway.exit().success());
}

#[test]
fn a_handshake_that_meets_a_drain_still_opens_its_tunnel() {
    let (give, streams) = mpsc::channel();
    let give = std::sync::Mutex::new(give);
    let upstream = Upstream::answering(move |request| {
        let (give, key) = (give.lock().unwrap().clone(), request.field("sec-websocket-key").unwrap().to_owned());
        Answer::Take(Box::new(move |stream| give.send((stream, key)).unwrap()))
    });
    let mut gateway = started("", "").start(&upstream);
    // One is under way as the drain begins, the other comes over a connection that was resting.
    let mut early = gateway.client();
    early.send(format!("GET /open/early HTTP/1.1\r\nHost: api.test\r\n{HANDSHAKE}\r\n"));
    let asked = streams.recv().unwrap();
    let mut late = gateway.client();
    assert_eq!(late.request("GET", "/nowhere", "").status, 404);
    late.send("GET /open/late HTTP/1.1\r\nHost: api.test\r\n");
    // Another exchange: the half head has been read by then, or is read in the drain.
    assert_eq!(gateway.client().request("GET", "/nowhere", "").status, 404);
    gateway.signal("TERM");
    eventually("the drain", || (gateway.ask("GET", "/readyz").status == 503).then_some(()));
    late.send(format!("{HANDSHAKE}\r\n"));
    for (mut client, (mut stream, key)) in [(early, asked), (late, streams.recv().unwrap())] {
        stream.get_mut().write_all(switching(&key, "").as_bytes()).unwrap();
        assert_eq!(client.try_head().unwrap().unwrap().status, 101);
        client.send("and on");
        assert_eq!(&read::<6>(&mut stream), b"and on");
    }
    assert!(gateway.exit().success());
}

#[test]
fn the_number_of_tunnels_is_bounded() {
    let (upstream, streams) = accepting();
    let gateway = started("", "limits: {tunnels: 2}").start(&upstream);
    let first = open(&gateway, "/open/1", "");
    let _second = open(&gateway, "/open/2", "");
    let mut client = gateway.client();
    let response = client.request("GET", "/open/3", HANDSHAKE);
    assert_eq!((response.status, response.reason()), (503, "overloaded".into()));
    assert_eq!(gateway.client().request("GET", "/open/3", "").status, 200, "plain requests are no tunnels");
    drop((first, streams.recv().unwrap()));
    eventually("the end of one", || (tunnels(&gateway) == 1.0).then_some(()));
    let _third = open(&gateway, "/open/3", "");
    assert_eq!(upstream.taken().len(), 4);
}

#[test]
fn tunnels_do_not_take_the_places_of_other_requests() {
    let (upstream, _streams) = accepting();
    let gateway =
        started("connections: {max: 1, queue: 0}", "workers: 1\nlimits: {requests_in_flight: 1}").start(&upstream);
    let _tunnels: Vec<_> = (0..5).map(|number| open(&gateway, &format!("/open/{number}"), "")).collect();
    eventually("all of them", || {
        let connections = gateway.metric("scopegate_upstream_connections", &[]);
        (tunnels(&gateway) == 5.0 && connections == 5.0).then_some(())
    });
    assert_eq!(gateway.client().request("GET", "/open/x", "").status, 200);
}

const MEBIBYTE: usize = 1 << 20;

/// The gateway's resident memory in bytes.
fn resident(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn a_side_that_does_not_read_holds_the_other_back() {
    let (upstream, streams) = accepting();
    let gateway = started("", "").start(&upstream);
    let mut client = open(&gateway, "/open/x", "");
    let stream = streams.recv().unwrap();
    let before = resident(gateway.pid());
    let total = 64 * MEBIBYTE;
    let (tell, told) = mpsc::channel();
    let writer = std::thread::spawn(move || {
        let part = vec![7; MEBIBYTE];
        let mut stream = stream;
        for _ in 0..64 {
            stream.get_mut().write_all(&part).unwrap();
            tell.send(()).unwrap();
        }
    });
    // It stands still when what lies between is full: the buffers of four sockets, and one part in the gateway.
    let mut written = 0;
    while told.recv_timeout(Duration::from_secs(2)).is_ok() {
        written += 1;
    }
    assert!(written < 48, "{written} MiB went nowhere");
    let grown = resident(gateway.pid()).saturating_sub(before);
    assert!(grown < 8 * MEBIBYTE, "{grown} bytes");
    let mut received = 0;
    let mut part = vec![0; MEBIBYTE];
    while received < total {
        let count = client.reader().read(&mut part).unwrap();
        assert!(count > 0 && part[..count].iter().all(|byte| *byte == 7));
        received += count;
    }
    writer.join().unwrap();
    drop(client);
    let record = eventually("the record", || gateway.log().into_iter().find(|line| line["path"] == "/open/x"));
    assert_eq!(record["bytes_out"], total);
}
