//! Open descriptors in messages to another process, and memory that can be passed on like a file.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::MemfdFlags;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

/// As many descriptors as one message carries.
pub const DESCRIPTORS_MAX: usize = 4;

/// Sends bytes over a local socket, with descriptors on the first of them. The receiver has copies
/// of its own.
///
/// # Errors
/// The other end has gone, or what else the system says; `InvalidInput` for more than
/// [`DESCRIPTORS_MAX`].
pub fn send(
    mut stream: impl AsFd + Write,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    // The space is rounded up, so that it may hold one more.
    let too_many = descriptors.len() > DESCRIPTORS_MAX;
    if too_many || !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let flags = SendFlags::NOSIGNAL;
    let sent = rustix::net::sendmsg(&stream, &[IoSlice::new(bytes)], &mut ancillary, flags)?;
    // The descriptors went with the first byte.
    stream.write_all(bytes.get(sent..).unwrap_or_default())
}

/// Memory with this content, as a file that no path leads to.
///
/// # Errors
/// What the system says.
pub fn memory_file(name: &str, content: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};
    use std::os::unix::net::UnixStream;

    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

    fn receive(stream: &UnixStream) -> (Vec<u8>, Vec<OwnedFd>) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0; 100];
        let mut room = [io::IoSliceMut::new(&mut bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let length = rustix::net::recvmsg(stream, &mut room, &mut ancillary, flags).unwrap().bytes;
        let descriptors = ancillary.drain().flat_map(|message| {
            let RecvAncillaryMessage::ScmRights(descriptors) = message else {
                panic!("other than descriptors")
            };
            descriptors.collect::<Vec<_>>()
        });
        let descriptors = descriptors.collect();
        (bytes[..length].to_vec(), descriptors)
    }

    #[test]
    fn what_is_sent_arrives_with_its_descriptors() {
        let (near, far) = UnixStream::pair().unwrap();
        let (reading, writing) = rustix::pipe::pipe().unwrap();
        let memory = memory_file("test", "비밀".as_bytes()).unwrap();
        send(&near, b"two\n", &[memory.as_fd(), writing.as_fd()]).unwrap();
        drop((memory, writing));
        let (bytes, mut descriptors) = receive(&far);
        assert_eq!((&*bytes, descriptors.len()), (&b"two\n"[..], 2));
        File::from(descriptors.pop().unwrap()).write_all(b"through").unwrap();
        let mut text = String::new();
        File::from(reading).read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
        let mut file = File::from(descriptors.pop().unwrap());
        file.rewind().unwrap();
        text.clear();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "비밀");
    }

    #[test]
    fn too_many_descriptors_and_a_peer_that_has_gone_are_errors() {
        let (near, far) = UnixStream::pair().unwrap();
        assert!(send(&near, b"x", &[near.as_fd(); DESCRIPTORS_MAX + 1]).is_err());
        drop(far);
        let error = send(&near, b"x", &[near.as_fd()]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
