//! Descriptors that travel over unix sockets, beside bytes. unix(7), `SCM_RIGHTS`.

use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The most descriptors one message may bring.
const MOST: usize = 8;

/// Sends `bytes`, and `descriptors` with the first of them. Tells how many bytes
/// went: a caller sends the rest without descriptors. A closed peer is `EPIPE`,
/// never a signal.
pub fn send(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "too many descriptors for one message",
        ));
    }
    let sent = retry_on_intr(|| sendmsg(&socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL))?;
    Ok(sent)
}

/// Receives bytes and the descriptors that came with them, which are closed on
/// exec. 0 bytes is the end.
pub fn receive(socket: impl AsFd, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = retry_on_intr(|| {
        recvmsg(
            &socket,
            &mut [IoSliceMut::new(bytes)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )
    })?;
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    Ok((received.bytes, descriptors))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_descriptor_arrives_with_its_bytes_and_works() {
        let (left, right) = UnixStream::pair().unwrap();
        let (mut near, far) = UnixStream::pair().unwrap();
        assert_eq!(send(&left, b"here", &[far.as_fd()]).unwrap(), 4);
        drop(far);
        let mut bytes = [0; 16];
        let (count, mut descriptors) = receive(&right, &mut bytes).unwrap();
        assert_eq!(&bytes[..count], b"here");
        let mut passed = UnixStream::from(descriptors.pop().unwrap());
        passed.write_all(b"!").unwrap();
        drop(passed);
        let mut text = String::new();
        near.read_to_string(&mut text).unwrap();
        assert_eq!(text, "!");
    }

    #[test]
    fn bytes_without_a_descriptor_bring_none() {
        let (left, right) = UnixStream::pair().unwrap();
        send(&left, b"x", &[]).unwrap();
        let (count, descriptors) = receive(&right, &mut [0; 4]).unwrap();
        assert_eq!((count, descriptors.len()), (1, 0));
    }
}
