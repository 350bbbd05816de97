#!/usr/bin/env bash
# Builds the wheel for x86-64 and, where Rust's standard library for it is installed, for aarch64, into dist/.
#   packaging/wheel.sh [TARGET...]
# WHEEL_TOOLS names a virtual environment that has maturin and ziglang already.
# zig is the C compiler and the linker, so that the wheel runs with glibc 2.28 whatever this machine has.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=${WHEEL_TOOLS:-.cache/wheel}
if [ ! -x "$tools/bin/maturin" ]; then
    python3 -m venv "$tools"
    "$tools/bin/pip" install -q -r packaging/requirements-wheel.txt
fi
targets=("$@")
if ((${#targets[@]} == 0)); then
    targets=(x86_64-unknown-linux-gnu)
    if [ -d "$(rustc --print sysroot)/lib/rustlib/aarch64-unknown-linux-gnu" ]; then
        targets+=(aarch64-unknown-linux-gnu)
    else
        echo "skipped: the wheel for aarch64, whose target is not installed (rustup target add aarch64-unknown-linux-gnu)"
    fi
fi
mkdir -p dist
for target in "${targets[@]}"; do
    # maturin adds files of this name, and the licences beside it, to the wheel.
    python3 packaging/notices.py artir-python crates/artir-python/NOTICE.txt "$target"
    PATH="$(realpath "$tools/bin"):$PATH" maturin build --release --locked --zig --compatibility manylinux_2_28 \
        --target "$target" -m crates/artir-python/Cargo.toml -o dist
    python3 packaging/check_wheel.py dist/artir-"$(packaging/version.sh)"-*-manylinux_2_28_"${target%%-*}".whl
done
