#!/usr/bin/env bash
# Copies a built artir below a prefix: program, ONNX Runtime, man pages, completions, licences.
#   packaging/install.sh PREFIX [DESTDIR]
# PREFIX is where artir will run from, DESTDIR a folder that stands for / while a package is made.
# Only the last step needs to write below the prefix, and asks sudo where this user may not.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -n "${1:-}" ] || { echo "usage: packaging/install.sh PREFIX [DESTDIR]" >&2; exit 2; }
prefix=$1 root=${2:-}$1
program=${CARGO_TARGET_DIR:-target}/release/artir
packaging/refuse_dev.sh "$program"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stage=$work/stage shell=$work/shell
install -D -t "$stage/bin" "$program"
for library in .runtime/libonnxruntime.so.*; do
    install -D -m 644 -t "$stage/lib/artir" "$library"
done
"$program" shell-files "$shell"
install -D -m 644 -t "$stage/share/man/man1" "$shell"/man/*.1
install -D -m 644 "$shell/artir.bash" "$stage/share/bash-completion/completions/artir"
install -D -m 644 "$shell/artir.fish" "$stage/share/fish/vendor_completions.d/artir.fish"
# Debian's zsh reads packages' completions from another folder than those of /usr/local.
functions=site-functions
[ "$prefix" != /usr ] || functions=vendor-completions
install -D -m 644 "$shell/_artir" "$stage/share/zsh/$functions/_artir"
documents=$stage/share/doc/artir
install -D -m 644 -t "$documents" LICENSE-MIT LICENSE-APACHE README.md CHANGELOG.md
install -D -m 644 -t "$documents/onnxruntime" .runtime/LICENSE .runtime/ThirdPartyNotices.txt
python3 packaging/notices.py artir-cli "$documents/NOTICE.txt"

sudo=""
if ! mkdir -p "$root" 2>/dev/null || [ ! -w "$root" ]; then sudo=sudo; fi
$sudo mkdir -p "$root"
chmod -R u=rwX,go=rX "$stage"
$sudo cp -R --no-preserve=ownership "$stage/." "$root"
echo "installed below $root"
