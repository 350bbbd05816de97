#!/usr/bin/env bash
# Copies a built artir below a prefix: program, ONNX Runtime, man pages, completions, licences.
#   packaging/install.sh PREFIX [DESTDIR]
# PREFIX is where artir will run from, DESTDIR a folder that stands for / while a package is made.
set -euo pipefail
cd "$(dirname "$0")/.."
prefix=$1 destination=${2:-}
root=$destination$prefix
target=${CARGO_TARGET_DIR:-target}
program=$target/release/artir
packaging/refuse_dev.sh "$program"

install -D -t "$root/bin" "$program"
for library in .runtime/libonnxruntime.so.*; do
    install -D -m 644 -t "$root/lib/artir" "$library"
done
shell=$(mktemp -d)
trap 'rm -rf "$shell"' EXIT
"$program" shell-files "$shell"
install -D -m 644 -t "$root/share/man/man1" "$shell"/man/*.1
install -D -m 644 "$shell/artir.bash" "$root/share/bash-completion/completions/artir"
install -D -m 644 "$shell/_artir" "$root/share/zsh/vendor-completions/_artir"
install -D -m 644 "$shell/artir.fish" "$root/share/fish/vendor_completions.d/artir.fish"
install -D -m 644 -t "$root/share/doc/artir" LICENSE-MIT LICENSE-APACHE README.md CHANGELOG.md
