//! Streams of HTTP/2 whose answers nobody takes: they hold little, and nobody else up.

use crate::support::http2::{FrameClient, HEADERS};
use crate::support::{Setup, Upstream, eventually};

const CONNECTIONS: usize = 5;
const STREAMS: u32 = 100;
/// Bytes that a stream may hold, the memory of its connection and of the allocator included.
const A_STREAM: usize = 48 << 10;

/// The gateway's resident memory in bytes.
fn resident(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn a_stream_without_a_window_holds_little() {
    let gateway = Setup { more: "workers: 1".into(), ..Setup::default() }.start(&Upstream::echo());
    assert_eq!(gateway.client().request("GET", "/open/warm", "").status, 200);
    let before = resident(gateway.pid());
    let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| FrameClient::connect(gateway.address, &[(4, 0)])).collect();
    for client in &mut clients {
        let streams = (0..STREAMS).map(|number| 2 * number + 1);
        streams.clone().for_each(|stream| client.get(stream, "/open/1"));
        let mut heads = 0;
        while heads < STREAMS {
            heads += u32::from(client.next().expect("a frame").kind == HEADERS);
        }
    }
    let grown = resident(gateway.pid()).saturating_sub(before) / (CONNECTIONS * STREAMS as usize);
    assert!(grown < A_STREAM, "{grown} bytes a stream");
    assert_eq!(gateway.client().request("GET", "/open/beside", "").status, 200);
    drop(clients);
    eventually("they are gone", || (gateway.metric("scopegate_requests_in_flight", &[]) == 0.0).then_some(()));
}
