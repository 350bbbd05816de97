//! The network as a list of layers and the maps between them.

use super::dense::Dense;
use super::gated::Gated;
use super::linear::Linear;
use super::memory::Gradients;
use super::mixer::Mixer;
use super::modulation::Step;
use super::operand::Kind;
use super::taps::Local;
use crate::network::Architecture;
use crate::network::buffer::Buffer;
use crate::network::lanes::UNIT;

/// A layer with parameters.
pub(super) enum Layer {
    Gated(Gated),
    Mixer(Mixer),
    Dense(Dense),
}

impl Layer {
    pub(super) fn pack(&mut self, parameters: &[f32]) {
        match self {
            Self::Gated(layer) => layer.pack(parameters),
            Self::Mixer(layer) => layer.pack(parameters),
            Self::Dense(layer) => layer.pack(parameters),
        }
    }

    pub(super) fn sums_len(&self) -> usize {
        match self {
            Self::Gated(layer) => layer.sums_len(),
            Self::Mixer(layer) => layer.sums_len(),
            Self::Dense(layer) => layer.sums_len(),
        }
    }

    pub(super) fn unfold(&self, parameters: &[f32], sums: &[f32], to: &Gradients) {
        match self {
            Self::Gated(layer) => layer.unfold(parameters, sums, to),
            Self::Mixer(layer) => layer.unfold(parameters, sums, to),
            Self::Dense(layer) => layer.unfold(parameters, sums, to),
        }
    }
}

/// An operation that computes one map from others.
#[derive(Clone, Copy)]
pub(super) enum Act {
    Layer(usize),
    /// Twice the size.
    Up,
}

/// One step: from maps to a map, by their numbers.
pub(super) struct Node {
    pub(super) act: Act,
    pub(super) from: Vec<usize>,
    pub(super) to: usize,
}

/// A map's size: the image's, the number of times it is halved, and its units of channels.
#[derive(Clone, Copy)]
pub(super) struct Value {
    pub(super) halved: usize,
    pub(super) units: usize,
}

/// The list. Map 0 is the image, in the first channels of one unit; the last one is added to the image.
pub(super) struct Program {
    pub(super) layers: Vec<Layer>,
    pub(super) nodes: Vec<Node>,
    pub(super) values: Vec<Value>,
    /// Float32 in the flat list of parameters.
    pub(super) parameters: usize,
    kind: Kind,
}

impl Program {
    /// Parameters lie in the flat list in the order in which `ArtIR.parameters()` of the training code gives them.
    pub(super) fn new(of: &Architecture, kind: Kind) -> Self {
        let mut make = Self { layers: Vec::new(), nodes: Vec::new(), values: Vec::new(), parameters: 0, kind };
        let (c, [first, second, third, last]) = (of.width, of.depths);
        let image = make.value(0, UNIT);
        let head = make.convolution(true, of.image_channels, c, 9, 1, true);
        let mut x = make.add(Act::Layer(head), vec![image], 0, c);
        x = make.near(first, c, 0, x);
        let level1 = x;
        x = make.down(c, 0, x);
        x = make.near(second, 2 * c, 1, x);
        let level2 = x;
        x = make.down(2 * c, 1, x);
        x = make.far(2 * third, 4 * c, &of.kernel_sizes, x);
        x = make.up(4 * c, 1, x, level2);
        x = make.near(second, 2 * c, 1, x);
        x = make.up(2 * c, 0, x, level1);
        x = make.near(first + last, c, 0, x);
        let tail = make.convolution(true, c, of.image_channels, 9, 1, true);
        make.add(Act::Layer(tail), vec![x], 0, UNIT);
        make
    }

    fn value(&mut self, halved: usize, channels: usize) -> usize {
        self.values.push(Value { halved, units: channels / UNIT });
        self.values.len() - 1
    }

    fn add(&mut self, act: Act, from: Vec<usize>, halved: usize, channels: usize) -> usize {
        let to = self.value(halved, channels);
        self.nodes.push(Node { act, from, to });
        to
    }

    fn layer(&mut self, layer: Layer) -> usize {
        self.layers.push(layer);
        self.layers.len() - 1
    }

    /// The next `count` parameters.
    fn take(&mut self, count: usize) -> usize {
        self.parameters += count;
        self.parameters - count
    }

    /// Weight, and bias if there is one, of a convolution over all channels.
    fn linear(&mut self, inputs: usize, outputs: usize, taps: usize, bias: bool) -> Linear {
        let weight = self.take(inputs * outputs * taps);
        let bias = bias.then(|| self.take(outputs));
        Linear { inputs, outputs, taps, weight, bias, norm: None, scale: None }
    }

    fn local(&mut self, size: usize, channels: usize, bias: bool) -> Local {
        let weight = self.take(channels * size * size);
        let bias = bias.then(|| self.take(channels));
        Local::new(size, channels, weight, bias)
    }

    fn norm(&mut self, channels: usize) -> (usize, usize) {
        (self.take(channels), self.take(channels))
    }

    fn convolution(
        &mut self,
        exact: bool,
        inputs: usize,
        outputs: usize,
        taps: usize,
        stride: usize,
        bias: bool,
    ) -> usize {
        let linear = self.linear(inputs, outputs, taps, bias);
        self.layer(Layer::Dense(Dense::new(self.kind, exact, stride, linear)))
    }

    fn down(&mut self, channels: usize, halved: usize, x: usize) -> usize {
        let layer = self.convolution(false, channels, 2 * channels, 9, 2, false);
        self.add(Act::Layer(layer), vec![x], halved + 1, 2 * channels)
    }

    fn up(&mut self, channels: usize, halved: usize, x: usize, skip: usize) -> usize {
        let wide = self.add(Act::Up, vec![x], halved, channels);
        let layer = self.convolution(false, channels, channels / 2, 9, 1, false);
        let narrow = self.add(Act::Layer(layer), vec![wide], halved, channels / 2);
        let layer = self.convolution(false, channels, channels / 2, 1, 1, false);
        self.add(Act::Layer(layer), vec![narrow, skip], halved, channels / 2)
    }

    /// Norm, widening, gate and projection of one half, whose result's scale is at `scale`.
    fn gated(&mut self, channels: usize, hidden: usize, gelu: bool, scale: usize) -> Layer {
        let norm = self.norm(channels);
        let bias = !gelu;
        let expand = Linear { norm: Some(norm), ..self.linear(channels, 2 * hidden, 1, bias) };
        let local = self.local(3, 2 * hidden, bias);
        let project = Linear { scale: Some(scale), ..self.linear(hidden, channels, 1, bias) };
        Layer::Gated(Gated::new(self.kind, gelu, expand, local, project))
    }

    fn feed(&mut self, channels: usize, scale: usize) -> Layer {
        self.gated(channels, 3 * channels, true, scale)
    }

    fn half(&mut self, layer: Layer, channels: usize, halved: usize, x: usize) -> usize {
        let layer = self.layer(layer);
        self.add(Act::Layer(layer), vec![x], halved, channels)
    }

    fn near(&mut self, blocks: usize, channels: usize, halved: usize, mut x: usize) -> usize {
        for _ in 0..blocks {
            let scales = [self.take(channels), self.take(channels)];
            let mixer = self.gated(channels, channels, false, scales[0]);
            x = self.half(mixer, channels, halved, x);
            let feed = self.feed(channels, scales[1]);
            x = self.half(feed, channels, halved, x);
        }
        x
    }

    fn far(&mut self, blocks: usize, channels: usize, kernels: &[usize], mut x: usize) -> usize {
        for _ in 0..blocks {
            let scales = [self.take(channels), self.take(channels)];
            let mixer = self.mixer(channels, kernels, scales[0]);
            x = self.half(mixer, channels, 2, x);
            let feed = self.feed(channels, scales[1]);
            x = self.half(feed, channels, 2, x);
        }
        x
    }

    fn mixer(&mut self, channels: usize, kernels: &[usize], scale: usize) -> Layer {
        let norm = self.norm(channels);
        let expand = Linear { norm: Some(norm), ..self.linear(channels, 2 * channels, 1, true) };
        let last = kernels.len() - 1;
        let widths: Vec<usize> = (0..=last).map(|i| channels >> (last - i)).collect();
        let mut places = Vec::new();
        for (&width, &size) in widths.iter().zip(kernels) {
            places.push([self.take(size * size), self.take(size * size), self.take(width), self.take(width)]);
        }
        let locals: Vec<Local> = widths.iter().map(|&width| self.local(3, width, true)).collect();
        let mut refine: Vec<Local> = widths[..last].iter().map(|&width| self.local(7, 2 * width, true)).collect();
        refine.reverse();
        let steps = locals
            .into_iter()
            .enumerate()
            .map(|(i, local)| Step {
                channels: widths[i],
                size: kernels[i],
                scaled: places[i][0],
                added: places[i][1],
                weigh: places[i][2],
                weigh_bias: places[i][3],
                local,
                refine: refine.pop(),
                kernels: Buffer::default(),
                weights: Buffer::default(),
            })
            .collect();
        let project = Linear { scale: Some(scale), ..self.linear(channels, channels, 1, true) };
        Layer::Mixer(Mixer {
            expand: Dense::new(self.kind, false, 1, expand),
            steps,
            project: Dense::new(self.kind, false, 1, project),
            by: self.kind.instructions,
        })
    }
}
