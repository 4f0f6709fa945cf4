//! HTTP/2 (RFC 9113): what one peer may ask for, and what is no fault however often it comes.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::http2::{CANCEL, ENHANCE_YOUR_CALM, code, counted, errors, limited, upstream};
use crate::support::http2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, FrameClient, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame, section,
};
use crate::support::{Answer, Setup, Upstream, eventually};

#[test]
fn resets_of_unanswered_streams_have_a_bound() {
    let gateway = limited("resets: 5");
    let mut client = FrameClient::connect(gateway.address, &[]);
    let under_way = |count: f64| {
        eventually("under way", || (gateway.metric("scopegate_requests_in_flight", &[]) == count).then_some(()));
    };
    for stream in (1..=11).step_by(2) {
        client.get(stream, "/open/silent");
        under_way(1.0);
        client.send(RST_STREAM, 0, stream, &CANCEL.to_be_bytes());
        under_way(0.0);
    }
    assert_eq!(client.last_goaway(), Some(ENHANCE_YOUR_CALM));
    counted(&gateway, "resets");
}

#[test]
fn resets_of_answered_streams_are_free() {
    let gateway = limited("resets: 5");
    let mut client = FrameClient::connect(gateway.address, &[]);
    for stream in (1..=41).step_by(2) {
        client.get(stream, "/open/1");
        while client.until(DATA, stream).expect("an answer").flags & END_STREAM == 0 {}
        client.send(RST_STREAM, 0, stream, &CANCEL.to_be_bytes());
    }
    client.get(43, "/open/1");
    assert!(client.until(HEADERS, 43).is_some());
}

#[test]
fn what_was_reset_at_once_reaches_nobody() {
    let upstream = upstream();
    let gateway = Setup { more: "workers: 1".into(), ..Setup::default() }.start(&upstream);
    let mut client = FrameClient::connect(gateway.address, &[]);
    let pair = |stream| {
        let head = frame(HEADERS, END_HEADERS | END_STREAM, stream, &section("GET", "/open/1"));
        [head, frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())].concat()
    };
    assert!(client.try_send_bytes(&[pair(1), pair(3), pair(5)].concat()));
    client.get(7, "/open/last");
    assert!(client.until(HEADERS, 7).is_some());
    let targets: Vec<_> = upstream.taken().iter().map(|request| request.target().to_owned()).collect();
    assert_eq!(targets, ["/open/last"]);
    let many: Vec<u8> = (9..2_009).step_by(2).flat_map(pair).collect();
    let _ = client.try_send_bytes(&many);
    assert!(matches!(client.last_goaway(), Some(ENHANCE_YOUR_CALM) | None));
    assert!(upstream.taken().len() < 100, "most were never looked at");
    eventually("counted", || (errors(&gateway, "flood") + errors(&gateway, "resets") == 1.0).then_some(()));
}

#[test]
fn floods_of_frames_end_their_connection() {
    let open = frame(HEADERS, END_HEADERS, 1, &section("POST", "/open/silent"));
    let floods: [(&str, Vec<u8>, Vec<u8>); 7] = [
        ("ping", Vec::new(), frame(PING, 0, 0, &[0; 8])),
        ("settings", Vec::new(), frame(SETTINGS, 0, 0, &[])),
        ("priority", Vec::new(), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9])),
        ("windows", open.clone(), frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])),
        ("empty content", open, frame(DATA, 0, 1, &[])),
        ("unknown frames", Vec::new(), frame(0xBE, 0, 0, &[1])),
        ("empty continuations", frame(HEADERS, 0, 1, &section("GET", "/open/1")), frame(CONTINUATION, 0, 1, &[])),
    ];
    let gateway = limited("");
    for (number, (name, opening, flood)) in floods.iter().enumerate() {
        let mut client = FrameClient::connect(gateway.address, &[]);
        assert!(client.try_send_bytes(opening));
        let burst = flood.repeat(500);
        let end = Instant::now() + Duration::from_secs(20);
        while client.try_send_bytes(&burst) {
            assert!(Instant::now() < end, "{name}");
        }
        let expected = number as f64 + 1.0;
        eventually(name, || (errors(&gateway, "flood") == expected).then_some(()));
    }
    assert_eq!(gateway.client().request("GET", "/open/1", "").status, 200);
}

/// Small messages, each a part of its own.
fn messages(count: usize) -> Upstream {
    Upstream::answering(move |_| {
        Answer::Take(Box::new(move |mut stream: BufReader<TcpStream>| {
            let stream = stream.get_mut();
            stream.set_nodelay(true).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
            for _ in 0..count {
                stream.write_all(b"14\r\nmmmmmmmmmmmmmmmmmmmm\r\n").unwrap();
                std::thread::yield_now();
            }
            stream.write_all(b"0\r\n\r\n").unwrap();
        }))
    })
}

/// Reads `count` messages; after every `pause` of them a client gives back both windows and measures the way, once for each.
#[track_caller]
fn assert_may_react(count: usize, pause: usize) {
    let gateway = Setup { more: "workers: 1".into(), ..Setup::default() }.start(&messages(count));
    let mut client = FrameClient::connect(gateway.address, &[]);
    client.get(1, "/open/x");
    let (mut bytes, mut reactions) = (0, Vec::new());
    while bytes < 20 * count {
        let data = client.next().expect("the connection lives");
        assert_ne!(data.kind, GOAWAY, "after {bytes} bytes");
        if data.kind != DATA || data.payload.is_empty() {
            continue;
        }
        bytes += data.payload.len();
        let credit = u32::try_from(data.payload.len()).unwrap().to_be_bytes();
        reactions.extend([
            frame(WINDOW_UPDATE, 0, 0, &credit),
            frame(WINDOW_UPDATE, 0, 1, &credit),
            frame(PING, 0, 0, b"the way."),
        ]);
        if reactions.len() >= 3 * pause {
            assert!(client.try_send_bytes(&reactions.concat()), "after {bytes} bytes");
            reactions.clear();
        }
    }
    client.get(3, "/open/x");
    assert!(client.until(HEADERS, 3).is_some(), "the connection goes on");
    assert_eq!(errors(&gateway, "flood"), 0.0);
}

#[test]
fn a_client_that_measures_the_way_with_every_message_is_no_flood() {
    assert_may_react(5_000, 1);
}

#[test]
fn nor_is_one_that_reacts_to_many_messages_at_once() {
    assert_may_react(3_000, 2_500);
}

#[test]
fn heads_that_follow_one_another_are_none_that_stops() {
    let gateway = limited("header_time: 300ms");
    let mut client = FrameClient::connect(gateway.address, &[]);
    let section = section("GET", "/open/1");
    let whole = |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &section);
    let end = Instant::now() + Duration::from_millis(1_200);
    let mut rest = Vec::new();
    for stream in (1..).step_by(2) {
        // Each write ends in the midst of a head.
        let next = whole(stream);
        let (beginning, ending) = next.split_at(20);
        assert!(client.try_send_bytes(&[&rest, beginning].concat()), "stream {stream}");
        rest = ending.to_vec();
        if stream > 1 {
            assert!(client.until(HEADERS, stream - 2).is_some(), "stream {stream}");
        }
        if Instant::now() > end {
            break;
        }
    }
    assert_eq!(errors(&gateway, "header_timeout"), 0.0);
}

#[test]
fn a_connect_with_content_ends_its_own_stream() {
    let gateway = limited("");
    let mut client = FrameClient::connect(gateway.address, &[]);
    client.get(1, "/open/silent");
    let mut fields = Vec::new();
    for (name, value) in [(":method", "CONNECT"), (":authority", "api.test:80"), ("content-length", "5")] {
        fields.push(0);
        for text in [name, value] {
            fields.push(u8::try_from(text.len()).unwrap());
            fields.extend(text.as_bytes());
        }
    }
    for stream in [3, 5] {
        client.send(HEADERS, END_HEADERS, stream, &fields);
    }
    for stream in [3, 5] {
        assert!(client.until(RST_STREAM, stream).is_some(), "{stream}");
    }
    client.get(7, "/open/1");
    assert!(client.until(HEADERS, 7).is_some(), "the connection goes on");
}

#[test]
fn small_parts_that_no_upstream_takes_end_nothing() {
    const LENGTH: usize = 50;
    let (give, streams) = std::sync::mpsc::channel();
    let give = std::sync::Mutex::new(give);
    let upstream = Upstream::answering(move |request| match request.target() {
        "/open/stalled" => {
            let give = give.lock().unwrap().clone();
            Answer::Take(Box::new(move |stream: BufReader<TcpStream>| give.send(stream).unwrap()))
        }
        _ => Answer::ok(""),
    });
    let gateway = Setup { more: "workers: 1".into(), ..Setup::default() }.start(&upstream);
    let mut client = FrameClient::connect(gateway.address, &[]);
    client.send(HEADERS, END_HEADERS, 1, &section("POST", "/open/stalled"));
    let _stalled = streams.recv().unwrap();
    let part = frame(DATA, 0, 1, &[b'p'; LENGTH]);
    // So many bytes may be sent ahead before any window is given back; those of the upstream's socket come on top.
    let mut window = 256 * 1024_i64;
    let mut quiet = 0;
    while quiet < 20 {
        while window >= LENGTH as i64 {
            assert!(client.try_send_bytes(&part));
            window -= LENGTH as i64;
        }
        client.send(PING, 0, 0, &[7; 8]);
        let mut gained = 0;
        loop {
            let answer = client.next().expect("the connection lives");
            match answer.kind {
                WINDOW_UPDATE if answer.stream == 1 => gained += i64::from(code(&answer.payload)),
                GOAWAY => panic!("{:?}", String::from_utf8_lossy(&answer.payload)),
                PING if answer.flags == 1 => break,
                _ => {}
            }
        }
        quiet = if gained == 0 { quiet + 1 } else { 0 };
        window += gained;
    }
    client.get(3, "/open/other");
    assert!(client.until(HEADERS, 3).is_some());
}

#[test]
fn a_head_that_stops_ends_the_connection() {
    let gateway = limited("header_time: 300ms");
    let section = section("GET", "/open/1");
    let endings: [&dyn Fn(&mut FrameClient); 2] =
        [&|client| client.send(HEADERS, END_STREAM, 3, &section), &|client| {
            assert!(client.try_send_bytes(&frame(HEADERS, END_HEADERS, 3, &section)[..20]))
        }];
    for (number, begin) in endings.iter().enumerate() {
        let mut client = FrameClient::connect(gateway.address, &[]);
        client.get(1, "/open/1");
        assert!(client.until(HEADERS, 1).is_some());
        begin(&mut client);
        let goaway = client.until(GOAWAY, 0).expect("GOAWAY");
        assert_eq!(
            (code(&goaway.payload), code(&goaway.payload[4..])),
            (1, 0),
            "the head that stopped may be sent again"
        );
        while client.next().is_some() {}
        eventually("counted", || (errors(&gateway, "header_timeout") == number as f64 + 1.0).then_some(()));
    }
    let mut half = gateway.client();
    half.send("PRI * HTTP/2.0\r\n\r\nSM");
    assert!(half.is_closed());
    eventually("counted", || (errors(&gateway, "header_timeout") == 3.0).then_some(()));
}

#[test]
fn an_idle_connection_is_told_of_its_end() {
    let gateway = limited("keep_alive: 300ms");
    let mut client = FrameClient::connect(gateway.address, &[]);
    client.get(1, "/open/1");
    assert!(client.until(HEADERS, 1).is_some());
    let goaway = client.until(GOAWAY, 0).expect("GOAWAY");
    assert_eq!(code(&goaway.payload[4..]), 0);
    let ping = client.until(PING, 0).expect("a ping, to know what the peer had sent");
    client.send(PING, 1, 0, &ping.payload);
    assert_eq!(client.last_goaway(), Some(0));
    let mut silent = FrameClient::connect(gateway.address, &[]);
    silent.get(1, "/open/1");
    while silent.next().is_some() {}
}
