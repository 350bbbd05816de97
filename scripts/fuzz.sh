#!/usr/bin/env bash
# Runs every fuzz target for some seconds, as many at once as there are cores, starting from the committed seeds. New inputs go to
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
triple=$(rustc -vV | sed -n 's/^host: //p')

targets=("$@")
((${#targets[@]})) || mapfile -t targets < <(cargo fuzz list)
cargo fuzz build "${options[@]}"

fuzz_one() { # TARGET: libFuzzer writes new inputs to the first folder
    local target=$1 log=fuzz/found/$1.log
    mkdir -p "fuzz/found/$target" "fuzz/artifacts/$target"
    if ! "fuzz/target/$triple/release/$target" "fuzz/found/$target" "fuzz/corpus/$target" "-artifact_prefix=fuzz/artifacts/$target/" \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        echo "fuzz: $target failed: see $log and fuzz/artifacts/$target" >&2
        return 1
    fi
    echo "fuzz: $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions"
}
export -f fuzz_one
export seconds triple
printf '%s\0' "${targets[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c 'fuzz_one "$1"' fuzz
