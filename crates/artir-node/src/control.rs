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
    queue::{DRAIN, LOCK, RETRY, RETRY_NEWEST, Record, State, folders_in},
};

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
pub(crate) fn forget_drain(folder: &Path) -> Result<(), Error> {
    let path = folder.join(DRAIN);
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::folder(&path, e)),
        _ => Ok(()),
    }
}

fn runs(folder: &Path) -> Result<bool, Error> {
    let path = folder.join(LOCK);
    match File::open(&path) {
        Ok(lock) => Ok(matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Error::folder(&path, e)),
    }
}

/// The names of series in the folder of a state, which a route that was never configured does not have.
fn names(folder: &Path) -> Result<Vec<String>, Error> {
    match folders_in(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        names => names.map_err(|e| Error::folder(folder, e)),
    }
}

/// How many series are still to be restored or sent.
fn left(config: &Config) -> Result<usize, Error> {
    let mut left = 0;
    for route in &config.routes {
        for state in [State::In, State::Work, State::Out] {
            let folder = config.folder.join(&route.name).join(state.name());
            let is_sent = |name: &String| state == State::Out && Record::read(&folder.join(name)).ended.is_some();
            left += names(&folder)?.iter().filter(|name| !is_sent(name)).count();
        }
    }
    Ok(left)
}

/// Looks at the queue of a configuration.
///
/// # Errors
/// [`Error::Folder`] if it cannot be read.
pub fn status(config: &Config) -> Result<Status, Error> {
    let mut out = Status { running: runs(&config.folder)?, routes: Vec::new(), waiting: Vec::new() };
    for route in &config.routes {
        let mut series = [0; 4];
        for (count, state) in series.iter_mut().zip(State::ALL) {
            let folder = config.folder.join(&route.name).join(state.name());
            let names = names(&folder)?;
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
            for name in names(&folder)? {
                let chosen = series.map_or(state == State::Failed, |series| series == name);
                if chosen {
                    let path = folder.join(&name).join(request);
                    match File::create(&path) {
                        Ok(_) => count += 1,
                        // The node has just moved it on.
                        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                        Err(e) => return Err(Error::folder(&path, e)),
                    }
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
/// [`Error::NotDrained`] if something else has ended the node; errors of the file system.
pub fn drain(config: &Config) -> Result<bool, Error> {
    let request = config.folder.join(DRAIN);
    if !runs(&config.folder)? {
        return Ok(false);
    }
    File::create(&request).map_err(|e| Error::folder(&request, e))?;
    while runs(&config.folder)? {
        if !wants_drain(&config.folder) && runs(&config.folder)? {
            // Another node was started meanwhile. It has forgotten the request, and would never end.
            return drained(config);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    forget_drain(&config.folder)?;
    drained(config)
}

/// What became of a node that was asked to drain and has ended: a signal or a crash may have come first.
fn drained(config: &Config) -> Result<bool, Error> {
    match left(config)? {
        0 => Ok(true),
        left => Err(Error::NotDrained(left)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::example;

    #[test]
    fn what_is_sent_or_has_failed_is_not_left() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::read(&example(dir.path())).unwrap();
        assert_eq!(left(&config).unwrap(), 0, "there is no folder yet");
        let series = |state: State, name: &str, ended: Option<f64>| {
            let folder = config.folder.join("ct").join(state.name()).join(name);
            fs::create_dir_all(&folder).unwrap();
            Record { ended, ..Record::default() }.write(&folder).unwrap();
        };
        series(State::Out, "a", Some(1.0));
        series(State::Failed, "b", Some(1.0));
        assert_eq!(left(&config).unwrap(), 0);
        series(State::In, "c", None);
        series(State::Work, "d", None);
        series(State::Out, "e", None);
        assert_eq!(left(&config).unwrap(), 3);
    }
}
