//! The graph of a model file with the network's own values in sight.
//!
//! A model file holds one node, `artir.Network`, and a function that defines it (decision 005). Here the function's nodes take the
//! place of the node, so that every value between them can become an output of the graph. The exporter gives these values the
//! names of the network's modules (`encoder3.0.mixer.large.2.kernel`), by which they are found. Exported ablations hold the nodes
//! themselves.

use std::collections::{BTreeMap, BTreeSet};

use artir_core::Model;
use prost::Message;

use crate::{
    Error,
    proto::{FLOATS, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto},
};

/// The stages of the network from the input on, and their level: the factor of their size is 2^(1 - level).
const STAGES: [(&str, u8); 7] = [
    ("encoder1", 1),
    ("encoder2", 2),
    ("encoder3", 3),
    ("decoder3", 3),
    ("decoder2", 2),
    ("decoder1", 1),
    ("refinement", 1),
];

/// Blocks of one size, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its name, such as `encoder3`.
    pub name: &'static str,
    /// 1 at full size, 2 at half, 3 at a quarter.
    pub level: u8,
    /// The value that leaves it.
    pub(crate) value: String,
}

/// A block with large kernels, and the values before and after its mixer (LKFM).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mixer {
    /// The block's name, such as `encoder3.0`.
    pub block: String,
    pub(crate) before: String,
    pub(crate) after: String,
}

/// A step of a mixer: a large-kernel modulation (LKM) and what follows until the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The block's name, such as `encoder3.0`.
    pub block: String,
    /// Its number in the block, from 0.
    pub step: usize,
    /// K, the edge of its kernels.
    pub size: usize,
    /// The taps that are scaled by the pixel's value, row by row; `None` in a network with static kernels.
    pub a: Option<Vec<f32>>,
    /// The taps that every pixel has, row by row.
    pub b: Vec<f32>,
    /// X, which is modulated.
    pub(crate) input: String,
    /// The spatial weights Xs.
    pub(crate) spatial: String,
    /// The channel weights Wc; `None` in a network without channel attention.
    pub(crate) weights: Option<String>,
    /// The value that leaves the step.
    pub(crate) output: String,
}

/// The graph of a network.
#[derive(Clone, Debug)]
pub struct Network {
    model: ModelProto,
    /// Names and shapes of the weights.
    weights: Vec<(String, Vec<i64>)>,
    /// Channels at full size.
    pub width: usize,
    /// The value that the network returns.
    pub(crate) result: String,
    /// The stages from the input on.
    pub stages: Vec<Stage>,
    /// The blocks with large kernels.
    pub mixers: Vec<Mixer>,
    /// The steps of all mixers.
    pub steps: Vec<Step>,
}

impl Network {
    /// Finds the network's values in a model.
    ///
    /// # Errors
    /// [`Error::NoMaps`] for a model that is not an ArtIR network, and [`Error::Graph`].
    pub fn of(model: &Model) -> Result<Self, Error> {
        let name = &model.card().name;
        let unreadable = |reason: String| Error::Graph { name: name.clone(), reason };
        let mut proto = ModelProto::decode(model.bytes()).map_err(|e| unreadable(e.to_string()))?;
        let mut graph = proto.graph.take().ok_or_else(|| unreadable("it has none".into()))?;
        for bytes in &proto.functions {
            let function = FunctionProto::decode(bytes.as_slice()).map_err(|e| unreadable(e.to_string()))?;
            if function.domain == "artir" && function.name == "Network" {
                expand(&mut graph.node, &function);
            }
        }
        let stages = stages(&graph.node);
        if stages.is_empty() {
            return Err(Error::NoMaps(name.clone()));
        }
        let steps = steps(&graph).map_err(unreadable)?;
        let mixers = mixers(&graph.node, &steps);
        let weights = weights(&graph).map_err(|e| unreadable(e.to_string()))?;
        let head = weights.iter().find(|(name, _)| name == "head.weight");
        let width = head.and_then(|(_, dims)| usize::try_from(*dims.first()?).ok());
        let width = width.ok_or_else(|| Error::NoMaps(name.clone()))?;
        let result = graph.output.first().map(|output| output.name.clone());
        let result = result.ok_or_else(|| unreadable("it has no output".into()))?;
        proto.graph = Some(graph);
        Ok(Self { model: proto, weights, width, result, stages, mixers, steps })
    }

    /// Names and shapes of the weights.
    pub(crate) fn weights(&self) -> impl Iterator<Item = (&str, &[i64])> {
        self.weights.iter().map(|(name, dims)| (name.as_str(), dims.as_slice()))
    }

    /// The names of all values that are looked at.
    pub(crate) fn values(&self) -> BTreeSet<&str> {
        let stages = self.stages.iter().map(|stage| &stage.value);
        let mixers = self.mixers.iter().flat_map(|mixer| [&mixer.before, &mixer.after]);
        let steps = self.steps.iter().flat_map(|step| {
            [Some(&step.input), Some(&step.spatial), step.weights.as_ref(), Some(&step.output)].into_iter().flatten()
        });
        stages.chain(mixers).chain(steps).map(String::as_str).collect()
    }

    /// The value that leaves the deepest stage.
    pub(crate) fn deepest(&self) -> &str {
        let last = self.stages.iter().max_by_key(|stage| stage.level);
        last.map_or("", |stage| &stage.value)
    }

    /// An ONNX file with these values as outputs after the network's own.
    pub(crate) fn with_outputs(&self) -> Vec<u8> {
        let mut model = self.model.clone();
        if let Some(graph) = &mut model.graph {
            let known: BTreeSet<String> = graph.output.iter().map(|output| output.name.clone()).collect();
            let new = self.values().into_iter().filter(|name| !known.contains(*name));
            let new = new.map(|name| ValueInfoProto { name: name.to_owned(), kind: Some(FLOATS.to_vec()) });
            graph.output.extend(new.collect::<Vec<_>>());
        }
        model.encode_to_vec()
    }
}

/// Puts a function's nodes in place of every node that calls it. Its values keep their names, except for those that the caller
/// names.
fn expand(nodes: &mut Vec<NodeProto>, function: &FunctionProto) {
    let calls = |node: &NodeProto| node.domain == function.domain && node.op_type == function.name;
    let mut out = Vec::with_capacity(nodes.len() + function.node.len());
    for node in nodes.drain(..) {
        if !calls(&node) {
            out.push(node);
            continue;
        }
        let formal = function.input.iter().chain(&function.output);
        let names: BTreeMap<&String, &String> = formal.zip(node.input.iter().chain(&node.output)).collect();
        let renamed = |name: &String| names.get(name).map_or_else(|| name.clone(), |name| (*name).clone());
        out.extend(function.node.iter().map(|inner| NodeProto {
            input: inner.input.iter().map(renamed).collect(),
            output: inner.output.iter().map(renamed).collect(),
            ..inner.clone()
        }));
    }
    *nodes = out;
}

fn stages(nodes: &[NodeProto]) -> Vec<Stage> {
    let last = |name: &str| {
        let outputs = nodes.iter().flat_map(|node| &node.output);
        let number = |value: &&String| value.strip_prefix(name)?.strip_prefix('.')?.parse::<usize>().ok();
        outputs.filter(|value| number(value).is_some()).max_by_key(number).cloned()
    };
    STAGES.iter().filter_map(|(name, level)| Some(Stage { name, level: *level, value: last(name)? })).collect()
}

fn steps(graph: &GraphProto) -> Result<Vec<Step>, String> {
    let nodes = &graph.node;
    let made: BTreeSet<&String> = nodes.iter().flat_map(|node| &node.output).collect();
    let existing = |name: String| made.contains(&name).then_some(name);
    let mut out = Vec::new();
    for node in nodes {
        let place = node.output.first().and_then(|spatial| Some((spatial, place(spatial)?)));
        let Some((spatial, (block, step))) = place else { continue };
        let taps = |index: usize| {
            let name = node.input.get(index).ok_or_else(|| format!("'{spatial}' lacks its taps"))?;
            floats(graph, name)?.ok_or_else(|| format!("'{name}' is not a weight"))
        };
        let (a, b) = if node.op_type == "DynamicLargeKernel" { (Some(taps(1)?), taps(2)?) } else { (None, taps(1)?) };
        let size = b.len().isqrt();
        if size * size != b.len() || a.as_ref().is_some_and(|a| a.len() != b.len()) {
            return Err(format!("the taps of '{spatial}' make no square"));
        }
        let user = nodes.iter().find(|user| user.input.contains(spatial));
        let user = user.ok_or_else(|| format!("'{spatial}' is not used"))?;
        let missing = || format!("the step of '{spatial}' is not one of an ArtIR network");
        // In a model of one operator, a function is the rest of the step; in an ablation, it is single nodes.
        let (input, weights, output) = if user.op_type.ends_with("Modulation") {
            let at = |names: &[String], index: usize| names.get(index).cloned().ok_or_else(missing);
            (at(&user.input, 0)?, Some(at(&user.input, 2)?), at(&user.output, 0)?)
        } else {
            let input = user.input.iter().find(|name| *name != spatial).cloned().ok_or_else(missing)?;
            let refined = existing(format!("{block}.mixer.refine.{step}"));
            let output = refined.or_else(|| existing(format!("{block}.mixer.mixed.{step}"))).ok_or_else(missing)?;
            (input, existing(format!("{block}.mixer.large.{step}.weigh")), output)
        };
        out.push(Step { block, step, size, a, b, input, spatial: spatial.clone(), weights, output });
    }
    Ok(out)
}

/// The block and the step whose spatial weights a value holds.
fn place(value: &str) -> Option<(String, usize)> {
    let (block, step) = value.strip_suffix(".kernel")?.split_once(".mixer.large.")?;
    Some((block.to_owned(), step.parse().ok()?))
}

fn mixers(nodes: &[NodeProto], steps: &[Step]) -> Vec<Mixer> {
    let made: BTreeSet<&String> = nodes.iter().flat_map(|node| &node.output).collect();
    let blocks = steps.iter().filter(|step| step.step == 0).map(|step| &step.block);
    let mixer = |block: &String| {
        let (before, after) = (format!("{block}.norm1"), format!("{block}.mixer.project"));
        let both = made.contains(&before) && made.contains(&after);
        both.then(|| Mixer { block: block.clone(), before, after })
    };
    blocks.filter_map(mixer).collect()
}

/// Names and shapes of all weights.
fn weights(graph: &GraphProto) -> Result<Vec<(String, Vec<i64>)>, prost::DecodeError> {
    let weight = |bytes: &Vec<u8>| TensorProto::decode(bytes.as_slice()).map(|weight| (weight.name, weight.dims));
    graph.initializer.iter().map(weight).collect()
}

/// A weight; `None` if there is none of that name.
fn tensor(graph: &GraphProto, name: &str) -> Result<Option<TensorProto>, String> {
    for bytes in &graph.initializer {
        let tensor = TensorProto::decode(bytes.as_slice()).map_err(|e| e.to_string())?;
        if tensor.name == name {
            return Ok(Some(tensor));
        }
    }
    Ok(None)
}

/// The values of a weight; `None` if there is none of that name.
fn floats(graph: &GraphProto, name: &str) -> Result<Option<Vec<f32>>, String> {
    const FLOAT: i32 = 1;
    let Some(tensor) = tensor(graph, name)? else { return Ok(None) };
    let (words, rest) = tensor.raw_data.as_chunks::<4>();
    if tensor.data_type != FLOAT || !rest.is_empty() {
        return Err(format!("'{name}' does not hold 32-bit floats as bytes"));
    }
    Ok(Some(words.iter().map(|word| f32::from_le_bytes(*word)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_of_a_model_is_found() {
        let model = artir_core::zoo::open("ct-ldct-t").unwrap();
        let network = Network::of(&model).unwrap();
        let names: Vec<&str> = network.stages.iter().map(|stage| stage.value.as_str()).collect();
        let expected =
            ["encoder1.0", "encoder2.0", "encoder3.0", "decoder3.0", "decoder2.0", "decoder1.0", "refinement.3"];
        assert_eq!(names, expected);
        let sizes: Vec<_> = network.steps.iter().map(|s| (s.block.as_str(), s.step, s.size, s.b.len())).collect();
        let of = |block| [(block, 0, 15, 225), (block, 1, 31, 961), (block, 2, 63, 3969)];
        assert_eq!(sizes, [of("encoder3.0"), of("decoder3.0")].concat());
        assert!(network.steps.iter().all(|step| step.a.is_some() && step.weights.is_some()));
        assert_eq!(network.steps[1].input, "encoder3.0.mixer.mixed.0");
        let blocks: Vec<_> = network.mixers.iter().map(|mixer| mixer.block.as_str()).collect();
        assert_eq!(blocks, ["encoder3.0", "decoder3.0"]);
        assert_eq!((network.deepest(), network.width), ("decoder3.0", 32));
    }

    #[test]
    fn a_function_takes_the_names_of_its_caller() {
        let node = |kind: &str, inputs: &[&str], outputs: &[&str]| NodeProto {
            input: inputs.iter().map(ToString::to_string).collect(),
            output: outputs.iter().map(ToString::to_string).collect(),
            op_type: kind.into(),
            ..NodeProto::default()
        };
        let function = FunctionProto {
            name: "F".into(),
            input: vec!["x".into(), "w".into()],
            output: vec!["y".into()],
            node: vec![node("Mul", &["x", "w"], &["inner"]), node("Relu", &["inner"], &["y"])],
            domain: String::new(),
        };
        let mut nodes = vec![node("Abs", &["in"], &["a"]), node("F", &["a", "weight"], &["out"])];
        expand(&mut nodes, &function);
        let expected = [
            node("Abs", &["in"], &["a"]),
            node("Mul", &["a", "weight"], &["inner"]),
            node("Relu", &["inner"], &["out"]),
        ];
        assert_eq!(nodes, expected);
    }
}
