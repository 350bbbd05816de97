//! Which series a thread works on. Senders share a series, and whatever moves one has it alone.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::Key;

/// The series that threads work on.
#[derive(Default)]
pub(crate) struct Claims(Mutex<HashMap<Key, Holders>>);

enum Holders {
    One,
    Sharing(usize),
}

/// A claim, which ends when it is dropped.
pub(crate) struct Claim<'a> {
    claims: &'a Claims,
    key: Key,
}

impl Claims {
    fn held(&self) -> MutexGuard<'_, HashMap<Key, Holders>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The series alone; `None` while another thread works on it.
    pub(crate) fn alone(&self, key: &Key) -> Option<Claim<'_>> {
        let mut held = self.held();
        if held.contains_key(key) {
            return None;
        }
        held.insert(key.clone(), Holders::One);
        Some(Claim { claims: self, key: key.clone() })
    }

    /// The series with others that share it; `None` while a thread has it alone.
    pub(crate) fn shared(&self, key: &Key) -> Option<Claim<'_>> {
        let mut held = self.held();
        match held.entry(key.clone()).or_insert(Holders::Sharing(0)) {
            Holders::One => return None,
            Holders::Sharing(n) => *n += 1,
        }
        Some(Claim { claims: self, key: key.clone() })
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut held = self.claims.held();
        match held.get_mut(&self.key) {
            Some(Holders::Sharing(n)) if *n > 1 => *n -= 1,
            _ => drop(held.remove(&self.key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_shared_or_held_alone() {
        let claims = Claims::default();
        let key = Key { route: "ct".into(), series: "a".into() };
        let alone = claims.alone(&key).unwrap();
        assert!(claims.alone(&key).is_none() && claims.shared(&key).is_none());
        drop(alone);
        let (one, two) = (claims.shared(&key).unwrap(), claims.shared(&key).unwrap());
        drop(one);
        assert!(claims.alone(&key).is_none());
        drop(two);
        assert!(claims.alone(&key).is_some());
        assert!(claims.held().is_empty());
    }
}
