#!/usr/bin/env bash
# Runs every fuzz target for some seconds, one after the other, starting from the committed seeds. New inputs go to
# fuzz/found/TARGET, and an input that crashes a target goes to fuzz/artifacts/TARGET.
#   scripts/fuzz.sh SECONDS [TARGET...]
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?usage: scripts/fuzz.sh SECONDS [TARGET...]}
shift
export PATH="$PWD/.cache/tools/bin:$PATH"
command -v cargo-fuzz >/dev/null || { echo "fuzz: run scripts/bootstrap.sh --fuzz first" >&2; exit 1; }
# cargo fuzz needs flags that rustc accepts only from nightly compilers. This variable lets the pinned one accept them.
export RUSTC_BOOTSTRAP=1
# Nothing in these targets is unsafe or written in C, so no address sanitizer is needed. Debug assertions find overflows.
options=(--sanitizer none --debug-assertions --codegen-units 16)

targets=("$@")
((${#targets[@]})) || mapfile -t targets < <(cargo fuzz list)
cargo fuzz build "${options[@]}"
for target in "${targets[@]}"; do
    mkdir -p "fuzz/found/$target"
    log=fuzz/found/$target.log
    # libFuzzer writes new inputs to the first folder.
    if ! cargo fuzz run "${options[@]}" "$target" "fuzz/found/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        echo "fuzz: $target failed: see $log and fuzz/artifacts/$target" >&2
        exit 1
    fi
    echo "fuzz: $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions"
done
