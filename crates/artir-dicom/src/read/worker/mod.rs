//! Isolation of fragile codecs: a child process decodes, so a frame that crashes or stalls a codec is only an error.
//!
//! `worker/protocol.rs` defines the messages, `worker/limits.rs` the resource limits of the child.

mod limits;
pub(crate) mod protocol;

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use self::protocol::{Answer, Request, read_answer, write_answer};
use super::codec::{self, Layout, Reading};
use crate::{CodecError, Reason};

/// A frame that takes longer is taken to stall. The slowest honest ones, JPEG 2000 of 8192 x 8192, take some seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// A child that has worked for so long is replaced before the next frame: its limit of processor time is one of its whole
/// life, and must not end an honest one.
const SHIFT: Duration = Duration::from_secs(60);

/// Decodes frames, in this process or in a child.
#[derive(Debug, Default)]
pub struct Decoder {
    command: Option<(PathBuf, Vec<OsString>)>,
    child: Option<Running>,
}

#[derive(Debug)]
struct Running {
    process: Child,
    /// Encoded requests, on their way through a thread: a child that does not read must not hold up this process.
    requests: Sender<Vec<u8>>,
    answers: Receiver<Answer>,
    /// How long it was waited for.
    worked: Duration,
}

impl Drop for Running {
    fn drop(&mut self) {
        // The child may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Running {
    /// The next answer; `None` when the child has died, or takes too long.
    fn answer(&mut self) -> Option<Answer> {
        let begun = Instant::now();
        let answer = self.answers.recv_timeout(PATIENCE).ok();
        self.worked += begun.elapsed();
        answer
    }
}

impl Decoder {
    /// Decodes in this process, which a crashing codec ends.
    pub fn in_process() -> Self {
        Self::default()
    }

    /// Decodes compressed frames in a child process, which runs [`serve`] on its standard input and output.
    pub fn isolated(program: PathBuf, arguments: Vec<OsString>) -> Self {
        Self { command: Some((program, arguments)), child: None }
    }

    /// Decodes one frame to little-endian bytes.
    pub(crate) fn decode(&mut self, syntax: &str, stream: Vec<u8>, layout: Layout) -> Result<Vec<u8>, Reason> {
        if self.command.is_none() || codec::reading(syntax) != Reading::Fragile {
            return Ok(codec::decode(syntax, stream, layout)?);
        }
        let request = Request { syntax: syntax.to_owned(), layout, stream };
        let request = request.bytes().map_err(|e| CodecError::new(format!("it has {e}")))?;
        if self.child.as_ref().is_none_or(|child| child.worked > SHIFT) {
            self.child = None;
            self.child = Some(self.start().map_err(|e| Reason::Decoder(Arc::new(e)))?);
        }
        let child = self.child.as_mut();
        let answer = child.and_then(|child| child.requests.send(request).ok().and_then(|()| child.answer()));
        if answer.is_none() {
            self.child = None;
        }
        match answer {
            Some(Ok(bytes)) if bytes.len() != layout.bytes() => {
                Err(CodecError::new("its compressed pixels are damaged").into())
            }
            Some(decoded) => Ok(decoded?),
            None => {
                Err(CodecError::new("its compressed pixels crash or stall the decoder: the file is damaged").into())
            }
        }
    }

    /// Starts a child and waits until it has limited itself.
    fn start(&self) -> io::Result<Running> {
        let (program, arguments) = self.command.as_ref().ok_or_else(|| io::Error::other("no command"))?;
        let mut process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Messages of a crashing codec may quote the file.
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(mut to), Some(mut from)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(io::Error::other("no pipes"));
        };
        let ((requests, outgoing), (incoming, answers)) = (channel::<Vec<u8>>(), channel());
        thread::spawn(move || {
            for request in outgoing {
                if to.write_all(&request).and_then(|()| to.flush()).is_err() {
                    return;
                }
            }
        });
        thread::spawn(move || {
            while let Ok(answer) = read_answer(&mut from) {
                if incoming.send(answer).is_err() {
                    return;
                }
            }
        });
        let mut child = Running { process, requests, answers, worked: Duration::ZERO };
        match child.answer() {
            Some(Ok(ready)) if ready == READY => Ok(child),
            Some(Err(reason)) => Err(io::Error::other(reason)),
            _ => Err(io::Error::other("it does not answer")),
        }
    }
}

/// The child's first answer: its limits are set.
const READY: &[u8] = b"artir";

/// The child's part: limits itself, reads requests until its input ends, and answers each.
///
/// # Errors
/// Errors of the pipes, and a limit that cannot be set, which is also sent to the parent.
pub fn serve(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    // A panic is answered with an error; its message may quote the file.
    std::panic::set_hook(Box::new(|_| {}));
    if let Err(e) = limits::apply() {
        write_answer(to, &Err(CodecError::new(e.to_string())))?;
        return Err(e);
    }
    write_answer(to, &Ok(READY.to_vec()))?;
    while let Some(Request { syntax, layout, stream }) = Request::read(from)? {
        limits::for_frame(layout)?;
        write_answer(to, &codec::decode(&syntax, stream, layout))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use dicom_dictionary_std::uids;

    use super::*;

    const LAYOUT: Layout = Layout { rows: 2, columns: 3, bits_allocated: 8, bits_stored: 8 };

    /// A shell script that reports that it is ready and then runs `rest`.
    fn script(rest: &str) -> Decoder {
        let script = format!("printf '\\000\\005\\000\\000\\000artir'; {rest}");
        Decoder::isolated("sh".into(), vec!["-c".into(), script.into()])
    }

    #[test]
    fn a_child_that_dies_is_an_error_and_the_next_frame_gets_another() {
        let mut decoder = script("kill -9 $$");
        for _ in 0..2 {
            let error = decoder.decode(uids::JPEG2000_LOSSLESS, vec![1, 2, 3], LAYOUT).unwrap_err().to_string();
            assert!(error.contains("crash or stall"), "{error}");
        }
    }

    #[test]
    fn a_decoder_that_does_not_start_is_not_the_files_fault() {
        for (program, arguments, why) in [
            ("there-is-no-such-program", "", "No such file"),
            ("sh", "exit 0", "does not answer"),
            ("sh", "printf '\\001\\004\\000\\000\\000a.b!'; cat", "a.b!"),
        ] {
            let mut decoder = Decoder::isolated(program.into(), vec!["-c".into(), arguments.into()]);
            let error = decoder.decode(uids::JPEG2000_LOSSLESS, vec![1], LAYOUT).unwrap_err().to_string();
            assert!(error.contains("cannot be started") && error.contains(why), "{error}");
        }
    }

    #[test]
    fn an_answer_of_the_wrong_size_is_not_believed() {
        // Status 0 and one byte, whatever is asked.
        let mut decoder = script("printf '\\000\\001\\000\\000\\000x'; cat >/dev/null");
        let error = decoder.decode(uids::JPEG2000_LOSSLESS, vec![1, 2, 3], LAYOUT).unwrap_err().to_string();
        assert!(error.contains("damaged"), "{error}");
    }

    #[test]
    fn a_child_that_answers_without_reading_holds_nobody_up() {
        // More than a pipe holds.
        let mut decoder = script("printf '\\000\\006\\000\\000\\000abcdef'; exec sleep 60");
        let bytes = decoder.decode(uids::JPEG2000_LOSSLESS, vec![1; 1 << 20], LAYOUT).unwrap();
        assert_eq!(bytes, b"abcdef");
    }

    #[test]
    fn frames_that_need_no_codec_stay_here() {
        let mut decoder = Decoder::isolated("there-is-no-such-program".into(), Vec::new());
        assert_eq!(decoder.decode(uids::EXPLICIT_VR_LITTLE_ENDIAN, vec![7; 6], LAYOUT).unwrap(), [7; 6]);
    }
}
