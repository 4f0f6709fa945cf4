//! Which of a name's addresses a connection is made to (RFC 8305).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::net::TcpStream;

/// RFC 8305 §5: how long an address has to itself before the next is tried beside it.
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to whichever address answers first. They are tried in the order of the resolver, families in turns; each begins as
/// soon as the one before has failed or had its head start, so that one that swallows packets holds up the others for a moment
/// only. `time` is what there is for all of them: each is begun within it.
///
/// # Errors
///
/// What the address that failed last says; `NotFound` where there is no address.
pub(super) async fn connect_to_first(addresses: Vec<SocketAddr>, time: Duration) -> io::Result<TcpStream> {
    let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let head_start = HEAD_START.min(time / count);
    let mut waiting = families_in_turns(addresses).into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last_fault = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        attempts.extend(waiting.next().map(TcpStream::connect));
        tokio::select! {
            biased;
            ended = attempts.next() => match ended {
                // The others are dropped, and so given up.
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(fault)) => last_fault = fault,
                None => return Err(last_fault),
            },
            () = tokio::time::sleep(head_start), if waiting.len() > 0 => {}
        }
    }
}

/// RFC 8305 §4: begins with the family of the first address, so that neither family can hold up the other for long.
fn families_in_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let begins_with_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (ours, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == begins_with_ipv6);
    let turns = ours.len().max(others.len());
    let (mut ours, mut others) = (ours.into_iter(), others.into_iter());
    (0..turns).flat_map(|_| [ours.next(), others.next()]).flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Instant;

    use socket2::{Domain, Socket, Type};

    use super::*;

    const TIME: Duration = Duration::from_secs(20);

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// A listener whose queue is full: what is sent to it is swallowed.
    fn swallowing() -> (Socket, SocketAddr) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&addresses(&["127.0.0.1:0"])[0].into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        while std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50)).is_ok() {}
        (socket, address)
    }

    fn refusing() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    #[test]
    fn rfc_8305_section_4_families_take_turns() {
        for (given, expected) in [
            (
                &["[::1]:1", "[::2]:1", "10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"][..],
                &["[::1]:1", "10.0.0.1:1", "[::2]:1", "10.0.0.2:1", "10.0.0.3:1"][..],
            ),
            (&["10.0.0.1:1", "10.0.0.2:1", "[::1]:1"], &["10.0.0.1:1", "[::1]:1", "10.0.0.2:1"]),
            (&["10.0.0.1:1", "10.0.0.2:1"], &["10.0.0.1:1", "10.0.0.2:1"]),
            (&[], &[]),
        ] {
            assert_eq!(families_in_turns(addresses(given)), addresses(expected));
        }
    }

    #[tokio::test]
    async fn an_address_that_swallows_packets_does_not_hold_up_the_next() {
        let (_full, swallowing) = swallowing();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let answering = listener.local_addr().unwrap();
        let begun = Instant::now();
        let stream = connect_to_first(vec![swallowing, refusing(), answering], TIME).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), answering);
        assert!(begun.elapsed() >= HEAD_START && begun.elapsed() < TIME / 4, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn an_address_that_refuses_costs_no_time() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let begun = Instant::now();
        connect_to_first(vec![refusing(), refusing(), listener.local_addr().unwrap()], TIME).await.unwrap();
        assert!(begun.elapsed() < HEAD_START, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn every_address_is_begun_in_a_short_time_too() {
        let (_full, swallowing) = swallowing();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (all, time) = (vec![swallowing, swallowing, listener.local_addr().unwrap()], Duration::from_millis(240));
        assert!(tokio::time::timeout(time, connect_to_first(all, time)).await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn the_last_fault_is_told_and_no_address_is_one() {
        let fault = connect_to_first(vec![refusing(), refusing()], TIME).await.unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(connect_to_first(Vec::new(), TIME).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
