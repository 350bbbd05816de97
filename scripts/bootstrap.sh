#!/usr/bin/env bash
# Installs everything needed to build, test and run artir on Debian 12. A second run does nothing.
#   scripts/bootstrap.sh          Debian packages, ONNX Runtime, a Python environment without PyTorch
#   scripts/bootstrap.sh --train  also PyTorch (gigabytes)
#   scripts/bootstrap.sh --test   also cargo-deny, cargo-machete, typos, Chromium and NVIDIA's run-time compiler (needs no GPU)
#   scripts/bootstrap.sh --python also dask, xarray and mypy, for the tests of the Python package
#   scripts/bootstrap.sh --baselines    also PyTorch and BM3D
#   scripts/bootstrap.sh --bench        also PyTorch and OpenVINO
#   scripts/bootstrap.sh --conformance  also Orthanc, codecs and readers
#   scripts/bootstrap.sh --memcheck     also valgrind
#   scripts/bootstrap.sh --neon   also an emulator and a linker for 64-bit Arm
#   scripts/bootstrap.sh --docs   also mdBook
#   scripts/bootstrap.sh --fuzz   also cargo-fuzz
#   scripts/bootstrap.sh --gpu    ONNX Runtime for CUDA 13 instead of the CPU-only build, and CUDA's libraries
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(libgdal-dev gdal-bin python3-gdal cmake g++ pkg-config python3-venv python3-dev unzip dicom3tools dcmtk)
[ "${1:-}" != --test ] || packages+=(chromium)
[ "${1:-}" != --conformance ] || packages+=(orthanc orthanc-dicomweb openssl python3-gdcm chromium npm)
[ "${1:-}" != --memcheck ] || packages+=(valgrind)
[ "${1:-}" != --neon ] || packages+=(qemu-user-static gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
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

fetch_runtime() { # PACKAGE SUM FILE...: copies files of a pinned wheel into .runtime after checking its hash
    local package=$1 sum=$2
    shift 2
    [ "$(uname -m)" = x86_64 ] || { echo "bootstrap: no ONNX Runtime is pinned for $(uname -m)" >&2; exit 1; }
    echo "bootstrap: fetching $package"
    wheels=$(mktemp -d)
    trap 'rm -rf "$wheels"' EXIT
    python3 -m venv "$wheels/venv"
    "$wheels/venv/bin/pip" download -q --no-deps --only-binary=:all: --python-version 3.11 --implementation cp \
        --platform manylinux_2_28_x86_64 -d "$wheels" "$package"
    echo "$sum  $(ls "$wheels"/*.whl)" | sha256sum --check --quiet
    mkdir -p .runtime
    unzip -o -q -j "$wheels"/*.whl "${@/#/onnxruntime/capi/}" onnxruntime/LICENSE onnxruntime/ThirdPartyNotices.txt -d .runtime
}

runtime=libonnxruntime.so.1.31.1
if [ "${1:-}" = --gpu ]; then
    # This build of the main library supports the GPU providers, and runs on a CPU as well.
    if [ ! -f .runtime/libonnxruntime_providers_cuda.so ] || [ ! -f .runtime/LICENSE ]; then
        fetch_runtime onnxruntime-gpu==1.31.1 e26c475fe361b2015f45b4b824bd13f0bb20204e59b62814e6f0acd5f3d491a6 \
            $runtime libonnxruntime_providers_shared.so libonnxruntime_providers_cuda.so libonnxruntime_providers_tensorrt.so
    fi
elif [ ! -f .runtime/$runtime ] || [ ! -f .runtime/LICENSE ]; then
    fetch_runtime onnxruntime==1.31.1 5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f $runtime
fi

install_python() { # FOLDER[EXTRAS]: installs a package of this repository into .venv, unless that was done with its pyproject.toml
    local project=${1%%\[*} mark
    mark=.venv/.installed-$(tr -c 'a-z\n' - <<<"$1")
    cmp -s "$project/pyproject.toml" "$mark" && return
    [ -x .venv/bin/python ] || python3 -m venv .venv
    echo "bootstrap: installing Python packages of $1"
    .venv/bin/pip install -q -e "$1"
    cp "$project/pyproject.toml" "$mark"
}
install_python 'models[test]'
case "${1:-}" in
    --train)
        install_python 'models[test,train]'
        install_python validation
        ;;
    --baselines | --bench)
        install_python 'models[test,train]'
        install_python "validation[${1#--}]"
        ;;
    --python)
        # Changes only with the file that names the packages.
        mark=.venv/.installed-python-package-tests
        if ! cmp -s packaging/requirements-test.txt "$mark"; then
            echo "bootstrap: installing what the tests of the Python package need"
            .venv/bin/pip install -q -r packaging/requirements-test.txt
            cp packaging/requirements-test.txt "$mark"
        fi
        ;;
    --conformance)
        install_python 'models[dicom,test]'
        install_python 'validation[acceptance]'
        ;;
esac

install_tool() { # PROGRAM PACKAGE@VERSION: builds a tool unless it is already installed
    ! command -v "$1" >/dev/null && [ ! -x ".cache/tools/bin/$1" ] || return 0
    echo "bootstrap: building $1"
    cargo install -q --locked "$2" --root .cache/tools --profile dev
}
if [ "${1:-}" = --test ]; then
    install_tool cargo-deny cargo-deny@0.20.2
    install_tool cargo-machete cargo-machete@0.9.2
    install_tool typos typos-cli@1.52.0
fi
if [ "${1:-}" = --test ] || [ "${1:-}" = --neon ]; then
    if command -v rustup >/dev/null && ! rustup target list --installed | grep -q aarch64-unknown-linux-gnu; then
        rustup target add aarch64-unknown-linux-gnu || echo "bootstrap: the aarch64 target cannot be fetched: its check is skipped"
    fi
fi

[ "${1:-}" != --fuzz ] || install_tool cargo-fuzz cargo-fuzz@0.13.2

if [ "${1:-}" = --test ] && [ ! -d .cache/nvrtc/nvidia_cuda_nvrtc-13.0.88.dist-info ]; then
    echo "bootstrap: installing NVRTC 13.0.88"
    .venv/bin/pip install -q --no-deps --target .cache/nvrtc nvidia-cuda-nvrtc==13.0.88
fi

mdbook=0.5.4
if [ "${1:-}" = --docs ] && [ "$(PATH="$PWD/.cache/tools/bin:$PATH" mdbook --version 2>/dev/null)" != "mdbook v$mdbook" ]; then
    echo "bootstrap: building mdBook"
    cargo install -q --locked "mdbook@$mdbook" --no-default-features --features search --root .cache/tools --profile dev
fi

if [ "${1:-}" = --gpu ]; then
    .venv/bin/pip install -q -r scripts/requirements-gpu.txt
    folders=$(.venv/bin/python -c 'import nvidia, pathlib
print(":".join(sorted({str(f.parent) for r in nvidia.__path__ for f in pathlib.Path(r).glob("**/lib*.so.*")})))')
    echo "bootstrap: to find CUDA's libraries: export LD_LIBRARY_PATH=$folders"
    echo "bootstrap: install the driver (580 or later) yourself; 'artir doctor' lists missing parts"
fi
