//! Series that are being received: when their last object came, and whether more are to come.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Key, SOURCE};

/// A series that is being received.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) last: Instant,
    /// Objects that are being put into its folder right now.
    storing: usize,
    pub(crate) objects: usize,
    /// Objects that it is known to have.
    expected: Option<usize>,
}

impl Arrival {
    pub(crate) fn since(last: Instant, objects: usize) -> Self {
        Self { last, storing: 0, objects, expected: None }
    }

    /// Whether nothing more is to be waited for.
    pub(crate) fn is_complete(&self, quiet: Duration, now: Instant) -> bool {
        let known = self.expected.is_some_and(|expected| self.objects >= expected);
        self.storing == 0 && (known || now.saturating_duration_since(self.last) >= quiet)
    }
}

/// All series that are being received.
#[derive(Default)]
pub(crate) struct Arrivals(Mutex<HashMap<Key, Arrival>>);

impl Arrivals {
    /// The series. While this is held, no object is put into a series' folder.
    pub(crate) fn hold(&self) -> MutexGuard<'_, HashMap<Key, Arrival>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Announces an object, so that its series stays where it is until [`Arrivals::stored`]. `false` if the route has `most`
    /// series already, and this is another.
    pub(crate) fn storing(&self, key: &Key, waiting: usize, most: usize) -> bool {
        let mut all = self.hold();
        if !all.contains_key(key) && all.keys().filter(|other| other.route == key.route).count() + waiting >= most {
            return false;
        }
        all.entry(key.clone()).or_insert_with(|| Arrival::since(Instant::now(), 0)).storing += 1;
        true
    }

    /// The object is in its place (`new`), or did not get there. `folder` is that of its series.
    pub(crate) fn stored(&self, key: &Key, new: bool, expected: Option<u32>, folder: &Path) {
        let mut all = self.hold();
        let Some(arrival) = all.get_mut(key) else { return };
        arrival.storing -= 1;
        if new {
            arrival.last = Instant::now();
            arrival.objects += 1;
            arrival.expected = arrival.expected.max(expected.map(|n| n as usize));
        } else if arrival.objects == 0 && arrival.storing == 0 {
            // Nothing has come that was not there before. Folders that were made for it go with it, which fails for those that hold
            // something.
            all.remove(key);
            if fs::remove_dir(folder.join(SOURCE)).is_ok() {
                drop(fs::remove_dir(folder));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_complete_when_it_is_quiet_or_all_there_but_never_while_an_object_is_stored() {
        let dir = tempfile::tempdir().unwrap();
        let arrivals = Arrivals::default();
        let key = Key { route: "ct".into(), series: "a".into() };
        let complete = |quiet| {
            let all = arrivals.hold();
            all.get(&key).map(|arrival| arrival.is_complete(quiet, Instant::now()))
        };
        let long = Duration::from_secs(100);
        assert!(arrivals.storing(&key, 0, 1));
        assert_eq!(complete(Duration::ZERO), Some(false));
        arrivals.stored(&key, true, Some(2), dir.path());
        assert_eq!((complete(long), complete(Duration::ZERO)), (Some(false), Some(true)));
        assert!(arrivals.storing(&key, 0, 1), "of a series that has its place");
        arrivals.stored(&key, true, None, dir.path());
        assert_eq!(complete(long), Some(true), "two of two are there");
        let other = Key { series: "b".into(), ..key.clone() };
        assert!(!arrivals.storing(&other, 0, 1), "the route is full");
        assert!(!arrivals.storing(&other, 2, 3) && arrivals.storing(&other, 1, 3));
        fs::create_dir_all(dir.path().join("b").join(SOURCE)).unwrap();
        arrivals.stored(&other, false, None, &dir.path().join("b"));
        assert!(!arrivals.hold().contains_key(&other), "nothing new came of it");
        assert!(!dir.path().join("b").exists(), "nor is its folder left");
    }
}
