#!/usr/bin/env bash
# Refuses a program or library of artir that was built without optimisation for release: it is 2.4 times slower.
#   packaging/refuse_dev.sh FILE...
set -euo pipefail
for file in "$@"; do
    [ -f "$file" ] || { echo "$file: missing: build it with cargo build --release" >&2; exit 1; }
    grep -aq 'artir-build: release' "$file" || { echo "$file: not a release build of artir, so it is not packaged" >&2; exit 1; }
done
