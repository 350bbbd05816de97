//! `/live`, `/ready`, `/metrics` and the status page, over HTTP/1.1. Nothing else is served, and nothing is taken.
//!
//! A fixed number of threads answers one request each and closes: a peer that sends nothing, or too much, costs some seconds
//! of one of them, and no memory.

mod page;

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use crate::{network::knock, state::Node};

/// Threads that answer.
pub(crate) const THREADS: usize = 4;
/// The longest head of a request, bytes.
const MOST_HEAD: usize = 8 << 10;
/// Time for a request and its answer.
const TIME: Duration = Duration::from_secs(5);

/// Answers requests until the node stops.
pub(crate) fn serve(node: &Arc<Node>, listener: &TcpListener) {
    while !node.stops() {
        match listener.accept() {
            Ok((socket, peer)) if !node.stops() => {
                if let Err(e) = answer(node, socket) {
                    tracing::debug!(%peer, "no answer to an HTTP request: {e}");
                }
            }
            Ok(_) => {}
            Err(e) => {
                tracing::warn!("cannot accept an HTTP connection: {e}");
                std::thread::sleep(Duration::from_millis(200));
            }
        }
    }
}

/// Wakes the threads, so that they see that the node stops.
pub(crate) fn wake(address: SocketAddr) {
    (0..THREADS).for_each(|_| knock(address));
}

struct Answer {
    status: &'static str,
    kind: &'static str,
    body: String,
}

impl Answer {
    fn text(status: &'static str, body: impl Into<String>) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", body: body.into() }
    }
}

fn answer(node: &Node, mut socket: TcpStream) -> io::Result<()> {
    let until = Instant::now() + TIME;
    let mut head = Vec::new();
    let answer = loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&head) {
            Ok(httparse::Status::Complete(_)) => {
                break route(node, request.method.unwrap_or_default(), request.path.unwrap_or_default());
            }
            Ok(httparse::Status::Partial) if head.len() < MOST_HEAD => {}
            Ok(httparse::Status::Partial) => break Answer::text("431 Request Header Fields Too Large", "too large\n"),
            Err(_) => break Answer::text("400 Bad Request", "not an HTTP request\n"),
        }
        let mut part = [0; 1024];
        socket.set_read_timeout(Some(left(until)?))?;
        let read = socket.read(&mut part)?;
        if read == 0 {
            return Ok(());
        }
        head.extend(&part[..read]);
    };
    let Answer { status, kind, body } = answer;
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\n\r\n{body}",
        body.len()
    );
    socket.set_write_timeout(Some(left(until)?))?;
    socket.write_all(text.as_bytes())?;
    socket.shutdown(Shutdown::Write)?;
    // The peer closes first, if it does so soon, so that the answer is not lost to a reset.
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    drop(socket.read(&mut [0; 1024]));
    Ok(())
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn route(node: &Node, method: &str, path: &str) -> Answer {
    if method != "GET" {
        return Answer::text("405 Method Not Allowed", "only GET\n");
    }
    match path.split_once('?').map_or(path, |(path, _)| path) {
        "/live" => Answer::text("200 OK", "live\n"),
        "/ready" => match obstacle(node) {
            None => Answer::text("200 OK", "ready\n"),
            Some(reason) => Answer::text("503 Service Unavailable", format!("{reason}\n")),
        },
        "/metrics" => Answer {
            status: "200 OK",
            kind: "text/plain; version=0.0.4; charset=utf-8",
            body: node.metrics.text(node.free_mib().saturating_mul(1 << 20)),
        },
        "/" => Answer { status: "200 OK", kind: "text/html; charset=utf-8", body: page::page(node) },
        _ => Answer::text("404 Not Found", "not found\n"),
    }
}

/// Why the node takes no new association.
pub(crate) fn obstacle(node: &Node) -> Option<&'static str> {
    if !node.ready.load(Ordering::Relaxed) {
        return Some("starting");
    }
    if node.draining.load(Ordering::Relaxed) {
        return Some("draining");
    }
    (node.free_mib() < node.config().disk.watermark_mib).then_some("the disk is full up to its watermark")
}
