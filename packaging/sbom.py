"""Writes a CycloneDX list of what is inside the program: python packaging/sbom.py VERSION OUT.json

The crates are those that `cargo metadata` resolves for the program on this machine's target. Tests and build tools are
left out.
"""

import datetime
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = "artir-cli"


def shipped(metadata: dict) -> list[dict]:
    """The packages that the program is linked from."""
    by_id = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    waiting = [id_ for id_, package in by_id.items() if package["name"] == ROOT]
    seen = set(waiting)
    while waiting:
        for dependency in nodes[waiting.pop()]["deps"]:
            # A kind of null is a normal dependency; build and dev ones are not linked.
            normal = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if normal and dependency["pkg"] not in seen:
                seen.add(dependency["pkg"])
                waiting.append(dependency["pkg"])
    return sorted((by_id[id_] for id_ in seen), key=lambda package: (package["name"], package["version"]))


def component(package: dict) -> dict:
    out = {
        "type": "library",
        "bom-ref": f"{package['name']}@{package['version']}",
        "name": package["name"],
        "version": package["version"],
    }
    if package.get("license"):
        out["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if package.get("source"):
        out["purl"] = f"pkg:cargo/{package['name']}@{package['version']}"
    return out


def runtime(library: Path) -> dict:
    version = library.name.removeprefix("libonnxruntime.so.")
    digest = hashlib.sha256(library.read_bytes()).hexdigest()
    return {
        "type": "library",
        "bom-ref": f"onnxruntime@{version}",
        "name": "onnxruntime",
        "version": version,
        "licenses": [{"license": {"id": "MIT"}}],
        "purl": f"pkg:pypi/onnxruntime@{version}",
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }


def main() -> int:
    version, out = sys.argv[1:]
    about = subprocess.check_output(["rustc", "-vV"], text=True).splitlines()
    target = next(line.removeprefix("host: ") for line in about if line.startswith("host: "))
    command = [
        "cargo",
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--filter-platform",
        target,
    ]
    metadata = json.loads(subprocess.check_output(command))
    components = [component(package) for package in shipped(metadata)]
    components += [runtime(library) for library in sorted(Path(".runtime").glob("libonnxruntime.so.*"))]
    # A build that is made again has the time that it was given, and so the same bytes.
    time = int(os.environ.get("SOURCE_DATE_EPOCH", "0")) or None
    stamp = {} if time is None else {"timestamp": datetime.datetime.fromtimestamp(time, datetime.UTC).isoformat()}
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            **stamp,
            "component": {"type": "application", "name": "artir", "version": version},
        },
        "components": components,
    }
    Path(out).write_text(json.dumps(bom, indent=1) + "\n")
    print(f"{out}: {len(components)} components")
    return 0


if __name__ == "__main__":
    sys.exit(main())
