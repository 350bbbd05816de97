//! Runs a network with its own values as outputs.

use std::cmp::Ordering;

use artir_core::Model;
use ndarray::{Array2, Array3, ArrayView3, ArrayView4, Axis, Ix3, Ix4, s};
use ort::{
    session::{
        HasSelectedOutputs, OutputSelector, RunOptions, Session, SessionOutputs,
        builder::{GraphOptimizationLevel, SessionBuilder},
    },
    value::TensorRef,
};

use crate::{Error, Network, Similarity, Stage, Step, channel_similarity};

/// Channels of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Channels {
    /// Their numbers in the map.
    pub numbers: Vec<usize>,
    /// Their values, `[channel, row, column]`.
    pub values: Array3<f32>,
}

/// A stage of the network on one image.
#[derive(Clone, Debug, PartialEq)]
pub struct StageView {
    /// The stage.
    pub stage: Stage,
    /// Its channels, rows and columns.
    pub shape: (usize, usize, usize),
    /// The similarity of its channels.
    pub similarity: Similarity,
}

/// The mixer (LKFM) of a block on one image: the same channels before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct MixerView {
    /// The block's name.
    pub block: String,
    /// After the layer norm, before the mixer.
    pub before: Channels,
    /// What the mixer adds to the block's input.
    pub after: Channels,
}

/// A step of a mixer on one image.
#[derive(Clone, Debug, PartialEq)]
pub struct StepView {
    /// The block's name.
    pub block: String,
    /// The step's number in it.
    pub step: usize,
    /// The edge of its kernels.
    pub size: usize,
    /// X, which the large-kernel modulation (LKM) takes.
    pub before: Channels,
    /// The same channels after it: Xs X Wc.
    pub modulated: Channels,
    /// What leaves the step.
    pub after: Channels,
    /// The spatial weights Xs.
    pub spatial: Array2<f32>,
}

/// The network's values on one image.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The stages from the input on.
    pub stages: Vec<StageView>,
    /// The restored image in network units, `[channel, row, column]`.
    pub restored: Array3<f32>,
    /// The channel weights Wc of every step; none in a network without channel attention.
    pub weights: Vec<Vec<f32>>,
    /// The similarity of the channels of X, which every step modulates.
    pub inputs: Vec<Similarity>,
    /// The mixers with large kernels.
    pub mixers: Vec<MixerView>,
    /// Their steps.
    pub steps: Vec<StepView>,
}

/// A network that shows its values.
pub struct Maps {
    name: String,
    session: Session,
    network: Network,
}

impl std::fmt::Debug for Maps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Maps").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Bytes for each pixel and channel of width while the values of an image are computed: measured on T and B, with a margin.
const BYTES: u64 = 96;
/// Bytes that do not depend on the image.
const FIXED: u64 = 100 << 20;

impl Maps {
    /// Loads a model on the CPU. `threads` is the number of threads; 0 takes every core.
    ///
    /// # Errors
    /// [`Error::NoMaps`] for a model that is not an ArtIR network, [`Error::Graph`], and errors of ONNX Runtime.
    pub fn new(model: &Model, threads: usize) -> Result<Self, Error> {
        let network = Network::of(model)?;
        let name = model.card().name.clone();
        let failed = |source: ort::Error| Error::Runtime { name: name.clone(), source };
        let builder = || -> Result<Session, ort::Error> {
            let changed = |e: ort::Error<SessionBuilder>| -> ort::Error { e.into() };
            let environment = artir_core::environment().map_err(|e| ort::Error::new(e.to_string()))?;
            let mut builder = Session::builder(environment)?
                .with_intra_threads(threads)
                .map_err(changed)?
                .with_optimization_level(GraphOptimizationLevel::All)
                .map_err(changed)?
                // As for every session of artir (decision 008).
                .with_memory_pattern(false)
                .map_err(changed)?;
            // Of these operators the graph has the large kernel alone, which takes ONNX Runtime's convolution ten times as long.
            artir_ops::register(&mut builder).map_err(|e| ort::Error::new(e.to_string()))?;
            builder.commit_from_memory(&network.with_outputs())
        };
        artir_core::environment()?;
        let session = builder().map_err(failed)?;
        Ok(Self { name, session, network })
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Bytes that a view of an image of so many pixels takes.
    pub fn memory(&self, pixels: u64) -> u64 {
        FIXED.saturating_add(pixels.saturating_mul(self.network.width as u64).saturating_mul(BYTES))
    }

    /// Computes the network's values on an image in network units, `[1, channel, row, column]`. Of each map, so many channels
    /// of the greatest variance are returned.
    ///
    /// # Errors
    /// Errors of ONNX Runtime, and [`Error::NotFinite`].
    pub fn view(&mut self, input: ArrayView4<'_, f32>, channels: usize) -> Result<View, Error> {
        let Self { name, session, network } = self;
        let options = asks(name, network.values().into_iter().chain([network.result.as_str()]))?;
        let outputs = run(session, name, input, &options)?;
        let map = |value: &str| map(&outputs, name, value);
        let stages = network.stages.iter().map(|stage| {
            let values = map(&stage.value)?;
            let similarity = channel_similarity(values.view());
            Ok(StageView { stage: stage.clone(), shape: values.dim(), similarity })
        });
        let stages = stages.collect::<Result<_, Error>>()?;
        let mixers = network.mixers.iter().map(|mixer| {
            let before = map(&mixer.before)?;
            let numbers = strongest(before, channels);
            let after = picked(map(&mixer.after)?, &numbers);
            Ok(MixerView { block: mixer.block.clone(), before: picked(before, &numbers), after })
        });
        let mixers = mixers.collect::<Result<_, Error>>()?;
        let (mut steps, mut weights, mut inputs) = (Vec::new(), Vec::new(), Vec::new());
        for step in &network.steps {
            let of_channels = match &step.weights {
                Some(weights) => map(weights)?.iter().copied().collect(),
                None => Vec::new(),
            };
            steps.push(step_view(step, &of_channels, channels, &map)?);
            weights.push(of_channels);
            inputs.push(channel_similarity(map(&step.input)?));
        }
        let restored = map(&network.result)?.to_owned();
        Ok(View { stages, restored, weights, inputs, mixers, steps })
    }

    /// The mean of every channel of the deepest stage: what a network knows of an image's degradation.
    ///
    /// # Errors
    /// As for [`Maps::view`].
    pub fn features(&mut self, input: ArrayView4<'_, f32>) -> Result<Vec<f32>, Error> {
        let Self { name, session, network } = self;
        let deepest = network.deepest();
        let options = asks(name, [deepest])?;
        let outputs = run(session, name, input, &options)?;
        let values = map(&outputs, name, deepest)?;
        let mean = |channel: ndarray::ArrayView2<'_, f32>| {
            (channel.iter().map(|v| f64::from(*v)).sum::<f64>() / channel.len().max(1) as f64) as f32
        };
        Ok(values.outer_iter().map(mean).collect())
    }
}

/// Asks for values by name. ONNX Runtime runs no node that none of them needs.
fn asks<'n>(name: &str, values: impl IntoIterator<Item = &'n str>) -> Result<RunOptions<HasSelectedOutputs>, Error> {
    let failed = |source: ort::Error| Error::Runtime { name: name.to_owned(), source };
    let wanted = values.into_iter().fold(OutputSelector::no_default(), |wanted, value| wanted.with(value));
    Ok(RunOptions::new().map_err(failed)?.with_outputs(wanted))
}

fn run<'r>(
    session: &'r mut Session,
    name: &str,
    input: ArrayView4<'_, f32>,
    options: &'r RunOptions<HasSelectedOutputs>,
) -> Result<SessionOutputs<'r>, Error> {
    let failed = |source: ort::Error| Error::Runtime { name: name.to_owned(), source };
    let input = input.as_standard_layout();
    let tensor = TensorRef::from_array_view(input.view()).map_err(failed)?;
    session.run_with_options(ort::inputs![tensor], options).map_err(failed)
}

/// A value of the first image, `[channel, row, column]`.
fn map<'o>(outputs: &'o SessionOutputs<'_>, name: &str, value: &str) -> Result<ArrayView3<'o, f32>, Error> {
    let failed = |source: ort::Error| Error::Runtime { name: name.to_owned(), source };
    let shape = |e: ndarray::ShapeError| Error::Graph { name: name.to_owned(), reason: format!("'{value}': {e}") };
    let missing = || Error::Graph { name: name.to_owned(), reason: format!("'{value}' has no value") };
    let found = outputs.get(value).ok_or_else(missing)?.try_extract_array::<f32>().map_err(failed)?;
    let found = found.into_dimensionality::<Ix4>().map_err(shape)?;
    let first = found.index_axis_move(Axis(0), 0).into_dimensionality::<Ix3>().map_err(shape)?;
    if first.iter().all(|v| v.is_finite()) { Ok(first) } else { Err(Error::NotFinite(value.to_owned())) }
}

fn step_view<'o>(
    step: &Step,
    weights: &[f32],
    channels: usize,
    map: &dyn Fn(&str) -> Result<ArrayView3<'o, f32>, Error>,
) -> Result<StepView, Error> {
    let (before, after) = (map(&step.input)?, map(&step.output)?);
    let spatial = map(&step.spatial)?.index_axis_move(Axis(0), 0).to_owned();
    let numbers = strongest(before, channels);
    let before = picked(before, &numbers);
    let mut modulated = before.clone();
    for (mut plane, number) in modulated.values.outer_iter_mut().zip(&numbers) {
        let weight = weights.get(*number).copied().unwrap_or(1.0);
        plane.zip_mut_with(&spatial, |x, xs| *x = xs * *x * weight);
    }
    let after = picked(after, &strongest(after, channels));
    Ok(StepView { block: step.block.clone(), step: step.step, size: step.size, before, modulated, after, spatial })
}

/// The channels of the greatest variance, the first of equals first.
fn strongest(map: ArrayView3<'_, f32>, most: usize) -> Vec<usize> {
    let variance = |channel: ndarray::ArrayView2<'_, f32>| {
        let n = channel.len().max(1) as f64;
        let (sum, squares) = channel.iter().map(|v| f64::from(*v)).fold((0.0, 0.0), |(s, q), v| (s + v, q + v * v));
        squares / n - (sum / n).powi(2)
    };
    let mut all: Vec<(usize, f64)> = map.outer_iter().map(variance).enumerate().collect();
    all.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap_or(Ordering::Equal));
    all.into_iter().take(most).map(|(number, _)| number).collect()
}

fn picked(map: ArrayView3<'_, f32>, numbers: &[usize]) -> Channels {
    let (_, rows, columns) = map.dim();
    let mut values = Array3::zeros((numbers.len(), rows, columns));
    for (mut plane, number) in values.outer_iter_mut().zip(numbers) {
        plane.assign(&map.slice(s![*number, .., ..]));
    }
    Channels { numbers: numbers.to_vec(), values }
}

#[cfg(test)]
mod tests {
    use artir_core::{Device, Precision, Session, zoo};
    use ndarray::Array4;

    use super::*;

    fn input() -> Array4<f32> {
        Array4::from_shape_fn((1, 1, 64, 80), |(_, _, y, x)| 0.26 + ((y * 7 + x * 3) % 23) as f32 / 600.0)
    }

    /// The graph with its values as outputs is the same network: its result agrees with the operator's. And an LKM that is recomputed from its parts leads to the step's output.
    #[test]
    fn the_maps_are_those_of_the_network() {
        let model = zoo::open("ct-ldct-t").unwrap();
        let expected = Session::new(&model, Device::Cpu, 1, Precision::F32).unwrap().run(input().view()).unwrap();
        let mut maps = Maps::new(&model, 1).unwrap();
        let view = maps.view(input().view(), 200).unwrap();
        let apart = view.restored.iter().zip(&expected).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(apart < 1e-5, "{apart}");
        let shapes: Vec<_> = view.stages.iter().map(|stage| stage.shape).collect();
        let [full, half, quarter] = [(32, 64, 80), (64, 32, 40), (128, 16, 20)];
        assert_eq!(shapes, [full, half, quarter, quarter, half, full, full]);
        // Every channel is there: the last step's input is the one before's output.
        let (one, two) = (&view.steps[1], &view.steps[2]);
        assert_eq!((two.size, view.weights[2].len(), two.before.values.dim()), (63, 128, (128, 16, 20)));
        assert_eq!(one.after, two.before);
        let number = two.before.numbers[5];
        let (x, xs, wc) = (two.before.values[(5, 7, 9)], two.spatial[(7, 9)], view.weights[2][number]);
        assert!((two.modulated.values[(5, 7, 9)] - x * xs * wc).abs() < 1e-6);
        assert!(two.modulated.values.iter().any(|v| v.abs() > 1e-4));
    }

    /// The spatial weights are X' (a * X') + (b * X'), with X' the mean over channels.
    #[test]
    fn spatial_weights_follow_from_the_taps() {
        let model = zoo::open("geo-haze-t").unwrap();
        let mut maps = Maps::new(&model, 1).unwrap();
        let input = Array4::from_shape_fn((1, 3, 64, 80), |(_, c, y, x)| ((y * 7 + x * 3 + c) % 23) as f32 / 23.0);
        let view = maps.view(input.view(), 200).unwrap();
        let (step, shown) = (&maps.network().steps[0], &view.steps[0]);
        let mean = shown.before.values.mean_axis(Axis(0)).unwrap();
        let radius = (step.size / 2) as isize;
        let at = |y: isize, x: isize| {
            let inside = (0..16).contains(&y) && (0..20).contains(&x);
            if inside { f64::from(mean[(y as usize, x as usize)]) } else { 0.0 }
        };
        for (y, x) in [(0isize, 0isize), (8, 9), (15, 3)] {
            let (mut a, mut b) = (0.0, 0.0);
            for (n, (scaled, added)) in step.a.as_ref().unwrap().iter().zip(&step.b).enumerate() {
                let (dy, dx) = ((n / step.size) as isize - radius, (n % step.size) as isize - radius);
                a += f64::from(*scaled) * at(y + dy, x + dx);
                b += f64::from(*added) * at(y + dy, x + dx);
            }
            let expected = at(y, x) * a + b;
            let found = f64::from(shown.spatial[(y as usize, x as usize)]);
            assert!((found - expected).abs() < 1e-5 * expected.abs().max(1.0), "{y} {x}: {found} {expected}");
        }
    }

    #[test]
    fn features_are_the_means_of_the_deepest_channels() {
        let mut maps = Maps::new(&zoo::open("ct-ldct-t").unwrap(), 1).unwrap();
        let features = maps.features(input().view()).unwrap();
        let options = asks("m", ["decoder3.0"]).unwrap();
        let outputs = run(&mut maps.session, "m", input().view(), &options).unwrap();
        let deepest = map(&outputs, "m", "decoder3.0").unwrap();
        assert_eq!(features.len(), 128);
        for (feature, channel) in features.iter().zip(deepest.outer_iter()) {
            assert!((feature - channel.mean().unwrap()).abs() < 1e-4);
        }
    }

    #[test]
    fn the_strongest_channels_come_first() {
        let map = Array3::from_shape_fn((4, 2, 2), |(c, y, x)| [0.0, 3.0, -5.0, 3.0][c] * (y + x) as f32 + 100.0);
        assert_eq!(strongest(map.view(), 3), [2, 1, 3]);
        let picked = picked(map.view(), &[2, 0]);
        assert_eq!(picked.values[(0, 1, 1)], 90.0);
    }
}
