"""A model's card as Markdown.

python -m artir_train.card models/zoo/ct-ldct-t.onnx -o models/zoo/ct-ldct-t.md
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .model_file import read_card


def figure(results: dict) -> dict:
    """A card's figure from what ``artir validate`` found (its results.json)."""
    model = results["model"]["name"]
    found = {method["name"]: method for method in results["methods"]}
    made = {
        "set": results["suite"],
        "protocol": results["protocol"]["name"],
        "images": found[model]["images"],
    }
    for name, prefix in (("input", "input_"), (model, "")):
        for kind, digits in (("psnr", 2), ("rmse", 4), ("suv_max", 3)):
            if found[name].get(kind):
                made[prefix + kind] = round(found[name][kind]["mean"], digits)
    return made


def markdown(card: dict, digest: str) -> str:
    """The card in words, for people."""
    given, training = card["input"], card["training"]
    lines = [
        f"# {card['name']} {card['version']}",
        "",
        "Rendered from the card inside the model file; do not edit.",
        "",
        f"- task: {card['task']}",
        f"- network: ArtIR-{card['variant']}, {card['parameters']:,} parameters, "
        f"{card['macs_256'] / 1e9:.2f} G multiply-adds for 256x256 pixels",
        f"- input: {given['channels']} channel(s), unit {given['unit']}, "
        f"{given['range'][0]} to {given['range'][1]}",
        f"- tiles: {card['tile']} with an overlap of {card['overlap']}; "
        f"reach {card['reach']} pixels",
        f"- sha256: `{digest}`",
        f"- licence: {card['licence']}",
        "",
        "## Limits",
        "",
        card["limits"],
        "",
        "## Training",
        "",
        training["summary"],
        "",
        f"{training['patches']:,} patches of {training['patch_size']} pixels, "
        f"{training['steps']:,} steps, seed {training['seed']}, {training['hours']:.2f} hours on "
        f"{training['hardware']}.",
        "",
    ]
    lines += [f"- {d['name']} ({d['licence']}): {d['citation']}" for d in training["data"]]
    lines += ["", "## Figures", ""]
    if card["figures"]:
        lines += ["Measured by `artir validate`.", ""]
        unit = given["unit"]
        heads = ["set", "protocol", "images", "input dB", "result dB"]
        heads += [f"input RMSE, {unit}", f"result RMSE, {unit}"]
        kept = any("suv_max" in f for f in card["figures"])
        heads += ["SUVmax of hot spots kept: input", "result"] if kept else []
        lines += [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        for f in card["figures"]:
            cells = [f["set"], f["protocol"], str(f["images"])]
            cells += [f"{f[key]:.2f}" for key in ("input_psnr", "psnr")]
            cells += [f"{f[key]:.4g}" for key in ("input_rmse", "rmse")]
            cells += [f"{f[key]:.1%}" for key in ("input_suv_max", "suv_max") if key in f]
            lines.append(f"| {' | '.join(cells)} |")
    else:
        lines.append("None measured.")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    text = markdown(*read_card(options.model))
    if options.output:
        options.output.write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
