//! Descriptors that pass from one process to another: over a unix socket, or from a service manager at the start.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use listenfd::ListenFd;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

use super::Listening;

/// The byte that a descriptor travels with: a stream carries none without.
const BYTE: [u8; 1] = [b'.'];

/// Sends a descriptor over a connected unix socket, with one byte.
///
/// # Errors
///
/// What the operating system says; `WouldBlock` if the socket does not block and is full.
pub fn send_descriptor(stream: impl AsFd, descriptor: impl AsFd) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor.as_fd()];
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    sendmsg(stream, &[IoSlice::new(&BYTE)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives a descriptor that [`send_descriptor`] has sent; it is closed when this process runs another program.
///
/// # Errors
///
/// `InvalidData` if a byte comes without a descriptor, `UnexpectedEof`, or what the operating system says.
pub fn receive_descriptor(stream: impl AsFd) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let received = recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message
            && let Some(descriptor) = descriptors.next()
        {
            return Ok(descriptor);
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "a byte without a descriptor"))
}

/// The sockets that a service manager passes to this process (`LISTEN_FDS`, for the process that `LISTEN_PID` names), in its order.
///
/// To be called once, before the process has threads: the variables are taken out of the environment.
///
/// # Errors
///
/// `InvalidInput` for a descriptor that is no socket which listens.
pub fn passed_sockets() -> io::Result<Vec<Listening>> {
    let mut passed = ListenFd::from_env();
    (0..passed.len()).map(|position| take(&mut passed, position)).collect()
}

fn take(passed: &mut ListenFd, position: usize) -> io::Result<Listening> {
    let descriptor = match passed.take_unix_listener(position) {
        Ok(socket) => socket.map(OwnedFd::from),
        Err(_) => passed.take_tcp_listener(position)?.map(OwnedFd::from),
    };
    Listening::from_descriptor(descriptor.ok_or(io::ErrorKind::InvalidInput)?)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::{UnixListener, UnixStream};

    use rustix::io::{FdFlags, fcntl_getfd};

    use super::*;

    #[test]
    fn a_socket_arrives_with_its_queue_and_does_not_leak_into_other_programs() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = TcpStream::connect(address).unwrap();
        send_descriptor(&ours, &listener).unwrap();
        drop(listener);
        let received = receive_descriptor(&theirs).unwrap();
        assert!(fcntl_getfd(&received).unwrap().contains(FdFlags::CLOEXEC));
        let Listening::Tcp(heir) = Listening::from_descriptor(received).unwrap() else { panic!("TCP") };
        let (mut accepted, _) = heir.accept().unwrap();
        waiting.write_all(b"x").unwrap();
        accepted.read_exact(&mut [0]).unwrap();
    }

    #[test]
    fn several_descriptors_in_a_row_stay_apart_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let paths: Vec<_> = (0..5).map(|number| folder.path().join(number.to_string())).collect();
        for path in &paths {
            send_descriptor(&ours, UnixListener::bind(path).unwrap()).unwrap();
        }
        for path in &paths {
            let received = Listening::from_descriptor(receive_descriptor(&theirs).unwrap()).unwrap();
            assert_eq!(received.address().unwrap(), super::super::ListenAddress::Unix(path.clone()));
        }
    }

    #[test]
    fn what_is_no_descriptor_or_no_listening_socket_is_refused() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(b".").unwrap();
        assert_eq!(receive_descriptor(&theirs).unwrap_err().kind(), io::ErrorKind::InvalidData);
        send_descriptor(&ours, &ours).unwrap();
        let connected = receive_descriptor(&theirs).unwrap();
        assert_eq!(Listening::from_descriptor(connected).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        drop(ours);
        assert_eq!(receive_descriptor(&theirs).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
