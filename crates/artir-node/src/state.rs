//! What the threads of a node share.

use std::{
    path::Path,
    sync::{
        Arc, Condvar, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustls::ServerConfig;

use crate::{
    Error,
    config::Config,
    network::tls,
    queue::Queue,
    report::{journal::Journal, metrics::Metrics},
};

/// A node, as its threads see it.
pub(crate) struct Node {
    config: RwLock<Arc<Config>>,
    tls: Option<Arc<ServerConfig>>,
    pub(crate) queue: Queue,
    pub(crate) metrics: Metrics,
    pub(crate) journal: Journal,
    /// Threads end at the next opportunity.
    pub(crate) stop: Arc<AtomicBool>,
    /// Nothing more is accepted, and the node ends when the queue is empty.
    pub(crate) draining: AtomicBool,
    /// Models are loaded and the node listens.
    pub(crate) ready: AtomicBool,
    /// Held while a header is read, which may take the memory of some megabytes: one at a time, however many peers there are.
    pub(crate) header: Mutex<()>,
    /// Held while a report of a storage commitment is looked up, which reads the records of all series.
    pub(crate) reports: Mutex<()>,
    /// A thread has panicked, so that a part of the work is not done any more.
    pub(crate) broken: AtomicBool,
    changed: (Mutex<u64>, Condvar),
}

impl Node {
    /// Opens the queue.
    pub(crate) fn open(config: Config) -> Result<Self, Error> {
        let queue = Queue::open(&config.folder, config.routes.iter().map(|route| route.name.as_str()))?;
        let tls = match &config.listen.tls {
            None => None,
            Some(tls) => {
                Some(tls::server(tls).map_err(|reason| Error::Config { path: config.folder.clone(), reason })?)
            }
        };
        let path = config.folder.join("journal.jsonl");
        let journal = Journal::open(&path).map_err(|e| Error::folder(&path, e))?;
        Ok(Self {
            config: RwLock::new(Arc::new(config)),
            tls,
            queue,
            metrics: Metrics::default(),
            journal,
            stop: Arc::default(),
            draining: AtomicBool::new(false),
            ready: AtomicBool::new(false),
            header: Mutex::new(()),
            reports: Mutex::new(()),
            broken: AtomicBool::new(false),
            changed: (Mutex::new(0), Condvar::new()),
        })
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes another configuration. What cannot change while the node runs stays as it is. `recover` looks at what the queue
    /// holds of a route that is new.
    pub(crate) fn reload(
        &self,
        mut new: Config,
        recover: impl Fn(&Self, &str) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let old = self.config();
        if (&new.folder, &new.listen, &new.http) != (&old.folder, &old.listen, &old.http) {
            tracing::warn!("folder, [listen] and [http] stay as they were until the node is started again");
        }
        new.folder.clone_from(&old.folder);
        new.listen.clone_from(&old.listen);
        new.http.clone_from(&old.http);
        for route in &new.routes {
            if old.route(&route.name).is_none() {
                self.queue.add_route(&route.name)?;
                recover(self, &route.name)?;
            }
        }
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        self.wake();
        Ok(())
    }

    /// Encryption of associations that are accepted.
    pub(crate) fn tls(&self) -> Option<&Arc<ServerConfig>> {
        self.tls.as_ref()
    }

    pub(crate) fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Wakes the threads that wait for work.
    pub(crate) fn wake(&self) {
        *self.changed.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.1.notify_all();
    }

    /// Waits for [`Node::wake`] or for a time. `seen` is the count of wakes that the caller has acted on.
    pub(crate) fn wait(&self, seen: &mut u64, time: Duration) {
        let count = self.changed.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unseen = |count: &mut u64| *count == *seen && !self.stops();
        let (count, _) = self.changed.1.wait_timeout_while(count, time, unseen).unwrap_or_else(PoisonError::into_inner);
        *seen = *count;
    }

    /// Free space of the disk, in MiB. A file system that does not say counts as empty.
    pub(crate) fn free_mib(&self) -> u64 {
        free_mib(self.queue.folder())
    }
}

fn free_mib(folder: &Path) -> u64 {
    artir_files::free_space(&folder.join("queue")).map_or(u64::MAX, |(_, free)| free >> 20)
}
