"""Identity models: every difference between source and output then comes from artir itself."""

import hashlib
import json
from pathlib import Path

from onnx import TensorProto, checker, helper

from ..conformance.models import card, entry


def write(path: Path, channels: int) -> Path:
    """Writes a dehazing model of so many channels that returns its input."""
    told = card("ct-denoise", f"identity-{channels}", 0)
    told["task"] = "dehaze"
    told["input"] = {
        "channels": channels,
        "unit": "1",
        "range": [0, 1],
        "network_range": [0, 1],
    }
    shape = ["n", channels, "h", "w"]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name in ("image", "restored")
    ]
    node = helper.make_node("Identity", ["image"], ["restored"])
    graph = helper.make_graph([node], "test", ends[:1], ends[1:])
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 18)])
    checker.check_model(model)
    body = model.SerializeToString() + entry("artir.card", json.dumps(told))
    path.write_bytes(body + entry("artir.sha256", hashlib.sha256(body).hexdigest()))
    return path
