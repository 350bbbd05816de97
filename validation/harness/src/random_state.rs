//! NumPy's legacy `RandomState`: MT19937 (Matsumoto and Nishimura, ACM TOMACS 8, 1998) and the polar Gaussian of
//! Marsaglia (SIAM Review 6, 1964), draw for draw, since published noise protocols are defined by its stream.

const N: usize = 624;

/// The generator of `numpy.random.RandomState(seed)`.
#[derive(Clone)]
pub struct RandomState {
    state: [u32; N],
    at: usize,
    /// The second value of the last pair.
    spare: Option<f64>,
}

impl std::fmt::Debug for RandomState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RandomState").field("at", &self.at).finish_non_exhaustive()
    }
}

impl RandomState {
    /// As `numpy.random.RandomState(seed)`.
    pub fn new(seed: u32) -> Self {
        let mut state = [0; N];
        let mut word = seed;
        for (i, slot) in state.iter_mut().enumerate() {
            if i > 0 {
                word = 1_812_433_253u32.wrapping_mul(word ^ (word >> 30)).wrapping_add(i as u32);
            }
            *slot = word;
        }
        Self { state, at: N, spare: None }
    }

    fn word(&mut self) -> u32 {
        if self.at == N {
            for i in 0..N {
                let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
                let twist = if y & 1 == 0 { 0 } else { 0x9908_b0df };
                self.state[i] = self.state[(i + 397) % N] ^ (y >> 1) ^ twist;
            }
            self.at = 0;
        }
        let mut y = self.state[self.at];
        self.at += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// Uniform in [0, 1) with 53 bits, as `random_sample()`.
    pub fn uniform(&mut self) -> f64 {
        let (high, low) = (self.word() >> 5, self.word() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// Standard normal, as `randn()`.
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (x, y) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = x * x + y * y;
            if square < 1.0 && square != 0.0 {
                let factor = (-2.0 * square.ln() / square).sqrt();
                self.spare = Some(factor * x);
                return factor * y;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_numpys() {
        // numpy.random.RandomState(0).randn(5), .random_sample(2) after it
        let mut random = RandomState::new(0);
        for expected in
            [1.764052345967664, 0.4001572083672233, 0.9787379841057392, 2.240893199201458, 1.8675579901499675]
        {
            let found = random.normal();
            assert!((found - expected).abs() < 1e-14, "{found} {expected}");
        }
        // numpy.random.RandomState(12345).random_sample(3)
        let mut random = RandomState::new(12345);
        for expected in [0.9296160928171479, 0.3163755545817859, 0.18391881167709445] {
            assert_eq!(random.uniform(), expected);
        }
    }

    #[test]
    fn it_keeps_on_across_many_blocks() {
        let mut random = RandomState::new(0);
        let mut last = 0.0;
        for _ in 0..100_000 {
            last = random.normal();
        }
        assert!((last - HUNDRED_THOUSANDTH).abs() < 1e-13, "{last}");
    }

    /// numpy.random.RandomState(0).randn(100000)[-1]
    const HUNDRED_THOUSANDTH: f64 = -1.2852076475754735;
}
