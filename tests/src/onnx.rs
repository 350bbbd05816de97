//! A writer of small ONNX models for tests and benchmarks: just enough protobuf (onnx.proto of ONNX 1.16).

/// Element types of `TensorProto.DataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// 32-bit float.
    F32 = 1,
    /// 64-bit integer.
    I64 = 7,
    /// 16-bit float.
    F16 = 10,
}

/// A dimension: a number, or a name for one that is known at run time.
#[derive(Clone, Copy, Debug)]
pub enum Dim {
    /// Known.
    Is(i64),
    /// Known at run time.
    Named(&'static str),
}

/// A model under construction.
#[derive(Clone, Debug, Default)]
pub struct Model {
    graph: Vec<u8>,
    metadata: Vec<u8>,
}

impl Model {
    /// An empty graph.
    pub fn new() -> Self {
        let mut model = Self::default();
        bytes(&mut model.graph, 2, b"test");
        model
    }

    /// Adds an input.
    pub fn input(mut self, name: &str, of: Type, dims: &[Dim]) -> Self {
        bytes(&mut self.graph, 11, &value_info(name, of, dims));
        self
    }

    /// Adds an output.
    pub fn output(mut self, name: &str, of: Type, dims: &[Dim]) -> Self {
        bytes(&mut self.graph, 12, &value_info(name, of, dims));
        self
    }

    /// Adds a constant from its little-endian bytes.
    pub fn constant(mut self, name: &str, of: Type, dims: &[i64], raw: &[u8]) -> Self {
        let mut tensor = Vec::new();
        for &dim in dims {
            int(&mut tensor, 1, dim);
        }
        int(&mut tensor, 2, of as i64);
        bytes(&mut tensor, 8, name.as_bytes());
        bytes(&mut tensor, 9, raw);
        bytes(&mut self.graph, 5, &tensor);
        self
    }

    /// Adds a constant of 32-bit floats.
    pub fn floats(self, name: &str, dims: &[i64], values: &[f32]) -> Self {
        let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, Type::F32, dims, &raw)
    }

    /// Adds a node of a standard operator or, as `domain.Name`, of another domain's.
    pub fn node(mut self, kind: &str, inputs: &[&str], outputs: &[&str], attributes: &[(&str, Value<'_>)]) -> Self {
        let (domain, kind) = kind.rsplit_once('.').unwrap_or(("", kind));
        let mut node = Vec::new();
        for input in inputs {
            bytes(&mut node, 1, input.as_bytes());
        }
        for output in outputs {
            bytes(&mut node, 2, output.as_bytes());
        }
        bytes(&mut node, 4, kind.as_bytes());
        for (name, value) in attributes {
            let mut attribute = Vec::new();
            bytes(&mut attribute, 1, name.as_bytes());
            match value {
                Value::Int(v) => {
                    int(&mut attribute, 3, *v);
                    int(&mut attribute, 20, 2);
                }
                Value::Text(v) => {
                    bytes(&mut attribute, 4, v.as_bytes());
                    int(&mut attribute, 20, 3);
                }
            }
            bytes(&mut node, 5, &attribute);
        }
        bytes(&mut node, 7, domain.as_bytes());
        bytes(&mut self.graph, 1, &node);
        self
    }

    /// Adds an entry of `metadata_props`, which stands at the file's end.
    pub fn metadata(mut self, key: &str, value: &str) -> Self {
        let mut entry = Vec::new();
        bytes(&mut entry, 1, key.as_bytes());
        bytes(&mut entry, 2, value.as_bytes());
        bytes(&mut self.metadata, 14, &entry);
        self
    }

    /// The file as artir takes it: with a card (JSON) and, as its last entry, the checksum of what stands before it.
    pub fn finish_with_card(self, card: &str) -> Vec<u8> {
        use sha2::{Digest, Sha256};
        let mut model = self.metadata("artir.card", card);
        let sum: String = Sha256::digest(model.finish()).iter().map(|b| format!("{b:02x}")).collect();
        model = model.metadata("artir.sha256", &sum);
        model.finish()
    }

    /// The file: opset 18 of the standard operators, version 1 of artir's.
    pub fn finish(&self) -> Vec<u8> {
        let mut out = Vec::new();
        int(&mut out, 1, 9);
        for (domain, version) in [("", 18), ("artir", 1)] {
            let mut opset = Vec::new();
            bytes(&mut opset, 1, domain.as_bytes());
            int(&mut opset, 2, version);
            bytes(&mut out, 8, &opset);
        }
        bytes(&mut out, 7, &self.graph);
        out.extend_from_slice(&self.metadata);
        out
    }
}

/// An attribute's value.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// An integer.
    Int(i64),
    /// A string.
    Text(&'a str),
}

fn value_info(name: &str, of: Type, dims: &[Dim]) -> Vec<u8> {
    let mut shape = Vec::new();
    for dim in dims {
        let mut one = Vec::new();
        match dim {
            Dim::Is(n) => int(&mut one, 1, *n),
            Dim::Named(name) => bytes(&mut one, 2, name.as_bytes()),
        }
        bytes(&mut shape, 1, &one);
    }
    let mut tensor = Vec::new();
    int(&mut tensor, 1, of as i64);
    bytes(&mut tensor, 2, &shape);
    let mut kind = Vec::new();
    bytes(&mut kind, 1, &tensor);
    let mut out = Vec::new();
    bytes(&mut out, 1, name.as_bytes());
    bytes(&mut out, 2, &kind);
    out
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn int(out: &mut Vec<u8>, field: u64, value: i64) {
    varint(out, field << 3);
    varint(out, value as u64);
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}
