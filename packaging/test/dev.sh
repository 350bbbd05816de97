#!/usr/bin/env bash
# Runs the tests of the Python package on target/debug/lib_artir.so, without a wheel.
#   packaging/test/dev.sh [PYTHON]     an interpreter with packaging/requirements-test.txt, by default .venv's
set -euo pipefail
cd "$(dirname "$0")/../.."
python=$(command -v "${1:-.venv/bin/python}")
python=$(realpath -s "$python")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -R crates/artir-python/python/artir "$folder/artir"
cp "${CARGO_TARGET_DIR:-target}/debug/lib_artir.so" "$folder/artir/_artir.abi3.so"
cd crates/artir-python
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$folder "$python" -m pytest -q -p no:cacheprovider
