//! A connection, plain or encrypted, on which every PDU has a deadline.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use dicom_ul::pdu::{Pdu, read_pdu, write_pdu};
use rustls::{ClientConnection, ServerConnection, StreamOwned};

use super::MOST_PDU;

/// A socket waits no longer than this before it looks whether the node stops.
const SLICE: Duration = Duration::from_millis(500);
/// Time for the rest of a PDU once its first byte is there, and for sending one.
const PDU_TIME: Duration = Duration::from_secs(60);
/// Time and bytes that a peer gets to close its end.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: u64 = 4 << 20;
const HEADER: usize = 6;

/// Why no PDU came or went.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("the peer has closed the connection")]
    Closed,
    #[error("timeout")]
    Timeout,
    #[error("the node is stopping")]
    Stopping,
    #[error("the peer declares a PDU of {0} bytes, more than the {MOST_PDU} that were negotiated")]
    TooLong(u32),
    #[error("the peer sent a malformed PDU")]
    Malformed,
    #[error("{0}")]
    Io(io::Error),
}

/// A socket whose reads and writes end by a deadline, however slowly bytes trickle.
struct Timed {
    socket: TcpStream,
    deadline: Instant,
    stop: Arc<AtomicBool>,
    /// Timeouts that the socket has.
    set: [Duration; 2],
}

impl Timed {
    /// Repeats an attempt in slices of time until it succeeds, the deadline passes or the node stops.
    fn attempt(&mut self, way: usize, mut io: impl FnMut(&TcpStream) -> io::Result<usize>) -> io::Result<usize> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let slice = left.min(SLICE).max(Duration::from_millis(1));
            if self.set[way] != slice {
                self.set[way] = slice;
                match way {
                    0 => self.socket.set_read_timeout(Some(slice))?,
                    _ => self.socket.set_write_timeout(Some(slice))?,
                }
            }
            match io(&self.socket) {
                Err(e)
                    if [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut, io::ErrorKind::Interrupted]
                        .contains(&e.kind()) => {}
                done => return done,
            }
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.attempt(0, |mut socket| socket.read(buffer))
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.attempt(1, |mut socket| socket.write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Stream {
    Plain(Timed),
    Server(Box<StreamOwned<ServerConnection, Timed>>),
    Client(Box<StreamOwned<ClientConnection, Timed>>),
    /// What a fuzzer sends. Nobody reads the answers.
    #[cfg(any(test, feature = "fuzzing"))]
    Bytes(io::Cursor<Vec<u8>>),
}

impl Stream {
    fn timed(&mut self) -> Option<&mut Timed> {
        match self {
            Self::Plain(timed) => Some(timed),
            Self::Server(tls) => Some(&mut tls.sock),
            Self::Client(tls) => Some(&mut tls.sock),
            #[cfg(any(test, feature = "fuzzing"))]
            Self::Bytes(_) => None,
        }
    }

    fn set_deadline(&mut self, deadline: Instant) {
        if let Some(timed) = self.timed() {
            timed.deadline = deadline;
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(timed) => timed.read(buffer),
            Self::Server(tls) => tls.read(buffer),
            Self::Client(tls) => tls.read(buffer),
            #[cfg(any(test, feature = "fuzzing"))]
            Self::Bytes(bytes) => bytes.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(timed) => timed.write(buffer),
            Self::Server(tls) => tls.write(buffer),
            Self::Client(tls) => tls.write(buffer),
            #[cfg(any(test, feature = "fuzzing"))]
            Self::Bytes(_) => Ok(buffer.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(timed) => timed.flush(),
            Self::Server(tls) => tls.flush(),
            Self::Client(tls) => tls.flush(),
            #[cfg(any(test, feature = "fuzzing"))]
            Self::Bytes(_) => Ok(()),
        }
    }
}

/// Encryption of one connection.
pub(crate) enum Tls {
    None,
    Server(Box<ServerConnection>),
    Client(Box<ClientConnection>),
}

/// A connection that carries PDUs.
pub(crate) struct Wire {
    stream: Stream,
    /// Bytes that have come and were not yet read.
    buffer: Vec<u8>,
    out: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(socket: TcpStream, tls: Tls, stop: Arc<AtomicBool>) -> io::Result<Self> {
        // Without it, the last small packet of a message waits for the acknowledgement of the one before: 40 ms a slice.
        socket.set_nodelay(true)?;
        let timed = Timed { socket, deadline: Instant::now(), stop, set: [Duration::ZERO; 2] };
        let stream = match tls {
            Tls::None => Stream::Plain(timed),
            Tls::Server(session) => Stream::Server(Box::new(StreamOwned::new(*session, timed))),
            Tls::Client(session) => Stream::Client(Box::new(StreamOwned::new(*session, timed))),
        };
        Ok(Self { stream, buffer: Vec::new(), out: Vec::new() })
    }

    /// A connection over which these bytes come.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn of_bytes(bytes: Vec<u8>) -> Self {
        Self { stream: Stream::Bytes(io::Cursor::new(bytes)), buffer: Vec::new(), out: Vec::new() }
    }

    /// The next PDU. `first` is when its first byte must be there, `whole` when all of it must.
    pub(crate) fn receive(&mut self, first: Duration, whole: Option<Duration>) -> Result<Pdu, WireError> {
        let begun = Instant::now();
        self.stream.set_deadline(begun + first);
        self.fill(1)?;
        self.stream.set_deadline(whole.map_or_else(|| Instant::now() + PDU_TIME, |whole| begun + whole));
        self.fill(HEADER)?;
        let length = u32::from_be_bytes([self.buffer[2], self.buffer[3], self.buffer[4], self.buffer[5]]);
        if length > MOST_PDU {
            return Err(WireError::TooLong(length));
        }
        let end = HEADER + length as usize;
        self.fill(end)?;
        // Its errors quote what the peer has sent, and so are not passed on.
        let pdu = read_pdu(&self.buffer[..end], MOST_PDU, true).ok().flatten().ok_or(WireError::Malformed)?;
        self.buffer.drain(..end);
        Ok(pdu)
    }

    /// Waits until the first byte of a PDU is there. Whether it is.
    pub(crate) fn has_come(&mut self, time: Duration) -> Result<bool, WireError> {
        self.stream.set_deadline(Instant::now() + time);
        match self.fill(1) {
            Ok(()) => Ok(true),
            Err(WireError::Timeout) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Reads until so many bytes are there.
    fn fill(&mut self, bytes: usize) -> Result<(), WireError> {
        while self.buffer.len() < bytes {
            let have = self.buffer.len();
            // Large PDUs take as few reads as the system allows, and a small one does not claim the memory of a large one.
            self.buffer.resize(bytes.max(have + (16 << 10)), 0);
            let read = self.stream.read(&mut self.buffer[have..]);
            self.buffer.truncate(have + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => return Err(WireError::Closed),
                Ok(_) => {}
                Err(e) => return Err(self.failed(e)),
            }
        }
        Ok(())
    }

    pub(crate) fn send(&mut self, pdu: &Pdu) -> Result<(), WireError> {
        self.send_within(pdu, PDU_TIME)
    }

    fn send_within(&mut self, pdu: &Pdu, time: Duration) -> Result<(), WireError> {
        self.out.clear();
        write_pdu(&mut self.out, pdu).map_err(|_| WireError::Malformed)?;
        self.stream.set_deadline(Instant::now() + time);
        let sent = self.stream.write_all(&self.out).and_then(|()| self.stream.flush());
        sent.map_err(|e| self.failed(e))
    }

    fn failed(&mut self, e: io::Error) -> WireError {
        match e.kind() {
            _ if self.stream.timed().is_some_and(|timed| timed.stop.load(Ordering::Relaxed)) => WireError::Stopping,
            io::ErrorKind::TimedOut => WireError::Timeout,
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                WireError::Closed
            }
            _ => WireError::Io(e),
        }
    }

    /// Sends a last PDU and closes. The peer gets some seconds to close first: otherwise bytes of it that are still on
    /// their way reset the connection, and the PDU is lost.
    pub(crate) fn close(mut self, last: Option<&Pdu>) {
        if let Some(timed) = self.stream.timed() {
            // A node that stops still says so.
            timed.stop = Arc::default();
        }
        if last.is_some_and(|pdu| self.send_within(pdu, LINGER).is_err()) {
            return;
        }
        match &mut self.stream {
            Stream::Server(tls) => tls.conn.send_close_notify(),
            Stream::Client(tls) => tls.conn.send_close_notify(),
            _ => {}
        }
        self.stream.set_deadline(Instant::now() + LINGER);
        // The connection ends here either way.
        drop(self.stream.flush());
        if let Some(timed) = self.stream.timed() {
            drop(timed.socket.shutdown(Shutdown::Write));
            drop(io::copy(&mut timed.take(LINGER_BYTES), &mut io::sink()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn pair() -> (Wire, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let wire = Wire::new(listener.accept().unwrap().0, Tls::None, Arc::default()).unwrap();
        (wire, peer)
    }

    #[test]
    fn a_declared_length_beyond_the_limit_is_refused_before_memory_is_taken() {
        let (mut wire, mut peer) = pair();
        peer.write_all(&[4, 0, 0xff, 0xff, 0xff, 0xff]).unwrap();
        let second = Duration::from_secs(1);
        assert!(matches!(wire.receive(second, None), Err(WireError::TooLong(u32::MAX))));
        assert!(wire.buffer.capacity() < 1 << 16);
    }

    #[test]
    fn bytes_that_trickle_do_not_stretch_the_deadline() {
        let (mut wire, mut peer) = pair();
        let sender = std::thread::spawn(move || {
            let request = [1, 0, 0, 0, 0, 200].into_iter().chain(std::iter::repeat_n(0, 200));
            for byte in request {
                if peer.write_all(&[byte]).is_err() {
                    return true;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            false
        });
        let time = Duration::from_millis(300);
        assert!(matches!(wire.receive(time, Some(time)), Err(WireError::Timeout)));
        wire.stream.timed().unwrap().socket.shutdown(Shutdown::Both).unwrap();
        assert!(sender.join().unwrap(), "the peer would have gone on");
    }

    #[test]
    fn pdus_in_one_packet_are_told_apart_and_a_closed_connection_is_known() {
        let (mut wire, mut peer) = pair();
        peer.write_all(&[5, 0, 0, 0, 0, 4, 0, 0, 0, 0, 6, 0, 0, 0, 0, 4, 0, 0, 0, 0, 99, 0, 0, 0]).unwrap();
        drop(peer);
        let second = Duration::from_secs(1);
        assert_eq!(wire.receive(second, None).unwrap(), Pdu::ReleaseRQ);
        assert_eq!(wire.receive(second, None).unwrap(), Pdu::ReleaseRP);
        assert!(matches!(wire.receive(second, None), Err(WireError::Closed)));
    }
}
