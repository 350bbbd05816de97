"""Renders a model's card as Markdown.

artir-card models/zoo/ct-ldct-t.onnx -o models/zoo/ct-ldct-t.md

``--texts CARD.json`` and ``--figures RESULTS.json`` (several) first put the texts of a card and
what ``artir validate`` measured into the model file, whose weights stay the same.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .model_file import read_card, replace_card


def worse(images: list[dict], method: str) -> int:
    """Number of images of a results.json whose PSNR the method lowers."""

    def psnr(image: dict, name: str) -> float:
        return float(image["methods"][name].get("psnr", "nan"))

    return sum(psnr(image, method) < psnr(image, "input") for image in images)


def figure(results: dict) -> dict:
    """A card's figure from a results.json of ``artir validate``."""
    model = results["model"]["name"]
    found = {method["name"]: method for method in results["methods"]}
    made = {
        "set": results["suite"],
        "protocol": results["protocol"]["name"],
        "rmse_unit": results["protocol"]["unit"],
        "strength": results["strength"],
        "images": found[model]["images"],
        "worse": worse(results["images"], model),
    }
    for name, prefix in (("input", "input_"), (model, "")):
        for kind, digits in (("psnr", 2), ("rmse", 4), ("suv_max", 3)):
            if found[name].get(kind):
                made[prefix + kind] = round(found[name][kind]["mean"], digits)
    return made


def seen(given: dict) -> str:
    """The channels of a card's input in words."""
    if given.get("slices", 1) == 1:
        return f"{given['channels']} channel(s)"
    apart = f", up to {given['slices_apart']:g} mm apart" if "slices_apart" in given else ""
    return f"{given['slices']} neighbouring slices{apart}, of which the middle one is restored"


def strength_lines(card: dict) -> list[str]:
    """The card's recommended strength, as a line of Markdown."""
    if "strength" not in card:
        return []
    return [f"- strength: {card['strength']:g} is the recommended and measured value"]


def markdown(card: dict, digest: str) -> str:
    """The card in words, for people."""
    given, training = card["input"], card["training"]
    steps = ""
    if "steps" in training:
        steps = f"{training['steps']:,} steps, seed {training['seed']}, "
    lines = [
        f"# {card['name']} {card['version']}",
        "",
        "Rendered from the card inside the model file; do not edit.",
        "",
        f"- task: {card['task']}",
        f"- network: ArtIR-{card['variant']}, {card['parameters']:,} parameters, "
        f"{card['macs_256'] / 1e9:.2f} G multiply-adds for 256x256 pixels",
        f"- input: {seen(given)}, unit {given['unit']}, {given['range'][0]} to {given['range'][1]}",
        f"- tiles: {card['tile']} with an overlap of {card['overlap']}; "
        f"reach {card['reach']} pixels",
        *strength_lines(card),
        f"- sha256: `{digest}`",
        f"- licence: {card['licence']}",
        "",
        "## Use and limits",
        "",
        card["limits"].replace("\n", "\n\n"),
        "",
        "## Training",
        "",
        training["summary"],
        "",
        f"{training['patches']:,} patches of {training['patch_size']} pixels, "
        f"{steps}{training['hours']:.2f} hours on {training['hardware']}.",
        "",
    ]
    lines += [f"- {d['name']} ({d['licence']}): {d['citation']}" for d in training["data"]]
    lines += ["", "## Figures", ""]
    if card["figures"]:
        unit = card["figures"][0].get("rmse_unit", given["unit"])
        kept = any("suv_max" in f for f in card["figures"])
        strengths = any("strength" in f for f in card["figures"])
        heads = ["set", "protocol", *(["strength"] if strengths else [])]
        heads += ["images", "made worse", "input dB", "result dB"]
        heads += [f"input RMSE, {unit}", f"result RMSE, {unit}"]
        heads += ["SUVmax of hot spots kept: input", "result"] if kept else []
        lines += [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        keys = [("worse", "{}"), ("input_psnr", "{:.2f}"), ("psnr", "{:.2f}")]
        keys += [("input_rmse", "{:.4g}"), ("rmse", "{:.4g}")]
        keys += [("input_suv_max", "{:.1%}"), ("suv_max", "{:.1%}")] if kept else []
        for f in card["figures"]:
            cells = [f["set"], f["protocol"]]
            cells += [f"{f['strength']:g}" if "strength" in f else ""] if strengths else []
            cells.append(str(f["images"]))
            # Older cards lack some fields.
            cells += [form.format(f[key]) if key in f else "" for key, form in keys]
            lines.append(f"| {' | '.join(cells)} |")
    else:
        lines.append("None measured.")
    return "\n".join(lines) + "\n"


def with_texts(card: dict, texts: dict) -> dict:
    """A card with the texts of another."""
    training = {key: texts["training"][key] for key in ("summary", "hardware", "data")}
    return card | {
        "limits": texts["limits"],
        "licence": texts["licence"],
        "training": card["training"] | training,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--texts", type=Path, metavar="CARD.json")
    parser.add_argument("--figures", type=Path, action="append", metavar="RESULTS.json")
    options = parser.parse_args()
    card, _ = read_card(options.model)
    if options.texts:
        card = with_texts(card, json.loads(options.texts.read_text()))
    if options.figures:
        card["figures"] = [figure(json.loads(path.read_text())) for path in options.figures]
    if options.texts or options.figures:
        replace_card(options.model, card)
    text = markdown(*read_card(options.model))
    if options.output:
        options.output.write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
