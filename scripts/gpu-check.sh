#!/usr/bin/env bash
# Builds a folder that tests artir on a GPU machine (x86-64 Linux, driver for CUDA 13, Python with PyTorch and its CUDA
# libraries from pip; no Rust, no GDAL, no network) with one command: python FOLDER/run.py
#   scripts/gpu-check.sh FOLDER [ARCHITECTURE [LARGEST]]   90 (H100, H200) by default; kernels above LARGEST bytes are omitted
#   scripts/gpu-check.sh --rehearse FOLDER                 runs a finished folder on the CPU, as far as possible
# Run scripts/bootstrap.sh --gpu and --train first.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$PWD/.venv/bin/python

if [ "${1:-}" = --rehearse ]; then
    exec "$python" "${2:?a folder}/run.py" --device cpu --rehearse
fi
folder=${1:?usage: scripts/gpu-check.sh FOLDER [ARCHITECTURE [LARGEST]]}
[ ! -e "$folder" ] || { echo "gpu-check: $folder already exists" >&2; exit 2; }
[ -f .runtime/libonnxruntime_providers_cuda.so ] || { echo "gpu-check: run scripts/bootstrap.sh --gpu first" >&2; exit 5; }
mkdir -p "$folder"

built=${CARGO_TARGET_DIR:-target}/release
cargo build --release -p artir-cli --no-default-features
cargo build --release -p artir-core --example device_check
cp "$built/artir" "$built/examples/device_check" "$folder"
if ldd "$folder/artir" "$folder/device_check" | grep -E 'gdal|libcu|onnxruntime'; then
    echo "gpu-check: the binaries must not be linked to these" >&2
    exit 1
fi
mkdir "$folder/models"
cp -r models/artir_train "$folder/models"
cp validation/lab/gpu_kit/run.py validation/lab/gpu_kit/slim.py "$folder"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=models:validation "$python" -m lab.gpu_kit.make "$folder" --runtime .runtime \
    --architecture "${2:-90}" ${3:+--largest "$3"}
"$folder/device_check" "$folder" cpu --expect
find "$folder" -name __pycache__ -prune -exec rm -r {} +
(cd "$folder" && find . -type f ! -name SHA256SUMS -printf '%P\0' | sort -z | xargs -0 sha256sum > SHA256SUMS)
large=$(find "$folder" -type f -size +50000000c)
[ -z "$large" ] || { echo "gpu-check: above 50 MB: $large" >&2; exit 1; }
echo "gpu-check: $folder, $(du -sm "$folder" | cut -f1) MB; there: python run.py"
