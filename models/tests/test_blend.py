"""Weights between those of a run and those that it began with."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from artir_train import weights  # noqa: E402
from artir_train.blend import blended  # noqa: E402
from artir_train.network import ArtIR, Config  # noqa: E402

pytestmark = pytest.mark.torch
START = Path(__file__).parents[1] / "zoo" / "ct-ldct-t.onnx"


def checkpoint(channels=1):
    model = ArtIR(Config.variant("T", channels))
    if channels == 1:
        weights.load(START, model)
    moved = {name: value + 0.5 for name, value in model.state_dict().items()}
    config = {name: getattr(model.config, name) for name in Config.__dataclass_fields__}
    return model, {"config": config, "settings": {}, "weights": moved, "steps": 7}


def test_a_share_of_the_change_is_taken():
    model, state = checkpoint()
    for share in (0.0, 0.25, 1.0):
        made = blended(state, START, share)
        assert made["steps"] == 7
        for name, value in model.state_dict().items():
            assert torch.allclose(made["weights"][name], value + 0.5 * share, atol=1e-6), name


def test_a_start_of_another_shape_is_refused():
    _, state = checkpoint(channels=3)
    with pytest.raises(ValueError, match="ct-ldct-t.onnx: weight"):
        blended(state, START, 0.5)
