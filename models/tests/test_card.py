"""Card figures from what ``artir validate`` writes."""

import json
import sys
from pathlib import Path

import onnx

from artir_train.card import figure, main, markdown, with_texts, worse
from artir_train.model_file import read_card, replace_card

ZOO = Path(__file__).resolve().parents[1] / "zoo"


def results():
    def image(before, after):
        return {"methods": {"input": {"psnr": before}, "model": {"psnr": after}}}

    def method(name, psnr):
        return {"name": name, "images": 3, "psnr": {"mean": psnr}, "rmse": {"mean": 0.25}}

    return {
        "suite": "A set",
        "protocol": {"name": "pet-slice", "unit": "SUV"},
        "model": {"name": "model"},
        "strength": 0.75,
        "methods": [method("input", 20.004), method("model", 25.0) | {"suv_max": {"mean": 0.9}}],
        "images": [image(20.0, 19.0), image(20.0, 21.0), image("inf", 30.0)],
    }


def test_images_made_worse_are_counted_exact_ones_too():
    assert worse(results()["images"], "model") == 2


def test_a_figure_has_what_was_measured_and_the_card_shows_it():
    made = figure(results())
    assert made == {
        "set": "A set",
        "protocol": "pet-slice",
        "rmse_unit": "SUV",
        "strength": 0.75,
        "images": 3,
        "worse": 2,
        "input_psnr": 20.0,
        "input_rmse": 0.25,
        "psnr": 25.0,
        "rmse": 0.25,
        "suv_max": 0.9,
    }
    card = {
        "name": "model",
        "version": "1",
        "task": "pet-enhance",
        "variant": "T",
        "parameters": 1,
        "macs_256": 1,
        "input": {"channels": 1, "unit": "SUV", "range": [0, 20]},
        "tile": 512,
        "overlap": 64,
        "reach": 480,
        "licence": "MIT",
        "limits": "-",
        "training": {
            "summary": "-",
            "patches": 6,
            "patch_size": 128,
            "steps": 3,
            "seed": 5,
            "hours": 1,
            "hardware": "-",
            "data": [],
        },
        "figures": [made],
    }
    text = markdown(card, "0")
    assert "- strength" not in text
    assert "- strength: 0.8 is" in markdown(card | {"strength": 0.8}, "0")
    assert "| A set | pet-slice | 0.75 | 3 | 2 | 20.00 | 25.00 | 0.25 | 0.25 |  | 90.0% |" in text
    assert "3 steps, seed 5" in text


def test_texts_are_replaced_inside_the_file_and_nothing_else(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes((ZOO / "ct-ldct-t.onnx").read_bytes())
    before, digest = read_card(path)
    graph = onnx.load(path).graph
    texts = json.loads(json.dumps(before)) | {
        "limits": "For: a test.\nNot for: use.",
        "figures": [],
    }
    texts["training"]["summary"], texts["training"]["steps"] = "None.", 0
    replace_card(path, with_texts(before, texts))
    after, other = read_card(path)
    assert other != digest and onnx.load(path).graph == graph
    assert after["limits"] == "For: a test.\nNot for: use."
    assert after["training"]["summary"] == "None."
    assert after["figures"] == before["figures"]
    assert after["training"]["steps"] == before["training"]["steps"]
    assert "For: a test.\n\nNot for: use." in markdown(after, other)


def test_figures_are_put_into_the_file(tmp_path, monkeypatch):
    path, page, measured = tmp_path / "model.onnx", tmp_path / "model.md", tmp_path / "results.json"
    path.write_bytes((ZOO / "pet-lowcount-3-t.onnx").read_bytes())
    before, _ = read_card(path)
    measured.write_text(json.dumps(results()))
    arguments = ["artir-card", path, "--figures", measured, "--figures", measured, "-o", page]
    monkeypatch.setattr(sys, "argv", [str(a) for a in arguments])
    main()
    after, digest = read_card(path)
    assert after == before | {"figures": [figure(results())] * 2}
    assert page.read_text() == markdown(after, digest)
