#!/usr/bin/env bash
# Resolves every symbol of the wheel's library against the glibc of Debian 11 (2.31), which is newer than the promised 2.28
# and older than what this machine has. Needs root and debootstrap.
set -euo pipefail
cd "$(dirname "$0")/../.."
wheel=$(ls dist/artir-"$(packaging/version.sh)"-*-manylinux_2_28_"$(uname -m)".whl)
. packaging/test/root.sh
root=$(debian_root bullseye)
trap 'rm -rf "$root"' EXIT
unzip -q -j "$wheel" artir/_artir.abi3.so -d "$root/tmp"
# ldd -r loads the library and reports symbols and versions that nothing provides. The interpreter provides Python's own.
missing=$(chroot "$root" ldd -r /tmp/_artir.abi3.so 2>&1 | grep -E 'undefined symbol|not found' | grep -vE 'undefined symbol: _?Py' || true)
[ -z "$missing" ] || { echo "$missing" >&2; echo "the wheel does not load on Debian 11" >&2; exit 1; }
chroot "$root" ldd --version | head -1
echo "the wheel's library loads there"
