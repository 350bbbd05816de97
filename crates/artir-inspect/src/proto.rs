//! The messages of `onnx.proto` that a network needs. What is only passed on stays bytes.

use prost::Message;
use sha2::{Digest, Sha256};

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ModelProto {
    #[prost(int64, tag = "1")]
    pub(crate) ir_version: i64,
    #[prost(message, optional, tag = "7")]
    pub(crate) graph: Option<GraphProto>,
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub(crate) opset_import: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "25")]
    pub(crate) functions: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    pub(crate) node: Vec<NodeProto>,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
    #[prost(bytes = "vec", repeated, tag = "5")]
    pub(crate) initializer: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "11")]
    pub(crate) input: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "12")]
    pub(crate) output: Vec<ValueInfoProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    pub(crate) input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) output: Vec<String>,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
    #[prost(string, tag = "4")]
    pub(crate) op_type: String,
    #[prost(bytes = "vec", repeated, tag = "5")]
    pub(crate) attribute: Vec<Vec<u8>>,
    #[prost(string, tag = "7")]
    pub(crate) domain: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct FunctionProto {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, repeated, tag = "4")]
    pub(crate) input: Vec<String>,
    #[prost(string, repeated, tag = "5")]
    pub(crate) output: Vec<String>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) node: Vec<NodeProto>,
    #[prost(string, tag = "10")]
    pub(crate) domain: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ValueInfoProto {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(crate) kind: Option<Vec<u8>>,
}

/// A `TypeProto` of a tensor of 32-bit floats, whose shape ONNX Runtime infers.
pub(crate) const FLOATS: [u8; 4] = [0x0a, 2, 0x08, 1];

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TensorProto {
    #[prost(int64, repeated, tag = "1")]
    pub(crate) dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub(crate) data_type: i32,
    #[prost(string, tag = "8")]
    pub(crate) name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub(crate) raw_data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct StringStringEntryProto {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// The entries at the end of a model file, as a message that holds nothing else.
#[derive(Clone, PartialEq, Message)]
struct MetadataProps {
    #[prost(message, repeated, tag = "14")]
    entry: Vec<StringStringEntryProto>,
}

/// A graph with its card (JSON) and its checksum, as a model file ends (decision 009).
pub(crate) fn sealed(mut graph: Vec<u8>, card: &str) -> Vec<u8> {
    let append = |key: &str, value: &str, to: &mut Vec<u8>| {
        let entry = StringStringEntryProto { key: key.to_owned(), value: value.to_owned() };
        to.extend(MetadataProps { entry: vec![entry] }.encode_to_vec());
    };
    append("artir.card", card, &mut graph);
    let hash: String = Sha256::digest(&graph).iter().map(|byte| format!("{byte:02x}")).collect();
    append("artir.sha256", &hash, &mut graph);
    graph
}

/// A network whose weights, which have shapes alone, get values by their name, shape and number.
pub(crate) fn filled(network: &[u8], value: fn(&str, &[i64], usize) -> f32) -> Result<Vec<u8>, prost::DecodeError> {
    let mut model = ModelProto::decode(network)?;
    for bytes in model.graph.iter_mut().flat_map(|graph| &mut graph.initializer) {
        let mut weight = TensorProto::decode(bytes.as_slice())?;
        let count: usize = weight.dims.iter().map(|n| usize::try_from(*n).unwrap_or(0)).product();
        let values = (0..count).flat_map(|n| value(&weight.name, &weight.dims, n).to_le_bytes());
        weight.raw_data = values.collect();
        *bytes = weight.encode_to_vec();
    }
    Ok(model.encode_to_vec())
}
