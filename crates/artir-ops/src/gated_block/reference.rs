//! The definition of a half in float64, against which the kernel is tested.

/// Weights as in the model; biases may be empty.
pub(crate) struct Weights<'a> {
    pub(crate) norm_weight: &'a [f32],
    pub(crate) norm_bias: &'a [f32],
    /// `[2 hidden, channels]`
    pub(crate) expand: &'a [f32],
    pub(crate) expand_bias: &'a [f32],
    /// `[2 hidden, 3, 3]`
    pub(crate) local: &'a [f32],
    pub(crate) local_bias: &'a [f32],
    /// `[channels, hidden]`
    pub(crate) project: &'a [f32],
    pub(crate) project_bias: &'a [f32],
}

/// The error function by its series of positive terms (Abramowitz and Stegun, 7.1.6).
fn erf(z: f64) -> f64 {
    if z.abs() > 6.0 {
        return z.signum();
    }
    let (mut term, mut sum) = (z, z);
    for n in 1..200 {
        term *= 2.0 * z * z / f64::from(2 * n + 1);
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-z * z).exp() * sum
}

/// One half over maps `[batch, channels, height, width]`, by its formula.
pub(crate) fn half(map: &[f32], shape: [usize; 4], w: &Weights<'_>, gelu: bool) -> Vec<f64> {
    let [batch, channels, height, width] = shape;
    let (area, hidden) = (height * width, w.local.len() / 18);
    let bias = |b: &[f32], i: usize| b.get(i).map_or(0.0, |v| f64::from(*v));
    let mut out = Vec::with_capacity(map.len());
    for image in 0..batch {
        let image = &map[image * channels * area..(image + 1) * channels * area];
        let mut wide = vec![0.0; 2 * hidden * area];
        for pixel in 0..area {
            let values: Vec<f64> = (0..channels).map(|c| f64::from(image[c * area + pixel])).collect();
            let mean = values.iter().sum::<f64>() / channels as f64;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / channels as f64;
            let normed: Vec<f64> = (0..channels)
                .map(|c| {
                    let scaled = (values[c] - mean) / (variance + 1e-6).sqrt();
                    scaled * f64::from(w.norm_weight[c]) + f64::from(w.norm_bias[c])
                })
                .collect();
            for o in 0..2 * hidden {
                let row = &w.expand[o * channels..(o + 1) * channels];
                let sum: f64 = row.iter().zip(&normed).map(|(a, b)| f64::from(*a) * b).sum();
                wide[o * area + pixel] = sum + bias(w.expand_bias, o);
            }
        }
        let local = |o: usize, y: usize, x: usize| {
            let mut sum = bias(w.local_bias, o);
            for i in 0..3 {
                for j in 0..3 {
                    if (1..=height).contains(&(y + i)) && (1..=width).contains(&(x + j)) {
                        let at = o * area + (y + i - 1) * width + x + j - 1;
                        sum += f64::from(w.local[o * 9 + 3 * i + j]) * wide[at];
                    }
                }
            }
            sum
        };
        let mut gated = vec![0.0; hidden * area];
        for h in 0..hidden {
            for pixel in 0..area {
                let (y, x) = (pixel / width, pixel % width);
                let (value, gate) = (local(h, y, x), local(hidden + h, y, x));
                let value = if gelu { value * (1.0 + erf(value / 2f64.sqrt())) / 2.0 } else { value };
                gated[h * area + pixel] = value * gate;
            }
        }
        for c in 0..channels {
            for pixel in 0..area {
                let row = &w.project[c * hidden..(c + 1) * hidden];
                let sum: f64 = row.iter().enumerate().map(|(h, p)| f64::from(*p) * gated[h * area + pixel]).sum();
                out.push(f64::from(image[c * area + pixel]) + sum + bias(w.project_bias, c));
            }
        }
    }
    out
}
