"""Exports a trained network as one ONNX file.

    artir-export models/runs/ct-ldct-t/checkpoint.pt \\
        --card models/configs/ct-ldct-t.card.json -o models/zoo/ct-ldct-t.onnx

``artir validate`` measures the card's figures: export, measure, and export again with ``--figures
RESULTS.json`` (several). The weights stay the same.

The graph is built node by node from the modules, so that names are readable and the same weights
give the same bytes. Ablations of the paper's network are exported as standard operators.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from onnx import ModelProto, checker, helper

from . import ablation_graph, graph, model_file, onnx_ops
from .card import figure
from .macs import multiply_adds
from .network import ArtIR, Config, parameter_count


def build(model: ArtIR) -> ModelProto:
    """The model: ``image`` [N, C, H, W] in, ``restored`` of the same shape out."""
    made = _one_operator(model) if model.config.is_papers() else ablation_graph.build(model)
    checker.check_model(made)
    return made


def _one_operator(model: ArtIR) -> ModelProto:
    """The paper's network as a node ``artir.Network``, with its definition as a function."""
    function, weights = graph.network_function(model)
    node = helper.make_node(
        graph.NETWORK,
        ["image", *(weight.name for weight in weights)],
        ["restored"],
        name="network",
        domain=onnx_ops.DOMAIN,
        depths=list(model.config.depths),
        kernel_sizes=list(model.config.kernel_sizes()),
    )
    functions = [
        function,
        graph.block_function(),
        *(graph.modulation_function(refined) for refined in (False, True)),
        onnx_ops.large_kernel_function(),
    ]
    return onnx_ops.model([node], weights, functions, model.config.in_channels)


def export(model: ArtIR, card: dict, path: Path) -> str:
    """Writes the model with its card, to which it adds the counts; returns the model's hash."""
    card = dict(
        card,
        variant=model.config.variant_name(),
        parameters=parameter_count(model),
        macs_256=multiply_adds(model.config, 256, 256),
    )
    return model_file.write(build(model), card, path)


def keep_neighbours(model: ArtIR, slices: int) -> None:
    """Lets a network of neighbouring slices return all but the middle one as they came: their
    results were not trained."""
    with torch.no_grad():
        for channel in set(range(slices)) - {slices // 2}:
            model.tail.weight[channel] = 0
            model.tail.bias[channel] = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--card", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--figures", type=Path, action="append", default=[])
    options = parser.parse_args()
    state = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
    model = ArtIR(Config(**state["config"]))
    model.load_state_dict(state["weights"])
    keep_neighbours(model, state["settings"].get("slices", 1))
    card = json.loads(options.card.read_text())
    card["training"] |= {
        "patches": state["patches"],
        "steps": state["steps"],
        "seed": state["settings"]["seed"],
        "hours": round(state["hours"], 3),
    }
    card["figures"] = [figure(json.loads(path.read_text())) for path in options.figures]
    print(export(model, card, options.output))


if __name__ == "__main__":
    main()
