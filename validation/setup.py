"""The version of the package is artir's, from Cargo.toml. Everything else is in pyproject.toml."""

import tomllib
from pathlib import Path

from setuptools import setup

workspace = Path(__file__).resolve().parent.parent / "Cargo.toml"
setup(version=tomllib.loads(workspace.read_text())["workspace"]["package"]["version"])
