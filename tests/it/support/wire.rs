//! One end of a connection whose every byte the test moves, and that forgets nothing of what came.

use std::io::{Cursor, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use super::eventually;
use super::message::Message;

/// A socket, and all that has been read from it.
#[derive(Debug)]
pub struct Wire {
    /// None once this end has closed it.
    stream: Option<TcpStream>,
    received: Vec<u8>,
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
        Self { stream: Some(stream), received: Vec::new(), has_ended: false }
    }

    /// Sends bytes; whoever has gone already does not get them.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let mut rest = bytes.as_ref();
        eventually("the bytes are taken", || {
            while !rest.is_empty() {
                match self.write_some(rest) {
                    Some(written) => rest = &rest[written..],
                    None => return self.read_some().then_some(()),
                }
            }
            Some(())
        });
    }

    /// Sends what is taken at once; `None` if nothing is.
    pub fn write_some(&mut self, bytes: &[u8]) -> Option<usize> {
        let stream = self.stream.as_mut()?;
        match stream.write(bytes) {
            Ok(written) => Some(written),
            Err(fault) if fault.kind() == ErrorKind::WouldBlock => None,
            Err(_) => {
                self.read_some();
                self.has_ended = true;
                None
            }
        }
    }

    /// Takes what has come; whether the other end has closed or reset the connection.
    pub fn read_some(&mut self) -> bool {
        while self.read_at_most(1 << 16) > 0 {}
        self.stream.is_none() || self.has_ended
    }

    /// Takes no more than `count` bytes of what has come; the number of bytes.
    pub fn read_at_most(&mut self, count: usize) -> usize {
        let Some(stream) = self.stream.as_mut().filter(|_| !self.has_ended) else { return 0 };
        let before = self.received.len();
        self.received.resize(before + count, 0);
        let read = stream.read(&mut self.received[before..]);
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

    /// Whether `bytes` are among what has come.
    pub fn has(&self, bytes: &[u8]) -> bool {
        self.received.windows(bytes.len()).any(|window| window == bytes)
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

    /// Whether it is closed, as far as this end knows.
    pub fn is_closed(&self) -> bool {
        self.stream.is_none() || self.has_ended
    }

    /// Closes it as TCP closes a connection whose bytes have all been read.
    pub fn close(&mut self) {
        self.read_some();
        self.stream = None;
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&mut self) {
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
