//! How long to wait before another attempt.

use crate::{config::Retry, queue::record::now};

/// The longest delay, as a multiple of `longest_seconds`.
const MOST: f64 = 1.25;

/// Seconds before the attempt after `failed` ones: twice as long with each, give or take a quarter, so that many series do not
/// come back at one moment.
pub(crate) fn delay(retry: &Retry, failed: u32) -> f64 {
    let doubled = retry.first_seconds * 2_f64.powi(failed.saturating_sub(1).min(60) as i32);
    doubled.min(retry.longest_seconds) * (0.75 + (MOST - 0.75) * share())
}

/// Whether an attempt is due that was put off until `next`, in seconds since 1970. A time that no delay can have given was written
/// while the clock was ahead, or before the longest delay became shorter.
pub(crate) fn is_due(retry: &Retry, next: f64) -> bool {
    !(0.0..=retry.longest_seconds * MOST).contains(&(next - now()))
}

/// A random share of 1.
fn share() -> f64 {
    let mut bytes = [0; 4];
    // Without random numbers there is no jitter, which is no reason to fail.
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_due_after_its_delay_and_where_no_delay_is_as_long() {
        let retry = Retry { longest_seconds: 100.0, ..Retry::default() };
        for (left, due) in [(-1.0, true), (60.0, false), (120.0, false), (130.0, true), (31_536_000.0, true)] {
            assert_eq!(is_due(&retry, now() + left), due, "{left}");
        }
        assert!(is_due(&retry, 0.0) && is_due(&retry, f64::MAX));
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        let retry = Retry { attempts: 9, first_seconds: 10.0, longest_seconds: 100.0 };
        for (failed, base) in [(1, 10.0), (2, 20.0), (4, 80.0), (5, 100.0), (u32::MAX, 100.0)] {
            let delays: Vec<f64> = (0..50).map(|_| delay(&retry, failed)).collect();
            assert!(delays.iter().all(|d| (0.75 * base..=1.25 * base).contains(d)), "{failed}: {delays:?}");
            assert!(delays.iter().any(|d| *d != delays[0]));
        }
    }
}
