//! Fragile codecs at arm's length: a child process decodes, and a frame that kills or stalls it is an error, not an end.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use crate::codec::{self, Layout, Reading};

/// A frame that takes longer is taken to stall. The slowest honest ones, JPEG 2000 of 8192 x 8192, take some seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// Address space of the child: ten times what the largest frame needs.
const CHILD_MEMORY: u64 = 4 << 30;
/// Frames and errors that are longer than this do not come from an honest partner.
const MAX_MESSAGE: u32 = 1 << 30;

/// Decodes frames, in this process or in a child.
#[derive(Debug, Default)]
pub struct Decoder {
    command: Option<(PathBuf, Vec<OsString>)>,
    child: Option<Running>,
}

#[derive(Debug)]
struct Running {
    process: Child,
    to: ChildStdin,
    answers: Receiver<io::Result<Result<Vec<u8>, String>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already, which is as well.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Decoder {
    /// Decodes in this process: a codec that crashes takes it along.
    pub fn in_process() -> Self {
        Self::default()
    }

    /// Decodes compressed frames in a child process, which runs [`serve`] on its standard input and output.
    pub fn isolated(program: PathBuf, arguments: Vec<OsString>) -> Self {
        Self { command: Some((program, arguments)), child: None }
    }

    /// Decodes one frame to little-endian bytes.
    pub(crate) fn decode(&mut self, syntax: &str, stream: Vec<u8>, layout: Layout) -> Result<Vec<u8>, String> {
        if self.command.is_none() || codec::reading(syntax) != Reading::Fragile {
            return codec::decode(syntax, stream, layout);
        }
        let answer = self.ask(syntax, &stream, layout);
        if answer.is_none() {
            self.child = None;
        }
        match answer {
            Some(Ok(bytes)) if bytes.len() != layout.bytes() => Err("its compressed pixels are damaged".into()),
            Some(decoded) => decoded,
            None => Err("its compressed pixels crash or stall the decoder: the file is damaged".into()),
        }
    }

    /// Asks the child; `None` when it does not answer.
    fn ask(&mut self, syntax: &str, stream: &[u8], layout: Layout) -> Option<Result<Vec<u8>, String>> {
        if self.child.is_none() {
            match self.start() {
                Ok(child) => self.child = Some(child),
                Err(e) => return Some(Err(format!("the decoder cannot be started: {e}"))),
            }
        }
        let child = self.child.as_mut()?;
        let Layout { rows, columns, bits_allocated, bits_stored } = layout;
        let mut request = Vec::with_capacity(stream.len() + 128);
        for word in [rows, columns, bits_allocated, bits_stored, syntax.len() as u16] {
            request.extend(word.to_le_bytes());
        }
        request.extend(syntax.as_bytes());
        request.extend(u32::try_from(stream.len()).ok()?.to_le_bytes());
        request.extend(stream);
        child.to.write_all(&request).and_then(|()| child.to.flush()).ok()?;
        match child.answers.recv_timeout(PATIENCE) {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(_)) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    fn start(&self) -> io::Result<Running> {
        let (program, arguments) = self.command.as_ref().ok_or_else(|| io::Error::other("no command"))?;
        let mut process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What a dying codec has to say may quote the file.
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(to), Some(mut from)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(io::Error::other("no pipes"));
        };
        let (send, answers) = channel();
        thread::spawn(move || {
            loop {
                let answer = read_answer(&mut from);
                let ended = answer.is_err();
                if send.send(answer).is_err() || ended {
                    return;
                }
            }
        });
        Ok(Running { process, to, answers })
    }
}

fn read_answer(from: &mut impl Read) -> io::Result<Result<Vec<u8>, String>> {
    let [status] = take::<1>(from)?;
    let bytes = read_block(from)?;
    Ok(if status == 0 { Ok(bytes) } else { Err(String::from_utf8_lossy(&bytes).into_owned()) })
}

fn take<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_block(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let length = u32::from_le_bytes(take(from)?);
    if length > MAX_MESSAGE {
        return Err(io::Error::other("a message that is too long"));
    }
    let mut bytes = Vec::new();
    from.take(length.into()).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != u64::from(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

/// The child's part: reads requests until its input ends, and answers each.
///
/// # Errors
/// What the pipes report.
pub fn serve(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    // Best effort: where it cannot be set, the checks before each codec still stand.
    #[cfg(unix)]
    drop(rlimit::setrlimit(rlimit::Resource::AS, CHILD_MEMORY, CHILD_MEMORY));
    // A panic is answered with an error; its message may quote the file.
    std::panic::set_hook(Box::new(|_| {}));
    loop {
        let rows = match take::<2>(from) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            other => u16::from_le_bytes(other?),
        };
        let mut word = || take::<2>(from).map(u16::from_le_bytes);
        let (columns, bits_allocated, bits_stored, length) = (word()?, word()?, word()?, word()?);
        let mut syntax = vec![0; length.into()];
        from.read_exact(&mut syntax)?;
        let stream = read_block(from)?;
        let layout = Layout { rows, columns, bits_allocated, bits_stored };
        let (status, answer) = match codec::decode(&String::from_utf8_lossy(&syntax), stream, layout) {
            Ok(bytes) => (0, bytes),
            Err(reason) => (1, reason.into_bytes()),
        };
        to.write_all(&[status])?;
        to.write_all(&(answer.len() as u32).to_le_bytes())?;
        to.write_all(&answer)?;
        to.flush()?;
    }
}

#[cfg(test)]
mod tests {
    use dicom_dictionary_std::uids;

    use super::*;

    const LAYOUT: Layout = Layout { rows: 2, columns: 3, bits_allocated: 8, bits_stored: 8 };

    #[test]
    fn a_child_that_dies_is_an_error_and_the_next_frame_gets_another() {
        let mut decoder = Decoder::isolated("sh".into(), vec!["-c".into(), "kill -9 $$".into()]);
        for _ in 0..2 {
            let error = decoder.decode(uids::JPEG2000_LOSSLESS, vec![1, 2, 3], LAYOUT).unwrap_err();
            assert!(error.contains("crash or stall"), "{error}");
        }
        let mut missing = Decoder::isolated("there-is-no-such-program".into(), Vec::new());
        assert!(missing.decode(uids::JPEG2000_LOSSLESS, vec![1], LAYOUT).unwrap_err().contains("cannot be started"));
    }

    #[test]
    fn an_answer_of_the_wrong_size_is_not_believed() {
        // Status 0 and one byte, whatever is asked.
        let script = "printf '\\000\\001\\000\\000\\000x'; cat >/dev/null";
        let mut decoder = Decoder::isolated("sh".into(), vec!["-c".into(), script.into()]);
        let error = decoder.decode(uids::JPEG2000_LOSSLESS, vec![1, 2, 3], LAYOUT).unwrap_err();
        assert!(error.contains("damaged"), "{error}");
    }

    #[test]
    fn frames_that_need_no_codec_stay_here() {
        let mut decoder = Decoder::isolated("there-is-no-such-program".into(), Vec::new());
        assert_eq!(decoder.decode(uids::EXPLICIT_VR_LITTLE_ENDIAN, vec![7; 6], LAYOUT).unwrap(), [7; 6]);
    }
}
