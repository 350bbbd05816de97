//! Running a node: its threads and its signals.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::fs::Mode;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    Error,
    config::{Config, Target},
    control,
    network::{knock, tls},
    receive,
    restore::{self, Decoder, Models},
    send,
    state::Node,
    watch, web,
};

/// How long the end of the node waits for what is being sent.
const SENDING: Duration = Duration::from_secs(3);

/// Checks all of a configuration: its keys, and the models and certificates that it names. Nothing is written, and no network
/// is used.
///
/// # Errors
/// [`Error::Config`] names what cannot be used, and why.
pub fn check(path: &Path) -> Result<Config, Error> {
    let config = Config::read(path)?;
    let fail =
        |what: String, reason: String| Error::Config { path: path.to_owned(), reason: format!("{what}: {reason}") };
    if let Some(tls) = &config.listen.tls {
        tls::server(tls).map_err(|reason| fail("listen.tls".into(), reason))?;
    }
    for target in &config.targets {
        check_target(target).map_err(|reason| fail(format!("target `{}`", target.name), reason))?;
    }
    for route in &config.routes {
        for (modality, work) in route.work() {
            let what = || format!("route `{}`: {}.model", route.name, modality.name().to_lowercase());
            restore::models::open(modality, work).map_err(|reason| fail(what(), reason))?;
        }
    }
    Ok(config)
}

fn check_target(target: &Target) -> Result<(), String> {
    if let Some(tls) = &target.tls {
        tls::client(tls)?;
    }
    if let Some(address) = &target.address {
        tls::requested(target.tls.as_ref(), address).map_err(|reason| format!("tls: {reason}"))?;
    }
    target.authorization().map(|_| ())
}

/// Runs a node until a signal ends it, or until it is drained. `decoder` starts a process that decodes frames.
///
/// # Errors
/// The reason why it cannot start.
pub fn run(path: &Path, decoder: Decoder) -> Result<(), Error> {
    let config = check(path)?;
    // Nobody else has business with what is received.
    rustix::process::umask(Mode::from_raw_mode(0o077));
    let (listen, http) = (config.listen.address, config.http.address);
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).map_err(Error::Start)?;
    let node = Arc::new(Node::open(config)?);
    for signal in [SIGINT, SIGTERM] {
        // For what comes before the signals are waited for: looking through a large queue takes minutes.
        signal_hook::flag::register(signal, Arc::clone(&node.stop)).map_err(Error::Start)?;
    }
    let config = node.config();
    control::forget_drain(&config.folder)?;
    // Before the queue is looked through: with much of it, that takes longer than a service manager waits for `/live`.
    let web_listener = Arc::new(receive::bind(http)?);
    let mut threads = Threads { node: Arc::clone(&node), running: Vec::new(), targets: Vec::new() };
    for _ in 0..web::THREADS {
        let listener = Arc::clone(&web_listener);
        threads.start("http", move |node| web::serve(node, &listener))?;
    }
    for route in &config.routes {
        watch::recover(&node, &route.name)?;
    }
    watch::warn_of_strays(&node, &config);
    // Before associations are accepted: a node without its models would only fill the disk.
    let loaded = Models::load(&config).and_then(|models| {
        let listener = receive::bind(listen)?;
        threads.start("restore", move |node| restore::work(node, models, &decoder))?;
        threads.start("watch", move |node| watch::watch(node))?;
        threads.start("listen", move |node| receive::listen(node, &listener))?;
        threads.send_to(&config)
    });
    let handle = signals.handle();
    if loaded.is_ok() && !node.stops() {
        node.ready.store(true, Ordering::Relaxed);
        tracing::info!(%listen, %http, routes = config.routes.len(), "ready");
        threads.start("end", move |node| {
            let mut seen = 0;
            while !node.stops() {
                node.wait(&mut seen, Duration::from_secs(3600));
            }
            handle.close();
        })?;
        for signal in signals.forever() {
            if signal != SIGHUP {
                tracing::info!("stopping");
                break;
            }
            reload(&node, path, &mut threads);
        }
    }
    node.stop.store(true, Ordering::Relaxed);
    node.ready.store(false, Ordering::Relaxed);
    node.wake();
    knock(listen);
    web::wake(http);
    let joined = threads.join();
    loaded.and(joined)
}

/// Reads the configuration again. One that cannot be used changes nothing.
fn reload(node: &Arc<Node>, path: &Path, threads: &mut Threads) {
    let reloaded = check(path).and_then(|config| {
        node.reload(config, watch::recover)?;
        watch::warn_of_strays(node, &node.config());
        threads.send_to(&node.config())
    });
    match reloaded {
        Ok(()) => tracing::info!("configuration read again"),
        Err(e) => tracing::error!("the configuration stays as it was: {e}"),
    }
}

struct Threads {
    node: Arc<Node>,
    running: Vec<JoinHandle<()>>,
    targets: Vec<(String, JoinHandle<()>)>,
}

impl Threads {
    fn spawn(&self, name: &str, work: impl FnOnce(&Arc<Node>) + Send + 'static) -> Result<JoinHandle<()>, Error> {
        let node = Arc::clone(&self.node);
        let begin = move || {
            if catch_unwind(AssertUnwindSafe(|| work(&node))).is_err() {
                // A node that goes on without one of its threads looks alive, and loses nothing but does nothing. A service
                // manager starts one that has ended.
                node.broken.store(true, Ordering::Relaxed);
                node.stop.store(true, Ordering::Relaxed);
                node.wake();
            }
        };
        thread::Builder::new().name(name.to_owned()).spawn(begin).map_err(Error::Start)
    }

    fn start(&mut self, name: &str, work: impl FnOnce(&Arc<Node>) + Send + 'static) -> Result<(), Error> {
        let thread = self.spawn(name, work)?;
        self.running.push(thread);
        Ok(())
    }

    /// Starts a thread for each target that has none.
    fn send_to(&mut self, config: &Config) -> Result<(), Error> {
        self.targets.retain(|(_, thread)| !thread.is_finished());
        for target in &config.targets {
            let name = target.name.clone();
            if self.targets.iter().all(|(known, _)| *known != name) {
                let thread = self.spawn("send", move |node| send::work(node, &name))?;
                self.targets.push((target.name.clone(), thread));
            }
        }
        Ok(())
    }

    /// Waits for the threads. One that waits for its target, or for a name server, may do so for minutes. It ends with the process,
    /// and what it did not write down is sent again.
    fn join(self) -> Result<(), Error> {
        let mut whole = true;
        for thread in self.running {
            whole &= thread.join().is_ok();
        }
        let until = Instant::now() + SENDING;
        for (target, thread) in self.targets {
            while !thread.is_finished() && Instant::now() < until {
                thread::sleep(Duration::from_millis(20));
            }
            if thread.is_finished() {
                whole &= thread.join().is_ok();
            } else {
                tracing::info!(
                    target,
                    "what is being sent to the target is not waited for: the next start sends it again"
                );
            }
        }
        if whole && !self.node.broken.load(Ordering::Relaxed) { Ok(()) } else { Err(Error::Panicked) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::example;

    #[test]
    fn a_thread_that_panics_ends_the_node_with_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = example(dir.path());
        let threads = |work: fn(&Arc<Node>)| {
            let node = Arc::new(Node::open(Config::read(&path).unwrap()).unwrap());
            let mut threads = Threads { node: Arc::clone(&node), running: Vec::new(), targets: Vec::new() };
            threads.start("work", work).unwrap();
            let joined = threads.join();
            (joined.is_ok(), node.stops())
        };
        assert_eq!(threads(|_| ()), (true, false));
        assert_eq!(threads(|_| panic!("on purpose")), (false, true));
        // One that waits for its target does not keep the node from ending.
        let node = Arc::new(Node::open(Config::read(&path).unwrap()).unwrap());
        let mut threads = Threads { node, running: Vec::new(), targets: Vec::new() };
        let waits = threads.spawn("send", |_| thread::sleep(Duration::from_secs(60))).unwrap();
        threads.targets.push(("pacs".into(), waits));
        let begun = Instant::now();
        threads.join().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}
