"""Writes validation/baselines.md: every method at its best parameters, and artir's model.

    make baselines                               all sets
    make baselines SETS="ct-real-b30 pet"        some of them
    make baselines SETS="--known ct-real-b30"    a new model; the methods keep their parameters

Parameters are chosen for the best mean PSNR on the measured images, which flatters the baselines.
Every figure in the table is measured by `artir validate`.
"""

import json
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from artir_train.card import worse
from artir_train.ct_slices import noise_level
from artir_train.data import own_noise
from artir_train.model_file import read_card

from ..restorer import Restorer
from .methods import DEHAZERS, DENOISERS, SMOOTHERS, Method
from .sets import SETS, WORK, ZOO, TestSet

ROOT = Path(__file__).resolve().parents[3]
TABLE = ROOT / "validation" / "baselines.md"
HEAD = """# Baselines

Methods that need no training, at their best parameters, compared with artir's models. Written by
`make baselines`; do not edit. The parameters of the methods are the best of a small grid on the
measured images, which flatters the methods. `artir validate` measures every figure by the named
protocol.
"""


def one(job: tuple[Method, dict, np.ndarray, float]) -> np.ndarray:
    """Restores one image."""
    method, parameters, image, sigma = job
    return method.restore(image, sigma, **parameters)


def in_words(parameters: dict) -> str:
    """Parameters as the table shows them."""
    return ", ".join(f"{k} {v}" for k, v in parameters.items())


def best(
    method: Method, test: TestSet, pool: ProcessPoolExecutor, before: str
) -> tuple[dict, Path]:
    """The best parameters, and the folder of their results. Parameters in the table's section
    ``before`` are taken from there."""
    settings = method.settings()
    rows = [line for line in before.splitlines() if line.startswith(f"| {method.name} |")]
    known = [s for s in settings if any(f"| {in_words(s)} |" in row for row in rows)]
    found = known[0] if known else chosen(method, test, pool)
    names = list(test.degraded)
    jobs = [(method, found, test.degraded[n], test.sigma[n]) for n in names]
    folder = test.folder(WORK) / method.name
    for name, result in zip(names, pool.map(one, jobs), strict=True):
        test.save(folder, name, result)
    return found, folder


def chosen(method: Method, test: TestSet, pool: ProcessPoolExecutor) -> dict:
    """The parameters of the highest mean PSNR on the set's sample.

    Along a single parameter the PSNR has one maximum, so the search ends where it falls.
    """
    found = None
    names = test.sample()
    for parameters in method.settings():
        jobs = [(method, parameters, test.part(test.degraded[n]), test.sigma[n]) for n in names]
        results = pool.map(one, jobs)
        psnr = np.mean([test.psnr(n, r) for n, r in zip(names, results, strict=True)])
        print(f"  {method.name} {parameters}: {psnr:.2f} dB", flush=True)
        if found is None or psnr > found[0]:
            found = (psnr, parameters)
        elif len(method.grid) == 1:
            break
    return found[1]


def restored(model: Path, test: TestSet) -> tuple[str, Path]:
    """A further model's version and strength, and the folder of its results."""
    restore = Restorer.onnx(model, ROOT / "target/release/libartir_ops.so")
    strength = restore.card.get("strength", 1.0)
    folder = test.folder(WORK) / model.stem
    for name, image in test.degraded.items():
        test.save(folder, name, restore(image, strength))
    return f"version {restore.card['version']}, strength {strength}", folder


def section(test: TestSet, pool: ProcessPoolExecutor, before: str) -> str:
    """The set's section of the table. Parameters are taken from the section ``before``, if any."""
    print(test.title, flush=True)
    rows, also = {}, []
    for method in {"haze": DEHAZERS, "pet": SMOOTHERS}.get(test.task, DENOISERS):
        parameters, folder = best(method, test, pool, before)
        rows[method.name] = (in_words(parameters), method.source)
        also += ["--also", f"{folder}={method.name}"]
    for model in test.others:
        words, folder = restored(model, test)
        rows[model.stem] = (words, "artir" if model.parent == ZOO else "artir, not built in")
        also += ["--also", f"{folder}={model.stem}"]
    out = test.folder(WORK) / "figures"
    command = [
        ROOT / "target/release/artir",
        "validate",
        test.suite,
        "--data",
        test.data,
    ]
    command += ["-o", out, "--overwrite", "--show-paths", "-q", *also]
    strength = read_card(test.model)[0].get("strength", 1.0)
    command += ["--model", test.model, "--strength", str(strength)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    results = json.loads((out / "results.json").read_text())
    lines = [
        f"\n## {test.title}\n\n{len(test.degraded)} images, protocol "
        f"{results['protocol']['name']}.\n"
    ]
    if test.task == "ct":
        lines.append(f"{full_dose(test)}\n")
    columns = extra_columns(results)
    heads = [
        "method",
        "PSNR, dB",
        "SSIM",
        *(head for _, head, _ in columns),
        *(["made worse"] if test.task == "haze" else []),
        "parameters",
        "source",
    ]
    lines.append(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for method in results["methods"]:
        name = method["name"]
        words, source = rows.get(name, ("", ""))
        if name == results["model"]["name"]:
            words, source = (
                f"version {results['model']['version']}, strength {strength}",
                "artir",
            )
        ssim = f"{method['ssim']['mean']:.4f}" if method.get("ssim") else ""
        more = [
            form.format(method[key]["mean"]) if method.get(key) else "" for key, _, form in columns
        ]
        if test.task == "haze":
            more.append("" if name == "input" else str(worse(results["images"], name)))
        psnr = f"{method['psnr']['mean']:.2f}" if method.get("psnr") else "inf"
        cells = [name, psnr, ssim, *more, words, source]
        lines.append(f"| {' | '.join(cells)} |")
    if test.group:
        lines += by_group(test, results)
    return "\n".join(lines) + "\n"


def by_group(test: TestSet, results: dict) -> list[str]:
    """The mean PSNR of each group of images."""
    groups: dict[str, list[dict]] = {}
    for image in results["images"]:
        groups.setdefault(test.group.search(image["name"])[0], []).append(image["methods"])
    names = [method["name"] for method in results["methods"]]
    lines = [f"\n| PSNR, dB, by patient | images | {' | '.join(names)} |"]
    lines.append("|---" * (2 + len(names)) + "|")
    for group, images in sorted(groups.items()):
        means = [np.mean([float(image[name]["psnr"]) for image in images]) for name in names]
        cells = [group, str(len(images)), *(f"{mean:.2f}" for mean in means)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def full_dose(test: TestSet) -> str:
    """The share of noise that the model leaves in the full-dose slices, as a sentence."""
    restore = Restorer.onnx(test.model, ROOT / "target/release/libartir_ops.so")
    strengths = (0.5, 0.75, 1.0)
    left = []
    for whole in test.clean.values():
        change = restore(whole) - whole
        before = noise_level(whole)
        left.append([noise_level(whole + s * change, whole) / before for s in strengths])
    shares = np.nanmean(left, axis=0)
    noise = np.mean([own_noise(whole) for whole in test.clean.values()])
    words = ", ".join(
        f"{share:.0%} at strength {s:g}" for s, share in zip(strengths, shares, strict=True)
    )
    return (
        f"The full-dose slices have noise of {noise:.1f} HU. Of this the model leaves {words} "
        "(in soft tissue, above 0.08 cycles a pixel)."
    )


def extra_columns(results: dict) -> list[tuple[str, str, str]]:
    """Key, heading and format of a task's measures besides PSNR and SSIM."""
    unit = results["protocol"]["unit"]
    columns = [("rmse", f"RMSE, {unit}", "{:.3f}")] if unit in ("HU", "SUV") else []
    if unit == "SUV":
        columns.append(("suv_max", "SUVmax of hot spots kept", "{:.1%}"))
    return columns


def sections() -> dict[str, str]:
    """The table's sections by title."""
    if not TABLE.exists():
        return {}
    _, *parts = TABLE.read_text().split("\n## ")
    return {part.split("\n", 1)[0]: f"\n## {part.rstrip()}\n" for part in parts}


def main() -> None:
    """Measures the named sets, or all. The sections of other sets stay in the table."""
    wanted = [name for name in sys.argv[1:] if name != "--known"]
    known = "--known" in sys.argv
    found = sections() if wanted else {}
    with ProcessPoolExecutor() as pool:
        for name in wanted or list(SETS):
            test = SETS[name](WORK)
            before = found.get(test.title, "") if known else ""
            found[test.title] = section(test, pool, before)
            TABLE.write_text(HEAD + "".join(found.values()))


if __name__ == "__main__":
    main()
