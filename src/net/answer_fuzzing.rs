//! What is read of an upstream's answer over HTTP/1.1, under fuzzing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a body fails by panicking")]

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::http1_answer::{Ends, Flaw, take_head};
use super::http1_chunks::{Chunks, Part};

/// Longer inputs say no more.
const MOST_BYTES: usize = 4096;

/// What was read.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    status: StatusCode,
    fields: HeaderMap,
    ends: Ends,
    keeps_alive: bool,
    content: Vec<u8>,
    rest: Rest,
}

/// What was read behind the content.
#[derive(Debug, PartialEq, Eq)]
enum Rest {
    /// Trailers, or none, and bytes that are of no answer.
    Of(HeaderMap, Vec<u8>),
    /// The content has not ended.
    Wanting,
    /// What comes is none.
    Flawed,
}

/// The first line: `H` for an answer to HEAD or anything else for one to GET, and at its end a byte that says how large the pieces are
/// in which it comes; then the answer.
///
/// * It is read alike wherever it is cut.
/// * What is read as a whole answer hyper reads as the same.
/// * A connection that may carry another has carried one whose end nobody can doubt.
pub fn answer(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n').filter(|_| bytes.len() <= MOST_BYTES) else { return };
    let (first, answer) = (&bytes[..end], &bytes[end + 1..]);
    let method = if first.starts_with(b"H") { Method::HEAD } else { Method::GET };
    let size = usize::from(first.last().map_or(0, |byte| byte % 16)) + 1;
    let whole = read(&method, answer, answer.len().max(1));
    let parted = read(&method, answer, size);
    match (&whole, &parted) {
        (Ok(whole), Ok(parted)) => assert_eq!(whole, parted),
        (Err(_), Err(_)) => {}
        (Ok(_) | Err(_), _) => panic!("{whole:?} but {parted:?} in pieces of {size}"),
    }
    let Ok(Some(read)) = whole else { return };
    let is_framed_twice = read.fields.contains_key("transfer-encoding") && read.fields.contains_key("content-length");
    assert!(!(read.keeps_alive && is_framed_twice), "{read:?}");
    if read.status != StatusCode::SWITCHING_PROTOCOLS && matches!(read.rest, Rest::Of(..)) {
        assert_eq!(by_hyper(method, answer), Some((read.status, read.content)));
    }
}

/// Reads an answer that comes in pieces of `size` bytes; `None` where its head has not come whole.
fn read(method: &Method, answer: &[u8], size: usize) -> Result<Option<Read>, Flaw> {
    let mut pieces = answer.chunks(size);
    let mut bytes = BytesMut::new();
    let mut fields = HeaderMap::new();
    let head = loop {
        if let Some(head) = take_head(&mut bytes, method, &mut fields)? {
            break head;
        }
        let Some(piece) = pieces.next() else { return Ok(None) };
        bytes.extend_from_slice(piece);
    };
    let (content, rest) = match head.ends {
        Ends::WithLastChunk => in_chunks(bytes, pieces),
        Ends::WithConnection | Ends::After(_) => {
            pieces.for_each(|piece| bytes.extend_from_slice(piece));
            let length = match head.ends {
                Ends::After(length) => length,
                Ends::WithConnection | Ends::WithLastChunk => bytes.len() as u64,
            };
            match usize::try_from(length).ok().filter(|length| *length <= bytes.len()) {
                Some(length) => (bytes.split_to(length).to_vec(), Rest::Of(HeaderMap::new(), bytes.to_vec())),
                None => (bytes.to_vec(), Rest::Wanting),
            }
        }
    };
    let (status, fields) = (head.response.status(), head.response.headers().clone());
    Ok(Some(Read { status, fields, ends: head.ends, keeps_alive: head.keeps_alive, content, rest }))
}

fn in_chunks<'p>(mut bytes: BytesMut, mut pieces: impl Iterator<Item = &'p [u8]>) -> (Vec<u8>, Rest) {
    let (mut chunks, mut content) = (Chunks::new(), Vec::new());
    loop {
        let trailers = match chunks.take(&mut bytes) {
            Ok(Part::Data(data)) => {
                content.extend_from_slice(&data);
                continue;
            }
            Ok(Part::Unclear) => match pieces.next() {
                Some(piece) => {
                    bytes.extend_from_slice(piece);
                    continue;
                }
                None => return (content, Rest::Wanting),
            },
            Ok(Part::Trailers(trailers)) => trailers,
            Ok(Part::End) => HeaderMap::new(),
            Err(_) => return (content, Rest::Flawed),
        };
        pieces.for_each(|piece| bytes.extend_from_slice(piece));
        return (content, Rest::Of(trailers, bytes.to_vec()));
    }
}

/// The status and the content that hyper reads, if it reads a whole answer.
fn by_hyper(method: Method, answer: &[u8]) -> Option<(StatusCode, Vec<u8>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (near, mut far) = tokio::io::duplex(2 * MOST_BYTES);
        let (mut sender, connection) = http1::handshake(TokioIo::new(near)).await.unwrap();
        let answering = async {
            // An answer that comes before its request is none.
            far.read_buf(&mut BytesMut::new()).await.unwrap();
            far.write_all(answer).await.unwrap();
            far.shutdown().await.unwrap();
        };
        let asking = async {
            let request = Request::builder().method(method).uri("/").body(Empty::<Bytes>::new()).unwrap();
            let (head, content) = sender.send_request(request).await.ok()?.into_parts();
            Some((head.status, content.collect().await.ok()?.to_bytes().to_vec()))
        };
        let (_, (), read) = tokio::join!(connection, answering, asking);
        read
    })
}
