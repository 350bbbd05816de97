//! Whether a model's file holds all of its weights.
//!
//! A tensor of ONNX may name another file for its values. Of a model in memory, ONNX Runtime takes such a file from the current
//! folder, whatever lies there, and the checksum of the model does not count it.

use crate::model::next_field;

/// Messages of ONNX (onnx.proto) in which a tensor can lie.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Message {
    Model,
    Graph,
    Function,
    Node,
    Attribute,
    SparseTensor,
    Tensor,
}

/// `TensorProto.external_data`.
const EXTERNAL_DATA: u64 = 13;
/// Messages within messages that are followed: as many as ONNX Runtime's own reader takes.
const MOST_LEVELS: usize = 100;

impl Message {
    /// The message in a field, if a tensor can lie in it.
    fn within(self, field: u64) -> Option<Self> {
        Some(match (self, field) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Model, 25) => Self::Function,
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Node, 5) | (Self::Function, 11) => Self::Attribute,
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Self::SparseTensor,
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => Self::Tensor,
            _ => return None,
        })
    }
}

/// Whether the bytes of an ONNX file hold the values of all of its tensors. False also for bytes that cannot be
/// read to their end.
pub fn is_self_contained(model: &[u8]) -> bool {
    holds_all(model, Message::Model, MOST_LEVELS)
}

fn holds_all(mut rest: &[u8], message: Message, levels: usize) -> bool {
    while !rest.is_empty() {
        let Some((field, value)) = next_field(&mut rest) else { return false };
        let Some(value) = value else { continue };
        if message == Message::Tensor && field == EXTERNAL_DATA {
            return false;
        }
        if let Some(inner) = message.within(field)
            && (levels == 0 || !holds_all(value, inner, levels - 1))
        {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo;

    /// A field of bytes, shorter than 128.
    fn field(number: u8, value: &[u8]) -> Vec<u8> {
        let tag = usize::from(number) << 3 | 2;
        let tag = if tag < 128 { vec![tag as u8] } else { vec![tag as u8 | 0x80, (tag >> 7) as u8] };
        [tag.as_slice(), &[value.len() as u8], value].concat()
    }

    /// A tensor within messages: the fields from the model inwards.
    fn model(path: &[u8], tensor: &[u8]) -> Vec<u8> {
        path.iter().rev().fold(tensor.to_vec(), |inner, number| field(*number, &inner))
    }

    #[test]
    fn a_tensor_with_values_elsewhere_is_found_wherever_it_lies() {
        // Type and raw values; the same with an entry of external data.
        let inside = [[0x10u8, 1].as_slice(), &field(9, &[0; 4])].concat();
        let outside = [inside.as_slice(), &field(13, &field(1, b"location"))].concat();
        for path in [
            [7, 5].as_slice(),
            &[7, 15, 1],
            &[7, 15, 2],
            &[7, 1, 5, 5],
            &[7, 1, 5, 10],
            &[7, 1, 5, 22, 1],
            &[7, 1, 5, 23, 2],
            &[7, 1, 5, 6, 5],
            &[7, 1, 5, 11, 1, 5, 5],
            &[25, 7, 5, 5],
            &[25, 11, 5],
        ] {
            assert!(is_self_contained(&model(path, &inside)), "{path:?}");
            assert!(!is_self_contained(&model(path, &outside)), "{path:?}");
        }
        // The same number means something else in other messages.
        assert!(is_self_contained(&model(&[7, 13], b"value")));
    }

    #[test]
    fn what_cannot_be_read_to_its_end_is_not_taken_for_whole() {
        assert!(!is_self_contained(&[0x3a, 9, 1]));
        // A group, which the reader of ONNX skips.
        assert!(!is_self_contained(&field(7, &[0x0b, 0x0c])));
        for name in zoo::names() {
            assert!(is_self_contained(zoo::open(name).unwrap().bytes()), "{name}");
        }
    }
}
