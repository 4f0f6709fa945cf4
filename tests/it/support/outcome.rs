//! The outcome of a fault is read from good requests that are sent after it: what the peer had of an answer, which connections are
//! still used, what was counted, what was recorded.

use super::fault::Outcome;
use super::stage::{Beside, Stage, get, good, pseudo_fields};
use super::wire::{Progress, Wire};
use super::wire_http2::{Http2Stream, code_name};
use super::{Message, eventually};

impl Stage {
    /// Waits until no request is under way and the gateway knows of as many connections as there are.
    #[track_caller]
    pub(super) fn settle(&mut self) {
        eventually("nothing is under way", || {
            let is_open = |wire: &mut Wire| !wire.read_some();
            let upstreams = self.upstreams.iter_mut().map(is_open).filter(|open| *open).count();
            let in_flight = self.gateway.metric("scopegate_requests_in_flight", &[]);
            let connections = self.gateway.metric("scopegate_upstream_connections", &["upstream=\"api\""]);
            let beside = if self.beside.is_some() { 1.0 } else { 0.0 };
            (in_flight == beside && connections == upstreams as f64).then_some(())
        });
    }

    pub(super) fn conclude(mut self, method: &str) -> Outcome {
        let answer = self.answer_or_end(method);
        let beside = self.end_beside();
        if self.upstreams.iter().all(Wire::is_closed) {
            self.settle();
        }
        if let Some(Progress::Whole(_, length)) = answer {
            self.peer.forget(length);
        }
        let (is_kept, upstream) = self.good_request("probe");
        let (upstream_gets, upstream_connection) = self.upstreams_part(upstream);
        self.answer(upstream, "probe");
        self.settle();
        let (_, last) = self.good_request("last");
        self.answer(last, "last");
        let record = self.record();
        eventually("no peer is left but the last", || {
            (self.gateway.metric("scopegate_connections", &[]) <= 1.0).then_some(())
        });
        let counted = self.counted();
        let faulty = self.former.as_mut().unwrap_or(&mut self.peer);
        let goaway = faulty.http2.as_ref().and_then(|http2| http2.goaway).filter(|code| *code != 0);
        let peer_connection = match (is_kept, goaway) {
            (true, _) => "kept".into(),
            (false, None) => "closed".into(),
            (false, Some(code)) => format!("closed, GOAWAY {}", code_name(code)),
        };
        let peer_gets = match (answer, self.asked) {
            (Some(Progress::Part(None)), _) if faulty.begins_with(&[0x15]) => "an alert".into(),
            (Some(answer), _) => peer_gets(&answer),
            (None, Some(stream)) => http2_peer_gets(faulty.stream(stream)),
            (None, None) => "nothing".into(),
        };
        Outcome { peer_gets, peer_connection, beside, upstream_gets, upstream_connection, counted, record }
    }

    /// Waits until the faulty request is answered or its connection ends: over HTTP/2 both show at the stream.
    #[track_caller]
    fn answer_or_end(&mut self, method: &str) -> Option<Progress> {
        if self.peer.http2.is_none() {
            return Some(self.peer.message_or_end(Some(method)));
        }
        eventually("an answer or the end", || {
            let ended = self.peer.read_some();
            let over = self.asked.is_some_and(|stream| self.peer.stream(stream).is_over());
            (over || ended).then_some(())
        });
        None
    }

    /// Ends the other exchange on the connection, and tells what became of it.
    #[track_caller]
    fn end_beside(&mut self) -> &'static str {
        let Some(Beside { mut other, stream }) = self.beside.take() else { return "–" };
        let went_on = if self.scene.peer.is_http2() {
            other.send("whole");
            let peer = &mut self.peer;
            eventually("the other stream ends", || (peer.read_some() || peer.stream(stream).is_over()).then_some(()));
            peer.stream(stream).is_ended && peer.stream(stream).content == b"otherwhole"
        } else {
            self.upstream().data(stream, "whole", true);
            matches!(other.message_or_end(Some("GET")), Progress::Whole(message, _) if message.content == b"otherwhole")
        };
        if went_on { "go on" } else { "cut off" }
    }

    /// Sends a good request, on the peer's connection if that is still one: whether it was, and on which connection to the upstream
    /// it came.
    #[track_caller]
    fn good_request(&mut self, path: &str) -> (bool, usize) {
        let mut kept = true;
        self.send_good(path);
        let at = eventually("a good request arrives", || {
            let at = self.position_of(path);
            if at.is_none() && self.peer.read_some() {
                kept = false;
                self.another_peer();
                self.send_good(path);
            }
            at
        });
        (kept, at)
    }

    fn send_good(&mut self, path: &str) {
        match self.peer.http2 {
            Some(_) => {
                self.peer.open_stream(&pseudo_fields("GET", &format!("/open/{path}")), true);
            }
            None => self.peer.send(get(path)),
        }
    }

    /// What the upstream has had of the faulty request, and what became of its connection, when the good one has come at `probe`.
    fn upstreams_part(&mut self, probe: usize) -> (String, &'static str) {
        let path = self.path();
        let is_http2 = self.scene.upstream.is_http2();
        let wire = self.upstreams.first_mut().expect("the good request's connection");
        let reused = match probe {
            0 => true,
            _ => {
                wire.expect_end();
                false
            }
        };
        let stream = wire.request_at(&path);
        let is_unused = if is_http2 { stream.is_none() } else { wire.begins_with(b"GET /open/probe ") };
        let gets = match is_http2 {
            true => http2_upstream_gets(wire, stream),
            // A hello of TLS is no part of the request.
            false if (reused && is_unused) || wire.begins_with(&[0x16]) => "nothing".into(),
            false => upstream_gets(&wire.message(None)).into(),
        };
        match reused {
            true if is_unused => (gets, "–"),
            true => (gets, "reused"),
            false => (gets, "closed"),
        }
    }

    /// The connection on which the good request has come.
    fn position_of(&mut self, path: &str) -> Option<usize> {
        while let Ok((stream, _)) = self.listener.accept() {
            let wire = self.serve(stream);
            self.upstreams.push(wire);
        }
        let start = format!("GET /open/{path} ");
        let path = format!("/open/{path}");
        self.upstreams.iter_mut().position(|wire| {
            wire.read_some();
            if wire.http2.is_some() { wire.request_at(&path).is_some() } else { wire.has(start.as_bytes()) }
        })
    }

    #[track_caller]
    fn answer(&mut self, upstream: usize, content: &str) {
        let path = format!("/open/{content}");
        let wire = &mut self.upstreams[upstream];
        match wire.request_at(&path) {
            Some(stream) => wire.answer_http2(stream, content),
            None => {
                wire.send(good(content));
                wire.clear();
            }
        }
        if self.peer.http2.is_some() {
            let peer = &mut self.peer;
            eventually("a good request is answered", || {
                peer.read_some();
                let good = |stream: &Http2Stream| stream.is_ended && stream.content == content.as_bytes();
                peer.http2().streams.values().any(good).then_some(())
            });
            return;
        }
        let answered = self.peer.message_or_end(Some("GET"));
        let Progress::Whole(message, length) = answered else { panic!("a good request gets {answered:?}") };
        assert_eq!((status(&message), &*message.content), ("200", content.as_bytes()), "a good request");
        self.peer.forget(length);
    }

    fn counted(&self) -> String {
        let text = self.gateway.ask("GET", "/metrics").text();
        let families =
            [("scopegate_upstream_failures_total", "upstream"), ("scopegate_connection_errors_total", "peer")];
        let kinds = families.into_iter().flat_map(|(family, whose)| {
            let samples = text.lines().filter(move |line| line.split('{').next() == Some(family));
            samples.filter_map(move |line| {
                let kind = line.split_once("kind=\"")?.1.split('"').next()?;
                match line.rsplit(' ').next()? {
                    "0" => None,
                    "1" => Some(format!("{whose}: `{kind}`")),
                    count => Some(format!("{whose}: {count} × `{kind}`")),
                }
            })
        });
        let kinds: Vec<_> = kinds.collect();
        if kinds.is_empty() { "–".into() } else { kinds.join(", ") }
    }

    /// The record of the request, which is written before that of the last one.
    fn record(&self) -> String {
        let records = eventually("the last request has its record", || {
            let log = self.gateway.log();
            log.iter().any(|line| line["path"] == "/open/last").then_some(log)
        });
        let path = self.path();
        let records: Vec<_> = records.iter().filter(|line| line["path"] == path.as_str()).collect();
        let texts: Vec<_> = records
            .iter()
            .map(|record| match record["reason"].as_str() {
                Some(reason) => format!("{} `{reason}`", record["status"]),
                None => match record["cut_off_by"].as_str() {
                    Some(by) => format!("{}, cut off by `{by}`", record["status"]),
                    None => record["status"].to_string(),
                },
            })
            .collect();
        if texts.is_empty() { "–".into() } else { texts.join(", ") }
    }
}

fn status(message: &Message) -> &str {
    message.start_line.split(' ').nth(1).unwrap_or_default()
}

fn peer_gets(answer: &Progress) -> String {
    match answer {
        Progress::Nothing => "nothing".into(),
        Progress::Part(None) => "part of a head".into(),
        Progress::Part(Some(head)) => format!("{}, cut off", status(head)),
        Progress::Whole(message, _) if message.field("content-type") == Some("application/problem+json") => {
            let problem: serde_json::Value = serde_json::from_slice(&message.content).expect("a problem document");
            format!("{} `{}`", status(message), problem["reason"].as_str().expect("a reason"))
        }
        Progress::Whole(message, _) if status(message) >= "400" && message.content.is_empty() => {
            format!("{}, empty", status(message))
        }
        Progress::Whole(message, _) => status(message).to_owned(),
    }
}

fn http2_peer_gets(stream: &Http2Stream) -> String {
    let Some(status) = stream.status() else { return with_reset(String::new(), stream) };
    let problem: Option<serde_json::Value> = serde_json::from_slice(&stream.content).ok();
    let head = match problem.as_ref().and_then(|problem| problem["reason"].as_str()) {
        Some(reason) => format!("{status} `{reason}`"),
        None if status >= 400 && stream.content.is_empty() => format!("{status}, empty"),
        None if !stream.is_over() => format!("{status}, cut off"),
        None => status.to_string(),
    };
    with_reset(head, stream)
}

fn upstream_gets(request: &Progress) -> &'static str {
    match request {
        Progress::Nothing => "nothing",
        Progress::Part(None) => "part of a head",
        Progress::Part(Some(_)) => "a part, cut off",
        Progress::Whole(..) => "all of it",
    }
}

fn http2_upstream_gets(wire: &mut Wire, stream: Option<u32>) -> String {
    let stream = stream.map(|stream| &*wire.stream(stream));
    let gets = stream.map_or("nothing".into(), |stream| {
        with_reset(if stream.is_ended { "all of it" } else { "a part" }.into(), stream)
    });
    match wire.http2.as_ref().and_then(|http2| http2.goaway).filter(|code| *code != 0) {
        Some(code) => format!("{gets}, GOAWAY {}", code_name(code)),
        None => gets,
    }
}

fn with_reset(text: String, stream: &Http2Stream) -> String {
    match stream.reset {
        Some(code) if text.is_empty() => format!("RST_STREAM {}", code_name(code)),
        Some(code) => format!("{text}, RST_STREAM {}", code_name(code)),
        None if text.is_empty() => "nothing".into(),
        None => text,
    }
}
