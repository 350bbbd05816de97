//! Bodies of DICOMweb responses as they were saved: `multipart/related`, an object in each part (PS3.18, 8.7.2; RFC 2046, 5.1).

use std::io::{self, Read};

/// A part's headers are shorter.
const LONGEST_HEADER: usize = 16 << 10;
/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// Whether a file begins as a body does: with a boundary and the type of the first part.
pub(super) fn is_multipart(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head.trim_ascii_start());
    text.starts_with("--") && text.lines().skip(1).take_while(|line| !line.is_empty()).any(is_type)
}

fn is_type(line: &str) -> bool {
    line.get(..13).is_some_and(|start| start.eq_ignore_ascii_case("content-type:"))
}

/// Reads a body part by part.
pub(super) struct Multipart<R> {
    from: R,
    /// What ends a part: a line break and the boundary.
    delimiter: Vec<u8>,
    /// Bytes that were read; those before `at` were given already.
    held: Vec<u8>,
    at: usize,
    /// Bytes from `at` on that are of the part.
    ready: usize,
    ended: bool,
}

impl<R: Read> Multipart<R> {
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] for a file that does not begin with a boundary.
    pub(super) fn new(from: R) -> io::Result<Self> {
        let mut body = Self { from, delimiter: Vec::new(), held: Vec::new(), at: 0, ready: 0, ended: false };
        let first = loop {
            let line = body.line()?;
            if !line.trim_ascii().is_empty() {
                break line;
            }
        };
        let lone = first.strip_suffix(b"\r\n");
        let end: &[u8] = if lone.is_some() { b"\r\n" } else { b"\n" };
        body.delimiter = [end, first.trim_ascii_end()].concat();
        Ok(body)
    }

    /// Goes to the next part. False at the end of the body.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] for a part whose header does not end, and for a body without its last boundary.
    pub(super) fn next_part(&mut self) -> io::Result<bool> {
        while self.read(&mut [0; 4096])? > 0 {}
        if !self.held[self.at..].starts_with(&self.delimiter) {
            let reason = "the multipart body ends without its last boundary, so that parts may be missing";
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        self.at += self.delimiter.len();
        // A line break need not follow the last boundary.
        while self.held.len() - self.at < 2 && self.fill()? {}
        if self.held[self.at..].starts_with(b"--") {
            return Ok(false);
        }
        self.line()?;
        self.header()?;
        Ok(true)
    }

    /// Goes to the first part.
    ///
    /// # Errors
    /// As [`next_part`](Self::next_part).
    pub(super) fn first_part(&mut self) -> io::Result<()> {
        self.header()
    }

    fn header(&mut self) -> io::Result<()> {
        while !self.line()?.trim_ascii().is_empty() {}
        Ok(())
    }

    /// The next line, with its end.
    fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let unread = &self.held[self.at..];
            if let Some(end) = unread.iter().position(|b| *b == b'\n') {
                let line = unread[..=end].to_vec();
                self.at += end + 1;
                return Ok(line);
            }
            if unread.len() > LONGEST_HEADER || !self.fill()? {
                let reason = "a part of the multipart body has no end of its header";
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
        }
    }

    /// Reads more. False at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        self.held.drain(..self.at);
        self.at = 0;
        let read = (&mut self.from).take(CHUNK as u64).read_to_end(&mut self.held)?;
        self.ended = read == 0;
        Ok(!self.ended)
    }
}

/// The bytes of the current part.
impl<R: Read> Read for Multipart<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.ready == 0 {
            let unread = &self.held[self.at..];
            let first = self.delimiter[0];
            let is_end = |window: &[u8]| window[0] == first && window == self.delimiter;
            self.ready = match unread.windows(self.delimiter.len()).position(is_end) {
                Some(0) => return Ok(0),
                Some(end) => end,
                // A body that was cut off: `next_part` says so.
                None if self.ended => unread.len(),
                None => unread.len().saturating_sub(self.delimiter.len() - 1),
            };
            if self.ready == 0 && (self.ended || !self.fill()?) && self.held.len() == self.at {
                return Ok(0);
            }
        }
        let n = self.ready.min(out.len());
        out[..n].copy_from_slice(&self.held[self.at..self.at + n]);
        self.at += n;
        self.ready -= n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time, so that delimiters lie across its borders.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(out.len()).min(self.0.len());
            out[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn parts(body: &[u8], step: usize) -> io::Result<Vec<Vec<u8>>> {
        let mut body = Multipart::new(Slow(body, step))?;
        let mut out = Vec::new();
        body.first_part()?;
        loop {
            let mut part = Vec::new();
            body.read_to_end(&mut part)?;
            out.push(part);
            if !body.next_part()? {
                return Ok(out);
            }
        }
    }

    #[test]
    fn parts_are_cut_at_the_boundary_alone() {
        let long = [b"x\r\n--b\r\n--other".as_slice(), &[b'\r'; 70_000]].concat();
        for end in ["\r\n", "\n"] {
            let mut body = format!("{end}--bound{end}Content-Type: application/dicom{end}{end}").into_bytes();
            body.extend(&long);
            body.extend(format!("{end}--bound{end}content-type: application/dicom{end}X: y{end}{end}").bytes());
            body.extend(format!("{end}--bound--{end}").bytes());
            assert!(is_multipart(&body[..60]));
            for step in [7, 100_000] {
                assert_eq!(parts(&body, step).unwrap(), [long.clone(), Vec::new()], "{end:?} {step}");
            }
        }
        assert!(!is_multipart(b"--\r\n\r\nContent-Type: x") && !is_multipart(b"plain"));
    }

    #[test]
    fn a_body_that_was_cut_off_is_refused() {
        let part = "--b\r\nContent-Type: application/dicom\r\n\r\nDICM";
        let whole = format!("{part}\r\n{part}\r\n--b--");
        for (end, step) in [("", 1), ("", 100), ("\r\n", 9), ("\r\nand more", 9)] {
            let body = format!("{whole}{end}");
            assert_eq!(parts(body.as_bytes(), step).unwrap(), [b"DICM", b"DICM"], "{end:?} {step}");
        }
        // Within a part and between two of them.
        for cut in [part.len() - 2, part.len(), part.len() + 2, 2 * part.len() + 2, whole.len() - 2] {
            assert!(parts(&whole.as_bytes()[..cut], 9).is_err(), "{cut}");
        }
        let refused = parts(part.as_bytes(), 9).unwrap_err().to_string();
        assert!(refused.contains("without its last boundary"), "{refused}");
        assert!(parts(b"--b\r\nContent-Type: application/dicom", 9).is_err());
        assert!(parts(b"", 9).is_err());
    }
}
