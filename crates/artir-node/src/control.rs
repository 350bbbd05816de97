//! What administrators ask of a node, by files in its folders: so it works whether the node runs or not, and needs no port.

use std::{
    fs::{self, File},
    io,
    path::Path,
    time::Duration,
};

use crate::{
    Error,
    config::Config,
    queue::{RETRY, RETRY_NEWEST, Record, State, series_in},
};

const DRAIN: &str = "drain";

/// A series that has failed, or waits for another attempt.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Waiting {
    /// Its route.
    pub route: String,
    /// Its name.
    pub series: String,
    /// Whether it has failed for good.
    pub failed: bool,
    /// Why.
    pub reason: String,
}

/// A route's part of the queue.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RouteStatus {
    /// Its name.
    pub route: String,
    /// Series that are being received, are to be restored, are to be sent or were sent lately, and have failed.
    pub series: [usize; 4],
}

/// The state of a queue.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// Whether a node runs on it.
    pub running: bool,
    /// By route.
    pub routes: Vec<RouteStatus>,
    /// Series with a reason why they are not sent.
    pub waiting: Vec<Waiting>,
}

/// Whether an administrator wants the node to end when its queue is empty.
pub(crate) fn wants_drain(folder: &Path) -> bool {
    folder.join(DRAIN).exists()
}

/// A start is an administrator's newest wish.
pub(crate) fn forget_drain(folder: &Path) -> io::Result<()> {
    match fs::remove_file(folder.join(DRAIN)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn runs(folder: &Path) -> io::Result<bool> {
    match File::open(folder.join("lock")) {
        Ok(lock) => Ok(matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Looks at the queue of a configuration.
///
/// # Errors
/// [`Error::Folder`] if it cannot be read.
pub fn status(config: &Config) -> Result<Status, Error> {
    let fail = |path: &Path, e| Error::folder(path, e);
    let mut out = Status {
        running: runs(&config.folder).map_err(|e| fail(&config.folder, e))?,
        routes: Vec::new(),
        waiting: Vec::new(),
    };
    for route in &config.routes {
        let mut series = [0; 4];
        for (count, state) in series.iter_mut().zip(State::ALL) {
            let folder = config.folder.join(&route.name).join(state.name());
            let names = match series_in(&folder) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
                names => names.map_err(|e| fail(&folder, e))?,
            };
            *count = names.len();
            for name in names {
                let path = folder.join(&name);
                let reason = match state {
                    State::In => None,
                    State::Out => crate::send::problem(&path, route),
                    State::Work | State::Failed => Record::read(&path).reason,
                };
                let failed = state == State::Failed;
                let reason = reason.or_else(|| failed.then(|| "no record of the reason".to_owned()));
                out.waiting.extend(reason.map(|reason| Waiting {
                    route: route.name.clone(),
                    series: name,
                    failed,
                    reason,
                }));
            }
        }
        out.routes.push(RouteStatus { route: route.name.clone(), series });
    }
    Ok(out)
}

/// Asks for another attempt at a series, or at all that have failed. Returns how many there are.
///
/// # Errors
/// [`Error::NoSeries`] if none has this name; errors of the file system.
pub fn retry(config: &Config, series: Option<&str>, newest: bool) -> Result<usize, Error> {
    let request = if newest { RETRY_NEWEST } else { RETRY };
    let mut count = 0;
    for route in &config.routes {
        for state in [State::Work, State::Out, State::Failed] {
            let folder = config.folder.join(&route.name).join(state.name());
            let names = match series_in(&folder) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
                names => names.map_err(|e| Error::folder(&folder, e))?,
            };
            for name in names {
                let chosen = series.map_or(state == State::Failed, |series| series == name);
                if chosen {
                    let path = folder.join(&name).join(request);
                    File::create(&path).map_err(|e| Error::folder(&path, e))?;
                    count += 1;
                }
            }
        }
    }
    match series {
        Some(name) if count == 0 => Err(Error::NoSeries(name.to_owned())),
        _ => Ok(count),
    }
}

/// Asks a node to end when its queue is empty, and waits until it has ended. Whether a node was running.
///
/// # Errors
/// Errors of the file system.
pub fn drain(config: &Config) -> Result<bool, Error> {
    let fail = |e| Error::folder(&config.folder, e);
    if !runs(&config.folder).map_err(fail)? {
        return Ok(false);
    }
    File::create(config.folder.join(DRAIN)).map_err(fail)?;
    while runs(&config.folder).map_err(fail)? {
        std::thread::sleep(Duration::from_millis(200));
    }
    forget_drain(&config.folder).map_err(fail)?;
    Ok(true)
}
