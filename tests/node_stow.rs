//! `artir node` as a user of STOW-RS: the requests that it makes, and the answers that it takes for success.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
};

use artir_tests::node::{Node, files, until};
use artir_tests::sender;
use made::input;

/// A request: its head in lower case, and its body.
#[derive(Clone)]
struct Request {
    line: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// How the service answers a request for an object.
#[derive(Clone, Copy)]
enum Answer {
    Stored,
    /// With a warning.
    Coerced,
    Failed,
    /// 200 without a body.
    Nothing,
    /// To another place.
    Elsewhere,
    Unauthorized,
    /// The connection is closed.
    Gone,
}

struct Service {
    port: u16,
    answer: Arc<Mutex<Answer>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Service {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = Arc::new(Mutex::new(Answer::Stored));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (of_answer, of_requests) = (Arc::clone(&answer), Arc::clone(&requests));
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (answer, requests) = (Arc::clone(&of_answer), Arc::clone(&of_requests));
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(socket);
                    while let Some(request) = read(&mut reader) {
                        requests.lock().unwrap().push(request.clone());
                        let answer = *answer.lock().unwrap();
                        if matches!(answer, Answer::Gone)
                            || reader.get_mut().write_all(&text(answer, &request)).is_err()
                        {
                            return;
                        }
                    }
                });
            }
        });
        Self { port, answer, requests }
    }

    fn behave(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let headers: BTreeMap<String, String> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let mut body = vec![0; headers["content-length"].parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Request { line: lines[0].clone(), headers, body })
}

/// The object in a body of one part. Panics over whatever the standard does not allow (RFC 2046, 5.1.1).
fn part(request: &Request) -> Vec<u8> {
    let kind = &request.headers["content-type"];
    let boundary = kind.strip_prefix("multipart/related; type=\"application/dicom\"; boundary=").unwrap();
    let head = format!("--{boundary}\r\nContent-Type: application/dicom\r\n\r\n");
    let tail = format!("\r\n--{boundary}--\r\n");
    let inside = request.body.strip_prefix(head.as_bytes()).unwrap().strip_suffix(tail.as_bytes()).unwrap();
    assert!(inside[128..].starts_with(b"DICM"));
    assert!(!inside.windows(boundary.len()).any(|window| window == boundary.as_bytes()));
    inside.to_vec()
}

fn text(answer: Answer, request: &Request) -> Vec<u8> {
    let object = part(request);
    // File meta information, where the UID follows its element's head.
    let at = object.windows(6).position(|window| window == [2, 0, 3, 0, b'U', b'I']).unwrap();
    let length = usize::from(u16::from_le_bytes([object[at + 6], object[at + 7]]));
    let uid = String::from_utf8_lossy(&object[at + 8..at + 8 + length]).trim_end_matches('\0').to_owned();
    let item = |more: &str| format!(r#"{{"00081155":{{"vr":"UI","Value":["{uid}"]}}{more}}}"#);
    let (status, more, body) = match answer {
        Answer::Stored => ("200 OK", "", format!(r#"{{"00081199":{{"vr":"SQ","Value":[{}]}}}}"#, item(""))),
        Answer::Coerced => {
            let warning = r#","00081196":{"vr":"US","Value":[45056]}"#;
            ("202 Accepted", "", format!(r#"{{"00081199":{{"vr":"SQ","Value":[{}]}}}}"#, item(warning)))
        }
        Answer::Failed => {
            let reason = r#","00081197":{"vr":"US","Value":[272]}"#;
            ("409 Conflict", "", format!(r#"{{"00081198":{{"vr":"SQ","Value":[{}]}}}}"#, item(reason)))
        }
        Answer::Nothing => ("200 OK", "", String::new()),
        Answer::Elsewhere => ("307 Temporary Redirect", "Location: http://127.0.0.1:9/elsewhere\r\n", String::new()),
        Answer::Unauthorized => ("401 Unauthorized", "", "no".to_owned()),
        Answer::Gone => unreachable!(),
    };
    format!("HTTP/1.1 {status}\r\n{more}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn node(dir: &Path, service: &Service, attempts: u32) -> Node {
    fs::write(dir.join("token"), "Bearer secret\n").unwrap();
    let text = format!(
        "#retry attempts = {attempts}\n[[target]]\nname = 'web'\nurl = 'http://127.0.0.1:{}/dicom-web/studies'\nanswer_seconds = 2\n\
         authorization = 'token'\n[[route]]\nname = 'ct'\ncalled = ['ARTIR']\ntargets = ['web']\nquiet_seconds = 0.1\n[route.ct]\n\
         model = MODEL\n",
        service.port
    );
    Node::new(dir, &text)
}

#[test]
fn each_object_is_one_request_that_holds_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start();
    let mut node = node(dir.path(), &service, 1);
    // Objects go where the file says, whatever the environment of the service asks for.
    node.start_with(&[("HTTP_PROXY", "http://127.0.0.1:9"), ("ALL_PROXY", "http://127.0.0.1:9")]);
    service.behave(Answer::Coerced);
    sender::send(node.port, "ARTIR", &input(dir.path(), "in", 3, "1.2.3")).unwrap();
    until("it is sent", || node.metric("artir_ended_series_total{route=\"ct\",outcome=\"sent\"}") == 1.0);
    let requests = service.requests();
    assert!(requests.iter().all(|request| request.line == "POST /dicom-web/studies HTTP/1.1"));
    assert!(requests.iter().all(|request| request.headers["authorization"] == "Bearer secret"));
    let restored = fs::read_dir(node.series("ct", "out")[0].join("restored")).unwrap().next().unwrap().unwrap().path();
    let mut expected: Vec<Vec<u8>> = files(&restored)
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "dcm"))
        .map(|path| fs::read(path).unwrap())
        .collect();
    let mut sent: Vec<Vec<u8>> = requests.iter().map(part).collect();
    expected.sort();
    sent.sort();
    assert!(sent.len() == 3 && sent == expected);
    assert_eq!(node.metric("artir_send_warnings_total{route=\"ct\",target=\"web\"}"), 3.0);
    assert!(!node.log().contains("secret"));
}

#[test]
fn what_is_not_listed_as_stored_has_failed() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start();
    let mut node = node(dir.path(), &service, 2);
    node.start();
    for (n, (answer, reason)) in [
        (Answer::Failed, "web: the web service refused the object with reason 0110 (HTTP 409)"),
        (Answer::Nothing, "web: the web service does not say that the object is stored (HTTP 200)"),
        (Answer::Elsewhere, "web: the web service answered with HTTP 307"),
        (Answer::Unauthorized, "web: the web service answered with HTTP 401"),
        (Answer::Gone, "web: "),
    ]
    .into_iter()
    .enumerate()
    {
        service.behave(answer);
        sender::send(node.port, "ARTIR", &input(dir.path(), &format!("in{n}"), 3, &format!("1.2.3{n}"))).unwrap();
        until("it has failed", || node.failures("ct").len() == n + 1);
        let failures = node.failures("ct");
        assert!(failures.iter().any(|failure| failure.starts_with(reason)), "{reason}: {failures:?}");
    }
    // Mended, and asked for: everything goes, and each object once.
    service.behave(Answer::Stored);
    let before = service.requests().len();
    let retried = artir_tests::artir().args(["node", "retry"]).arg(node.config()).output().unwrap();
    assert!(retried.status.success());
    until("all are sent", || node.metric("artir_ended_series_total{route=\"ct\",outcome=\"sent\"}") == 5.0);
    assert_eq!(service.requests().len() - before, 15);
}
