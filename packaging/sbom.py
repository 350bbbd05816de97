"""Writes a CycloneDX list of what is inside a program or library: python packaging/sbom.py CRATE OUT.json

CRATE is artir-cli or artir-python. SOURCE_DATE_EPOCH is the time of the list, so that the same commit gives the same
bytes.
"""

import datetime
import hashlib
import json
import os
import re
import sys
import uuid
from pathlib import Path

from parts import TREE, Parts, checksums, host

#: Names of the registry that are older than SPDX expressions.
OR = re.compile(r"\s*/\s*")


def sha256(digest: str) -> list[dict]:
    return [{"alg": "SHA-256", "content": digest}]


def component(crate: dict, sums: dict[tuple[str, str], str]) -> dict:
    name, version = crate["name"], crate["version"]
    out = {"type": "library", "bom-ref": f"{name}@{version}", "name": name, "version": version}
    if crate.get("license"):
        out["licenses"] = [{"expression": OR.sub(" OR ", crate["license"])}]
    if crate.get("source"):
        out["purl"] = f"pkg:cargo/{name}@{version}"
    if (name, version) in sums:
        out["hashes"] = sha256(sums[name, version])
    return out


def model(file: Path) -> dict:
    """A built-in model. Its card beside it begins with its name and version."""
    name, version = file.with_suffix(".md").read_text().splitlines()[0].removeprefix("# ").split()
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{name}@{version}",
        "name": name,
        "version": version,
        "hashes": sha256(hashlib.sha256(file.read_bytes()).hexdigest()),
    }


def runtime(library: Path) -> dict:
    version = library.name.removeprefix("libonnxruntime.so.")
    return {
        "type": "library",
        "bom-ref": f"onnxruntime@{version}",
        "name": "onnxruntime",
        "version": version,
        "licenses": [{"license": {"id": "MIT"}}],
        "purl": f"pkg:pypi/onnxruntime@{version}",
        "hashes": sha256(hashlib.sha256(library.read_bytes()).hexdigest()),
    }


def main() -> int:
    crate, out = sys.argv[1:]
    parts, sums = Parts(crate, host()), checksums()
    described = {id_: component(one, sums) for id_, one in parts.crates.items()}
    root = {**described.pop(parts.root["id"]), "type": "application"}
    others = [model(file) for file in sorted((TREE / "models/zoo").glob("*.onnx"))]
    if crate == "artir-cli":
        # The Debian package and the images contain it. The wheel depends on the package of that name.
        others += [runtime(library) for library in sorted((TREE / ".runtime").glob("libonnxruntime.so.*"))]
    refs = {id_: f"{one['name']}@{one['version']}" for id_, one in parts.crates.items()}
    dependencies = [
        {"ref": refs[id_], "dependsOn": sorted({refs[linked] for linked in linked_with})}
        for id_, linked_with in parts.links.items()
    ]
    for one in dependencies:
        if one["ref"] == root["bom-ref"]:
            one["dependsOn"] += [other["bom-ref"] for other in others]
    time = int(os.environ.get("SOURCE_DATE_EPOCH", "0")) or None
    stamp = {} if time is None else {"timestamp": datetime.datetime.fromtimestamp(time, datetime.UTC).isoformat()}
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {**stamp, "component": root},
        "components": [*described.values(), *others],
        "dependencies": sorted(dependencies, key=lambda one: one["ref"]),
    }
    # Named by its content.
    bom["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bom, sort_keys=True)).urn
    Path(out).write_text(json.dumps(bom, indent=1) + "\n")
    print(f"{out}: {len(bom['components'])} components")
    return 0


if __name__ == "__main__":
    sys.exit(main())
