#!/usr/bin/env bash
# Installs the wheel in empty virtual environments and runs the package's tests in them, and compares the package with the
# Rust program to the bit.
#   packaging/test/wheel.sh [PYTHON...]     interpreters; by default python3.10 and python3.13, or python3
set -euo pipefail
cd "$(dirname "$0")/../.."
wheel=$(ls dist/artir-"$(packaging/version.sh)"-*-manylinux_2_28_"$(uname -m)".whl)
pythons=("$@")
if ((${#pythons[@]} == 0)); then
    for python in python3.10 python3.13; do
        if command -v "$python" >/dev/null && "$python" --version >/dev/null 2>&1; then
            pythons+=("$python")
        else
            echo "skipped: tests on $python, which is not installed"
        fi
    done
    ((${#pythons[@]})) || pythons=(python3)
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for python in "${pythons[@]}"; do
    echo "== $("$python" --version)"
    venv=$work/venv
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/pip" install -q "$wheel"
    # The three lines that must work with nothing else installed.
    (cd "$work" && "$venv/bin/artir" --version && "$venv/bin/artir" doctor &&
        "$venv/bin/python" -c 'import artir, numpy as n; print(artir.Model("ct-ldct-t").restore(n.zeros((1, 64, 64), "f4")).shape)')
    "$venv/bin/pip" install -q -r packaging/requirements-test.txt
    (cd crates/artir-python && "$venv/bin/python" -m pytest -q -p no:cacheprovider)
    "$venv/bin/python" packaging/test/same_bits.py target/release/artir
done
