"""What a package of artir is linked from, as cargo resolves it."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path

#: The folder with Cargo.toml.
TREE = Path(__file__).resolve().parent.parent


def host() -> str:
    """The target that cargo builds for on this machine."""
    about = subprocess.check_output(["rustc", "-vV"], text=True, cwd=TREE).splitlines()
    return next(line.removeprefix("host: ") for line in about if line.startswith("host: "))


class Parts:
    """The crates of the program or library that the crate `root` builds for `target`.

    Tests and build tools are left out. The features are those of the whole workspace, so that no crate is missing.
    """

    def __init__(self, root: str, target: str) -> None:
        command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target]
        metadata = json.loads(subprocess.check_output(command, cwd=TREE))
        packages = {package["id"]: package for package in metadata["packages"]}
        nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
        (first,) = (package["id"] for package in packages.values() if package["name"] == root)
        #: The crates that each crate is linked with, by cargo's ids.
        self.links: dict[str, list[str]] = {}
        waiting = [first]
        while waiting:
            current = waiting.pop()
            if current in self.links:
                continue
            # A kind of null is a normal dependency; build and dev ones are not linked.
            linked = [
                dependency["pkg"]
                for dependency in nodes[current]["deps"]
                if any(kind["kind"] is None for kind in dependency["dep_kinds"])
            ]
            self.links[current] = sorted(linked)
            waiting += linked
        #: cargo's description of each crate, by its id, in the order of names.
        self.crates = {
            id_: packages[id_]
            for id_ in sorted(self.links, key=lambda i: (packages[i]["name"], packages[i]["version"]))
        }
        self.root = packages[first]


def checksums() -> dict[tuple[str, str], str]:
    """SHA-256 of the crates of the registry, by name and version."""
    lock = tomllib.loads((TREE / "Cargo.lock").read_text())
    return {(p["name"], p["version"]): p["checksum"] for p in lock["package"] if "checksum" in p}
