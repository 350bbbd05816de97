//! Placement of nodes on providers, read from ONNX Runtime's profile of a run.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use crate::error::ProfileError;

/// Nodes of one operator on one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePlacement {
    /// The provider, by ONNX Runtime's name.
    pub provider: String,
    /// The operator.
    pub operator: String,
    /// How many nodes.
    pub nodes: usize,
}

/// The placement in a profile of one run.
///
/// # Errors
/// The reason why the profile is unusable.
pub(crate) fn read(profile: &Path) -> Result<Vec<NodePlacement>, ProfileError> {
    let text =
        std::fs::read_to_string(profile).map_err(|source| ProfileError::Read { path: profile.to_owned(), source })?;
    parse(&text)
}

fn parse(profile: &str) -> Result<Vec<NodePlacement>, ProfileError> {
    let events: Vec<Value> = serde_json::from_str(profile)?;
    let mut counts = BTreeMap::new();
    for event in &events {
        let is_kernel = event["cat"] == "Node" && event["name"].as_str().is_some_and(|n| n.ends_with("_kernel_time"));
        if let (true, Some(provider), Some(operator)) =
            (is_kernel, event["args"]["provider"].as_str(), event["args"]["op_name"].as_str())
        {
            *counts.entry((provider.to_owned(), operator.to_owned())).or_insert(0) += 1;
        }
    }
    if counts.is_empty() {
        return Err(ProfileError::Empty);
    }
    Ok(counts.into_iter().map(|((provider, operator), nodes)| NodePlacement { provider, operator, nodes }).collect())
}

/// The nodes that run on the CPU, in words; `None` if there are none.
pub(crate) fn on_cpu(placed: &[NodePlacement]) -> Option<String> {
    let landed: Vec<String> = placed
        .iter()
        .filter(|p| p.provider == "CPUExecutionProvider")
        .map(|p| format!("{} {}", p.nodes, p.operator))
        .collect();
    (!landed.is_empty()).then(|| landed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_counted_by_provider_and_operator() {
        let event = |name: &str, provider: &str, operator: &str| {
            format!(r#"{{"cat":"Node","name":"{name}","args":{{"op_name":"{operator}","provider":"{provider}"}}}}"#)
        };
        let gpu = "CUDAExecutionProvider";
        let events = [
            r#"{"cat":"Session","name":"model_run","args":{}}"#.to_owned(),
            event("a_kernel_time", gpu, "Conv"),
            event("b_kernel_time", gpu, "Conv"),
            event("b_fence_before", gpu, "Conv"),
            event("c_kernel_time", "CPUExecutionProvider", "Shape"),
        ];
        let placed = parse(&format!("[{}]", events.join(","))).unwrap();
        let one = |provider: &str, operator: &str, nodes| NodePlacement {
            provider: provider.into(),
            operator: operator.into(),
            nodes,
        };
        assert_eq!(placed, [one("CPUExecutionProvider", "Shape", 1), one(gpu, "Conv", 2)]);
        assert_eq!(on_cpu(&placed).unwrap(), "1 Shape");
        assert_eq!(on_cpu(&placed[1..]), None);
        assert!(parse("[]").is_err());
        assert!(parse("no JSON").is_err());
    }
}
