//! Peak throughput of the processor: multiply-adds on registers without memory access.

use std::time::{Duration, Instant};

use crate::instructions::{Instructions, Precision};
use crate::network::Probe;

/// Multiply-adds a second of `threads` threads at once with the instructions that the network takes, measured for about
/// this long. A pair of bfloat16 counts as two.
pub fn multiply_adds_per_second(threads: usize, precision: Precision, time: Duration) -> f64 {
    by(precision.instructions(), threads, time)
}

/// The same with given instructions, which must exist.
pub(crate) fn by(instructions: Instructions, threads: usize, time: Duration) -> f64 {
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(|| one(instructions, time))).collect();
        workers.into_iter().map(|w| w.join().unwrap_or(0.0)).sum()
    })
}

/// One thread's share. The best of several stretches, since others may use the processor meanwhile.
fn one(instructions: Instructions, time: Duration) -> f64 {
    const STRETCHES: u32 = 10;
    let probe = Probe::new(instructions);
    let mut best = 0.0f64;
    for _ in 0..STRETCHES {
        let begun = Instant::now();
        let mut done = 0;
        while begun.elapsed() < time / STRETCHES {
            done += probe.run();
        }
        best = best.max(done as f64 / begun.elapsed().as_secs_f64());
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_multiplications_are_made() {
        for precision in [Precision::F32, Precision::Fast] {
            let found = multiply_adds_per_second(1, precision, Duration::from_millis(20));
            assert!(found > 1e6 && found.is_finite(), "{precision:?}: {found}");
        }
    }
}
