//! One end of a connection whose every byte the test moves, and that forgets nothing of what came.

use std::io::{Cursor, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use rustls::{ClientConnection, Connection, ServerConnection};
use socket2::SockRef;

use super::eventually;
use super::message::Message;
use super::wire_http2::Http2;

/// A socket, in clear text or in TLS, and all that has been read from it.
#[derive(Debug)]
pub struct Wire {
    /// None once this end has closed it.
    stream: Option<TcpStream>,
    tls: Option<Box<Connection>>,
    /// There if what goes over it are frames.
    pub(super) http2: Option<Http2>,
    pub(super) received: Vec<u8>,
    has_ended: bool,
}

/// How far a message has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not a byte of it.
    Nothing,
    /// Its beginning; with its head, if that is there.
    Part(Option<Message>),
    /// All of it, with the bytes that it took.
    Whole(Message, usize),
}

impl Wire {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a socket");
        stream.set_nonblocking(true).expect("a socket");
        Self { stream: Some(stream), tls: None, http2: None, received: Vec::new(), has_ended: false }
    }

    /// The end of a server that speaks TLS. Its handshake is made by the reads and writes that follow.
    pub fn tls_server(stream: TcpStream, tls: ServerConnection) -> Self {
        Self { tls: Some(Box::new(tls.into())), ..Self::new(stream) }
    }

    /// The end of a client that speaks TLS.
    pub fn tls_client(stream: TcpStream, tls: ClientConnection) -> Self {
        Self { tls: Some(Box::new(tls.into())), ..Self::new(stream) }
    }

    /// Sends bytes; whoever has gone already does not get them.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let mut rest = bytes.as_ref();
        eventually("the bytes are taken", || {
            while !rest.is_empty() {
                match self.write_some(rest) {
                    Some(written) => rest = &rest[written..],
                    None => return self.take_some().then_some(()),
                }
            }
            Some(())
        });
    }

    /// Sends bytes below TLS.
    pub fn send_below_tls(&mut self, bytes: &[u8]) {
        let tls = self.tls.take();
        self.send(bytes);
        self.tls = tls;
    }

    /// Sends what is taken at once; `None` if nothing is.
    pub fn write_some(&mut self, bytes: &[u8]) -> Option<usize> {
        let stream = self.stream.as_mut()?;
        let written = match &mut self.tls {
            Some(tls) => write_tls(tls, stream, bytes),
            None => stream.write(bytes),
        };
        match written {
            Ok(written) => Some(written),
            Err(fault) if fault.kind() == ErrorKind::WouldBlock => None,
            Err(_) => {
                self.take_some();
                self.has_ended = true;
                None
            }
        }
    }

    /// Takes what has come, and does with frames what every peer does; whether the other end has closed or reset the connection.
    pub fn read_some(&mut self) -> bool {
        self.take_some();
        self.take_frames();
        self.is_closed()
    }

    fn take_some(&mut self) -> bool {
        while self.read_at_most(1 << 16) > 0 {}
        self.is_closed()
    }

    /// Takes no more than `count` bytes of what has come; the number of bytes.
    pub fn read_at_most(&mut self, count: usize) -> usize {
        let Some(stream) = self.stream.as_mut().filter(|_| !self.has_ended) else { return 0 };
        let before = self.received.len();
        self.received.resize(before + count, 0);
        let read = match &mut self.tls {
            Some(tls) => read_tls(tls, stream, &mut self.received[before..]),
            None => stream.read(&mut self.received[before..]),
        };
        self.received.truncate(before + read.as_ref().map_or(0, |read| *read));
        match read {
            Ok(0) => self.has_ended = true,
            Err(fault) if fault.kind() != ErrorKind::WouldBlock => self.has_ended = true,
            Ok(_) | Err(_) => {}
        }
        self.received.len() - before
    }

    /// Waits until `bytes` have come.
    #[track_caller]
    pub fn expect(&mut self, bytes: impl AsRef<[u8]>) {
        let wanted = bytes.as_ref();
        eventually(&String::from_utf8_lossy(wanted), || {
            self.read_some();
            self.has(wanted).then_some(())
        });
    }

    /// Whether `bytes` are among what has come: over HTTP/2, of any stream's content.
    pub fn has(&self, bytes: &[u8]) -> bool {
        let has = |content: &[u8]| content.windows(bytes.len()).any(|window| window == bytes);
        match &self.http2 {
            Some(http2) => http2.streams.values().any(|stream| has(&stream.content)),
            None => has(&self.received),
        }
    }

    /// What has come, and was not taken as frames.
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// Whether what has come begins with `bytes`.
    pub fn begins_with(&self, bytes: &[u8]) -> bool {
        self.received.starts_with(bytes)
    }

    /// Waits until the other end has closed.
    #[track_caller]
    pub fn expect_end(&mut self) {
        eventually("the other end closes", || self.read_some().then_some(()));
    }

    /// Waits until the handshake of TLS has been made, or has failed.
    #[track_caller]
    pub fn shake_hands(&mut self) {
        eventually("hands are shaken", || {
            let ended = self.read_some();
            (ended || self.tls.as_ref().is_none_or(|tls| !tls.is_handshaking())).then_some(())
        });
    }

    /// Whether it is closed, as far as this end knows.
    pub fn is_closed(&self) -> bool {
        self.stream.is_none() || self.has_ended
    }

    /// Closes it as TCP closes a connection whose bytes have all been read; TLS says so before.
    pub fn close(&mut self) {
        self.read_some();
        if let (Some(tls), Some(stream)) = (&mut self.tls, &mut self.stream) {
            tls.send_close_notify();
            let _ = flush_tls(tls, stream);
        }
        self.stream = None;
    }

    /// Closes it without a word of TLS.
    pub fn cut(&mut self) {
        self.read_some();
        self.stream = None;
    }

    /// Sends the alert for a record that cannot be read.
    pub fn send_alert(&mut self) {
        self.read_some();
        if let (Some(tls), Some(stream)) = (&mut self.tls, &mut self.stream) {
            let mut record = Cursor::new(b"\x17\x03\x03\x00\x20no record that anybody could read");
            let _ = tls.read_tls(&mut record);
            let _ = tls.process_new_packets();
            let _ = flush_tls(tls, stream);
        }
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&mut self) {
        if let (Some(tls), Some(stream)) = (&mut self.tls, &mut self.stream) {
            tls.send_close_notify();
            let _ = flush_tls(tls, stream);
        }
        if let Some(stream) = &self.stream {
            let _ = stream.shutdown(Shutdown::Write);
        }
    }

    /// Closes it by a reset, whatever is under way.
    pub fn reset(&mut self) {
        if let Some(stream) = self.stream.take() {
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket");
        }
    }

    /// Closes it with bytes that nobody has read, which TCP answers with a reset.
    pub fn reset_unread(&mut self) {
        self.stream = None;
    }

    /// How far the first message has come; an answer's content depends on the method that it answers.
    pub fn message(&self, method: Option<&str>) -> Progress {
        if self.received.is_empty() {
            return Progress::Nothing;
        }
        let mut stream = Cursor::new(&*self.received);
        loop {
            let Ok(Some(head)) = Message::read_head(&mut stream) else { return Progress::Part(None) };
            let status = head.start_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
            if method.is_some() && status.is_some_and(|status| status.starts_with('1')) {
                continue;
            }
            let empty = method == Some("HEAD") || (method.is_some() && matches!(status, Some("204" | "304")));
            let mut message = head.clone();
            if !empty && message.read_content(&mut stream).is_err() {
                return Progress::Part(Some(head));
            }
            return Progress::Whole(message, usize::try_from(stream.position()).expect("a length"));
        }
    }

    /// Waits for a whole message, or for the connection's end.
    #[track_caller]
    pub fn message_or_end(&mut self, method: Option<&str>) -> Progress {
        eventually("a message or the end", || {
            let ended = self.read_some();
            match self.message(method) {
                whole @ Progress::Whole(..) => Some(whole),
                part if ended => Some(part),
                Progress::Nothing | Progress::Part(_) => None,
            }
        })
    }

    /// Forgets the first `count` bytes that came.
    pub fn forget(&mut self, count: usize) {
        self.received.drain(..count);
    }

    /// Forgets all that came.
    pub fn clear(&mut self) {
        self.received.clear();
    }
}

fn flush_tls(tls: &mut Connection, stream: &mut TcpStream) -> std::io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(stream)?;
    }
    Ok(())
}

fn write_tls(tls: &mut Connection, stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<usize> {
    flush_tls(tls, stream)?;
    if tls.is_handshaking() {
        return Err(ErrorKind::WouldBlock.into());
    }
    let written = tls.writer().write(bytes)?;
    match flush_tls(tls, stream) {
        Err(fault) if fault.kind() != ErrorKind::WouldBlock => Err(fault),
        _ => Ok(written),
    }
}

/// What TLS has, and what it makes of what the socket has. An end without `close_notify` is an error.
fn read_tls(tls: &mut Connection, stream: &mut TcpStream, into: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match tls.reader().read(into) {
            Err(fault) if fault.kind() == ErrorKind::WouldBlock => {}
            read => return read,
        }
        // A hello may be waiting to be sent.
        let _ = flush_tls(tls, stream);
        tls.read_tls(stream)?;
        let read = tls.process_new_packets();
        let flushed = flush_tls(tls, stream);
        read.map_err(std::io::Error::other)?;
        if let Err(fault) = flushed
            && fault.kind() != ErrorKind::WouldBlock
        {
            return Err(fault);
        }
    }
}
