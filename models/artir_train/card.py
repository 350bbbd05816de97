"""A model's card as Markdown.

python -m artir_train.card models/zoo/ct-ldct-t.onnx -o models/zoo/ct-ldct-t.md
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .model_file import read_card


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
        f"{training['hours']:.2f} hours on {training['hardware']}.",
        "",
    ]
    lines += [f"- {d['name']} ({d['licence']}): {d['citation']}" for d in training["data"]]
    lines += ["", "## Figures", ""]
    if card["figures"]:
        lines += ["| set | protocol | images | input dB | result dB |", "|---|---|---|---|---|"]
        lines += [
            f"| {f['set']} | {f['protocol']} | {f['images']} "
            f"| {f['input_psnr']:.2f} | {f['psnr']:.2f} |"
            for f in card["figures"]
        ]
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
