//! What happens by time: series become complete, late objects join, sent series are deleted, administrators' requests are met.

use std::{
    fs, io,
    sync::atomic::Ordering,
    time::{Duration, Instant, UNIX_EPOCH},
};

use crate::{
    Error,
    config::{Config, Route, seconds},
    control,
    queue::{
        Key, RETRY, RETRY_NEWEST, Record, SOURCE, State, arrivals::Arrival, names::instance_of, object::torn,
        record::now, series_in,
    },
    report::journal::Line,
    send,
    state::Node,
};

/// How often arrivals are looked at.
const TICK: Duration = Duration::from_millis(50);
/// How often the other folders are, and at least this many times as long apart as looking takes where nothing is to be done.
const SCAN: Duration = Duration::from_millis(500);
const SHARE: u32 = 20;
/// After an error of the file system.
const PAUSE: Duration = Duration::from_secs(1);

/// Finds what an earlier process left in a route: series that were being received go on as if their last object had just come.
pub(crate) fn recover(node: &Node, route: &str) -> Result<(), Error> {
    let fail = |e: io::Error| Error::folder(&node.queue.folder().join(route), e);
    for key in node.queue.series(route, State::In).map_err(fail)? {
        if node.queue.arrivals.hold().contains_key(&key) {
            // Of a route that left the configuration and came back while the node ran.
            continue;
        }
        let source = node.queue.path(&key, State::In).join(SOURCE);
        fs::create_dir_all(&source).map_err(fail)?;
        for path in torn(&node.queue, &key, &node.stop).map_err(fail)? {
            tracing::warn!(route, series = key.series, "removed an object that a power cut had left incomplete");
            fs::remove_file(path).map_err(fail)?;
        }
        let objects = series_in(&source).map_err(fail)?.len();
        if objects == 0 {
            node.queue.remove(&key, State::In).map_err(fail)?;
        } else {
            node.queue.arrivals.hold().insert(key, Arrival::since(Instant::now(), objects));
        }
    }
    Ok(())
}

/// Warns of series in the folders of routes that the configuration does not name: nobody works on them.
pub(crate) fn warn_of_strays(node: &Node, config: &Config) {
    for name in series_in(node.queue.folder()).unwrap_or_default() {
        let left = |state: &State| node.queue.series(&name, *state).is_ok_and(|series| !series.is_empty());
        if config.route(&name).is_none() && State::ALL.iter().any(left) {
            tracing::warn!(route = name, "series are left of a route that is not configured: they stay as they are");
        }
    }
}

/// Watches until the node stops.
pub(crate) fn watch(node: &Node) {
    let mut next = Instant::now();
    while !node.stops() {
        let config = node.config();
        match complete(node, &config) {
            Ok(false) => {}
            Ok(true) => node.wake(),
            // The same error again at once would only fill the log.
            Err(()) => std::thread::sleep(PAUSE),
        }
        if Instant::now() >= next {
            let begun = Instant::now();
            let mut acted = Duration::ZERO;
            if control::wants_drain(node.queue.folder()) && !node.draining.swap(true, Ordering::Relaxed) {
                tracing::info!("draining: no new association is accepted");
            }
            // What comes over associations that are open still counts.
            let receiving = node.queue.arrivals.hold().keys().filter(|key| config.route(&key.route).is_some()).count();
            let mut left = receiving + node.metrics.open();
            for route in &config.routes {
                match scan(node, &config, route, &mut acted) {
                    Ok(busy) => left += busy,
                    Err(e) => {
                        tracing::error!(route = route.name, "the queue cannot be read or written: {e}");
                        left += 1;
                    }
                }
            }
            if left == 0 && node.draining.load(Ordering::Relaxed) {
                tracing::info!("drained: the queue is empty");
                node.stop.store(true, Ordering::Relaxed);
                node.wake();
            }
            next = Instant::now() + rest(begun.elapsed(), acted);
        }
        std::thread::sleep(TICK);
    }
}

/// Time until the folders are looked through again. What was done for series meanwhile does not count: series that come as fast as
/// others are deleted would otherwise fill the disk.
fn rest(looked: Duration, acted: Duration) -> Duration {
    SCAN.max(looked.saturating_sub(acted) * SHARE)
}

/// Moves series that are complete to where they are restored. Whether any was moved; an error that was logged.
fn complete(node: &Node, config: &Config) -> Result<bool, ()> {
    let (mut moved, mut failed) = (false, false);
    // No object is put into a series' folder while this is held.
    let mut arrivals = node.queue.arrivals.hold();
    let now = Instant::now();
    let is_complete = |key: &Key, arrival: &Arrival| {
        let quiet = config.route(&key.route).map_or(Duration::MAX, |route| seconds(route.quiet_seconds));
        arrival.is_complete(quiet, now)
    };
    let ready: Vec<Key> = arrivals.iter().filter(|(key, a)| is_complete(key, a)).map(|(key, _)| key.clone()).collect();
    for key in ready {
        // A series that is being restored or sent is joined afterwards.
        let Some(_claim) = node.queue.claims.alone(&key) else { continue };
        let place = node.queue.place(&key);
        let joined = match place {
            None => node.queue.shift(&key, State::In, State::Work),
            Some(place) => node.queue.merge(&key, place),
        };
        match joined {
            Ok(()) => {
                let objects = arrivals.remove(&key).map(|arrival| arrival.objects);
                let event = if place.is_some() { "late objects" } else { "complete" };
                tracing::info!(route = key.route, series = key.series, objects, "{event}");
                node.journal.write(Line { slices: objects, ..Line::new(&key, event) });
                moved = true;
            }
            Err(e) => {
                tracing::error!(route = key.route, series = key.series, "cannot be moved in the queue: {e}");
                failed = true;
            }
        }
    }
    if failed { Err(()) } else { Ok(moved) }
}

/// What is to be done for a series in `out` or `failed`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// It waits for its targets.
    Waits,
    /// Nothing, for now.
    Rests,
    /// Something was done for it: it was moved, deleted, or written down as sent.
    Moved,
}

/// Looks through the folders of a route. Returns the series that are still to be restored or sent, and adds the time in which
/// something was done for series to `acted`.
fn scan(node: &Node, config: &Config, route: &Route, acted: &mut Duration) -> io::Result<usize> {
    let work = node.queue.series(&route.name, State::Work)?;
    let mut busy = work.len();
    let out = node.queue.series(&route.name, State::Out)?;
    let mut unsent = 0;
    // One series that cannot be read or written does not stop the next.
    let mut look = |key: &Key, at: &dyn Fn() -> io::Result<Seen>| {
        let begun = Instant::now();
        let reason = |e| tracing::error!(route = key.route, series = key.series, "cannot be read or written: {e}");
        let seen = at().map_err(reason).unwrap_or(Seen::Waits);
        if seen == Seen::Moved {
            *acted += begun.elapsed();
        }
        seen
    };
    for key in &work {
        // One that is being restored has its attempt.
        let Some(_claim) = node.queue.claims.alone(key) else { continue };
        look(key, &|| Ok(if again(node, key, State::Work)? { Seen::Moved } else { Seen::Waits }));
    }
    for key in &out {
        let Some(_claim) = node.queue.claims.alone(key) else {
            unsent += 1;
            continue;
        };
        match look(key, &|| sent(node, config, route, key)) {
            Seen::Waits => unsent += 1,
            // The next look says what has become of it.
            Seen::Moved => busy += 1,
            Seen::Rests => {}
        }
    }
    busy += unsent;
    let failed = node.queue.series(&route.name, State::Failed)?;
    for key in &failed {
        let Some(_claim) = node.queue.claims.alone(key) else { continue };
        busy += usize::from(look(key, &|| failed_since(node, config, key)) != Seen::Rests);
    }
    let receiving = node.queue.arrivals.hold().keys().filter(|key| key.route == route.name).count();
    for (state, series) in
        [(State::In, receiving), (State::Work, work.len()), (State::Out, unsent), (State::Failed, failed.len())]
    {
        node.metrics.queue(&route.name, state, series);
    }
    Ok(busy)
}

/// Looks at a series in `failed`.
fn failed_since(node: &Node, config: &Config, key: &Key) -> io::Result<Seen> {
    if again(node, key, State::Failed)? {
        return Ok(Seen::Moved);
    }
    let Some(days) = config.disk.keep_failed_days else { return Ok(Seen::Rests) };
    let path = node.queue.path(key, State::Failed);
    let mut record = Record::read(&path);
    let ended = record.ended.unwrap_or_else(|| modified(&path));
    if !is_over(&path, &mut record, ended, days * 86_400.0)? || receives(node, key) {
        return Ok(Seen::Rests);
    }
    tracing::warn!(route = key.route, series = key.series, "a failed series is deleted after its time");
    node.queue.remove(key, State::Failed)?;
    Ok(Seen::Moved)
}

/// Whether a time is over that began when a series ended. An end that is still to come was written while the clock was ahead: the
/// time begins now.
fn is_over(series: &std::path::Path, record: &mut Record, ended: f64, time: f64) -> io::Result<bool> {
    let now = now();
    if ended > now {
        record.ended = Some(now);
        record.write(series)?;
    }
    Ok(now - ended > time)
}

/// Whether late objects of a series are being received. They join it, so that it is not deleted.
fn receives(node: &Node, key: &Key) -> bool {
    node.queue.arrivals.hold().contains_key(key)
}

fn modified(path: &std::path::Path) -> f64 {
    let time = path.metadata().and_then(|meta| meta.modified()).ok();
    time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0.0, |time| time.as_secs_f64())
}

/// Looks at a series in `out`.
fn sent(node: &Node, config: &Config, route: &Route, key: &Key) -> io::Result<Seen> {
    if again(node, key, State::Out)? {
        return Ok(Seen::Moved);
    }
    let path = node.queue.path(key, State::Out);
    let mut record = Record::read(&path);
    if record.derived.is_empty() {
        // Its record is lost, and with it what is to be sent. Taken as it is, nothing would be sent, and that counted as all.
        tracing::warn!(route = key.route, series = key.series, "its record is damaged: it is restored again");
        node.queue.shift(key, State::Out, State::Work)?;
        node.wake();
        return Ok(Seen::Moved);
    }
    if let Some(ended) = record.ended {
        if !is_over(&path, &mut record, ended, config.disk.keep_sent_seconds)? || receives(node, key) {
            return Ok(Seen::Rests);
        }
        node.queue.remove(key, State::Out)?;
        return Ok(Seen::Moved);
    }
    let progress = send::progress(&path, route, &record);
    if progress.waiting > 0 {
        return Ok(Seen::Waits);
    }
    let mut reasons = progress.failed;
    reasons.extend(record.refused.iter().cloned());
    record.ended = Some(now());
    let (name, series) = (route.name.as_str(), key.series.as_str());
    if reasons.is_empty() {
        record.write(&path)?;
        tracing::info!(route = name, series, "sent to all targets");
        node.metrics.ended(name, "sent");
        node.journal.write(Line { text: progress.warnings, ..Line::new(key, "sent") });
    } else {
        let reason = reasons.join("; ");
        tracing::warn!(route = name, series, "failed: {reason}");
        record.reason = Some(reason.clone());
        record.write(&path)?;
        node.queue.shift(key, State::Out, State::Failed)?;
        node.metrics.ended(name, "failed");
        node.journal.write(Line { text: Some(reason), ..Line::new(key, "failed") });
    }
    Ok(Seen::Moved)
}

/// Meets a request for another attempt. What was restored in full is sent again, and anything else restored again, at once.
fn again(node: &Node, key: &Key, state: State) -> io::Result<bool> {
    let path = node.queue.path(key, state);
    let newest = path.join(RETRY_NEWEST).exists();
    if !newest && !path.join(RETRY).exists() {
        return Ok(false);
    }
    if newest {
        keep_newest(&path)?;
    }
    let mut record = Record::read(&path);
    let restored = state != State::Work && !record.derived.is_empty() && record.refused.is_empty();
    // What was restored before late objects came lacks these.
    let send_only = restored && !newest && record.restored == series_in(&path.join(SOURCE))?;
    record = Record { ended: None, reason: None, postponed: 0, next: 0.0, attempts: 0, ..record };
    record.write(&path)?;
    send::forget_failures(&path)?;
    let to = if send_only { State::Out } else { State::Work };
    if to != state {
        node.queue.shift(key, state, to)?;
    }
    // Last: whatever ends the node before, the request is met again.
    for request in [RETRY, RETRY_NEWEST] {
        match fs::remove_file(node.queue.path(key, to).join(request)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    tracing::info!(route = key.route, series = key.series, "another attempt was asked for");
    node.journal.write(Line::new(key, "retried"));
    node.wake();
    Ok(true)
}

/// Of objects that share a SOPInstanceUID, keeps the newest.
fn keep_newest(series: &std::path::Path) -> io::Result<()> {
    let source = series.join(SOURCE);
    let mut dated = Vec::new();
    for name in series_in(&source)? {
        dated.push((source.join(&name).metadata()?.modified()?, name));
    }
    dated.sort_by(|a, b| b.cmp(a));
    let mut seen = std::collections::BTreeSet::new();
    for (_, name) in dated {
        if !seen.insert(instance_of(&name).to_owned()) {
            fs::remove_file(source.join(&name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::example, queue::record::Derived};

    #[test]
    fn a_series_is_not_deleted_while_late_objects_of_it_are_received() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::read(&example(dir.path())).unwrap();
        config.disk.keep_failed_days = Some(1.0);
        let node = Node::open(config.clone()).unwrap();
        let key = node.queue.key("ct", "1.2.3");
        let look = |state: State| match state {
            State::Out => sent(&node, &config, &config.routes[0], &key).unwrap(),
            _ => failed_since(&node, &config, &key).unwrap(),
        };
        for state in [State::Out, State::Failed] {
            let series = node.queue.path(&key, state);
            fs::create_dir_all(series.join(SOURCE)).unwrap();
            let derived = vec![Derived { folder: "series".into(), slices: 1 }];
            Record { ended: Some(1.0), derived, ..Record::default() }.write(&series).unwrap();
            assert!(node.queue.arrivals.storing(&key, 0, 10));
            assert!(look(state) == Seen::Rests && series.exists());
            node.queue.arrivals.stored(&key, false, None, &node.queue.path(&key, State::In));
            assert!(look(state) == Seen::Moved && !series.exists());
        }
    }

    #[test]
    fn a_time_that_a_clock_began_in_the_future_begins_now() {
        let dir = tempfile::tempdir().unwrap();
        let mut record = Record { ended: Some(now() + 31_536_000.0), ..Record::default() };
        let mut over = |time: f64| {
            let ended = record.ended.unwrap();
            is_over(dir.path(), &mut record, ended, time).unwrap()
        };
        assert!(!over(0.0), "a year is left");
        std::thread::sleep(Duration::from_millis(2));
        assert!(over(0.0) && !over(100.0));
        assert!(Record::read(dir.path()).ended.unwrap() <= now(), "it was written down");
    }

    #[test]
    fn looking_is_rare_where_it_takes_long_and_soon_again_where_series_were_moved() {
        let second = Duration::from_secs(1);
        assert_eq!(rest(Duration::ZERO, Duration::ZERO), SCAN);
        assert_eq!(rest(10 * second, Duration::ZERO), 10 * second * SHARE);
        assert_eq!(rest(10 * second, 10 * second), SCAN);
    }
}
