//! How long to wait before another attempt.

use crate::config::Retry;

/// Seconds before the attempt after `failed` ones: twice as long with each, give or take a quarter, so that many series do not
/// come back at one moment.
pub(crate) fn delay(retry: &Retry, failed: u32) -> f64 {
    let doubled = retry.first_seconds * 2_f64.powi(failed.saturating_sub(1).min(60) as i32);
    doubled.min(retry.longest_seconds) * (0.75 + 0.5 * share())
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
    fn delays_double_up_to_the_longest() {
        let retry = Retry { attempts: 9, first_seconds: 10.0, longest_seconds: 100.0 };
        for (failed, base) in [(1, 10.0), (2, 20.0), (4, 80.0), (5, 100.0), (u32::MAX, 100.0)] {
            let delays: Vec<f64> = (0..50).map(|_| delay(&retry, failed)).collect();
            assert!(delays.iter().all(|d| (0.75 * base..=1.25 * base).contains(d)), "{failed}: {delays:?}");
            assert!(delays.iter().any(|d| *d != delays[0]));
        }
    }
}
