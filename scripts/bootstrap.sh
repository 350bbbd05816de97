#!/usr/bin/env bash
# Brings what building, testing and running artir needs on Debian 12; a second run does nothing.
#   scripts/bootstrap.sh          Debian packages, ONNX Runtime, a Python environment without PyTorch
#   scripts/bootstrap.sh --train  PyTorch besides (gigabytes)
#   scripts/bootstrap.sh --test   cargo-deny, Chromium and NVIDIA's run-time compiler (which needs no GPU) besides
#   scripts/bootstrap.sh --conformance  Orthanc besides
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(libgdal-dev gdal-bin python3-gdal cmake g++ pkg-config python3-venv python3-dev unzip dicom3tools dcmtk)
[ "${1:-}" != --test ] || packages+=(chromium)
[ "${1:-}" != --conformance ] || packages+=(orthanc)
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if ((${#missing[@]})); then
    echo "bootstrap: installing Debian packages: ${missing[*]}"
    sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -q
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

command -v cargo >/dev/null || { echo "bootstrap: Rust is missing: install it with rustup first" >&2; exit 1; }

# ONNX Runtime, pinned: the shared library out of the wheel, checked before it is used.
runtime=.runtime/libonnxruntime.so.1.31.1
if [ ! -f "$runtime" ]; then
    case "$(uname -m)" in
        x86_64) platform=manylinux_2_28_x86_64; sum=5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f ;;
        *) echo "bootstrap: no ONNX Runtime is pinned for $(uname -m)" >&2; exit 1 ;;
    esac
    echo "bootstrap: fetching ONNX Runtime 1.31.1"
    wheels=$(mktemp -d)
    trap 'rm -rf "$wheels"' EXIT
    python3 -m venv "$wheels/venv"
    "$wheels/venv/bin/pip" download -q --no-deps --only-binary=:all: --python-version 3.11 --implementation cp \
        --platform "$platform" -d "$wheels" onnxruntime==1.31.1
    echo "$sum  $(ls "$wheels"/onnxruntime-*.whl)" | sha256sum --check --quiet
    mkdir -p .runtime
    unzip -o -q -j "$wheels"/onnxruntime-*.whl 'onnxruntime/capi/libonnxruntime.so.1.31.1' -d .runtime
fi

install_python() { # FILE: installs it into .venv unless this very file is installed already
    local mark=.venv/.installed-$(basename "$1")
    cmp -s "$1" "$mark" && return
    [ -x .venv/bin/python ] || python3 -m venv .venv
    echo "bootstrap: installing Python packages of $1"
    .venv/bin/pip install -q -r "$1"
    cp "$1" "$mark"
}
install_python models/requirements.txt
[ "${1:-}" != --train ] || install_python models/requirements-train.txt

if [ "${1:-}" = --test ] && ! command -v cargo-deny >/dev/null && [ ! -x .cache/tools/bin/cargo-deny ]; then
    echo "bootstrap: building cargo-deny"
    cargo install -q --locked cargo-deny@0.20.2 --root .cache/tools --profile dev
fi

if [ "${1:-}" = --test ] && [ ! -d .cache/nvrtc/nvidia_cuda_nvrtc-13.0.88.dist-info ]; then
    echo "bootstrap: installing NVRTC 13.0.88"
    .venv/bin/pip install -q --no-deps --target .cache/nvrtc nvidia-cuda-nvrtc==13.0.88
fi
