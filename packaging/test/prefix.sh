#!/usr/bin/env bash
# Installs below a prefix as `make install` does, and runs artir from there with an empty environment.
set -euo pipefail
cd "$(dirname "$0")/../.."
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
packaging/install.sh "$prefix/opt"
chmod 755 "$prefix"
run() { env -i PATH=/usr/bin:/bin HOME="$prefix/home" "$prefix/opt/bin/artir" "$@"; }
run doctor
run doctor | grep -qF "$prefix/opt/lib/artir/libonnxruntime.so" || { echo "another runtime was taken" >&2; exit 1; }
run demo -o "$prefix/demo" -q
[ -s "$prefix/demo/report.html" ]
for file in man/man1/artir-ct.1 bash-completion/completions/artir fish/vendor_completions.d/artir.fish zsh/site-functions/_artir doc/artir/NOTICE.txt; do
    [ -s "$prefix/opt/share/$file" ] || { echo "$file is missing" >&2; exit 1; }
done
echo "installed below a prefix, restored"
