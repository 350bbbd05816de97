# Thin: each target is a line or two over scripts/ and cargo.
.PHONY: demo test lint test-train bench bench-parts memcheck fuzz baselines conformance safety train docs

MODEL ?= ct-ldct-t
MINUTES ?= 60
RUNS ?= models/runs
SECONDS ?= 60
BENCH ?= validation/bench/results/this-machine
PYTEST = PYTHONPATH=models:scripts/gpu_kit .venv/bin/python -m pytest -q models/tests scripts/gpu_kit
# Tools that scripts/bootstrap.sh builds.
TOOLS = PATH="$$PWD/.cache/tools/bin:$$PATH"
RUN_TESTS = $(shell command -v cargo-nextest >/dev/null && echo nextest run || echo test)

demo:
	scripts/bootstrap.sh
	cargo build --release -p artir-cli
	target/release/artir demo -o demo-out --overwrite

test: lint
	cargo build --workspace
	ARTIR_ALL_TOOLS=1 cargo $(RUN_TESTS) --workspace
	$(PYTEST) -m 'not torch'

lint:
	scripts/bootstrap.sh --test
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	.venv/bin/ruff check models validation scripts && .venv/bin/ruff format --check models validation scripts
	PYTHONPATH=.cache/nvrtc .venv/bin/python scripts/compile_kernels.py --check
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
	@if [ -d "$$(rustc --print sysroot)/lib/rustlib/aarch64-unknown-linux-gnu" ]; then \
		cargo check -p artir-ops --all-features --target aarch64-unknown-linux-gnu; \
		else echo "skipped: the check for aarch64, whose target is not installed"; fi
	$(TOOLS) cargo deny check -A license-not-encountered bans licenses sources
	@if $(TOOLS) cargo deny fetch db 2>/dev/null; then $(TOOLS) cargo deny check advisories; \
		else echo "skipped: the database of advisories cannot be reached"; fi
	$(TOOLS) cargo machete
	$(TOOLS) typos

test-train:
	scripts/bootstrap.sh --train
	cargo build --release -p artir-ops
	$(PYTEST) -m torch

# Half an hour on two cores, which should have nothing else to do.
bench:
	scripts/bootstrap.sh --train
	.venv/bin/pip install -q -r validation/requirements-bench.txt
	cargo build --release -p artir-cli -p artir-ops
	PYTHONPATH=models:validation .venv/bin/python -m bench --artir target/release/artir \
		--library target/release/libartir_ops.so -o $(BENCH)

bench-parts:
	scripts/bootstrap.sh
	cargo bench -p artir-ops --features ort
	.venv/bin/python validation/metrics_speed.py

# The network's loops under valgrind, which has no AVX-512: AVX2 and portable ones.
memcheck:
	scripts/bootstrap.sh --memcheck
	cargo test --release -p artir-ops --lib --no-run
	valgrind -q --error-exitcode=1 $$(ls -t target/release/deps/artir_ops-*[0-9a-f] | head -1) on_small_images

# Every fuzz target for SECONDS.
fuzz:
	scripts/bootstrap.sh --fuzz
	scripts/fuzz.sh $(SECONDS)

baselines:
	scripts/bootstrap.sh --train
	.venv/bin/pip install -q -r validation/requirements-baselines.txt
	cargo build --release -p artir-cli -p artir-ops
	PYTHONPATH=models:validation OMP_NUM_THREADS=1 .venv/bin/python -m baselines

conformance:
	scripts/bootstrap.sh --conformance
	.venv/bin/pip install -q -r validation/requirements-conformance.txt -r validation/requirements-geotiff.txt
	cargo build --release -p artir-cli
	PYTHONPATH=validation .venv/bin/python -m conformance --artir target/release/artir -o validation/dicom.md
	PYTHONPATH=validation .venv/bin/python -m geotiff --artir target/release/artir -o validation/geotiff.md

docs:
	scripts/bootstrap.sh --docs
	$(TOOLS) mdbook build docs

safety:
	scripts/bootstrap.sh
	cargo run --release -p artir-harness --example safety -- ct-ldct-t validation/safety-ct-ldct-t.md

# glibc gives large blocks back to the kernel and fetches them anew at every step, which takes half of the time.
KEEP_MEMORY = MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=67108864

train:
	scripts/bootstrap.sh --train
	cargo build --release -p artir-ops
	$(KEEP_MEMORY) PYTHONPATH=models .venv/bin/python -m artir_train.train --config models/configs/$(MODEL).toml --runs $(RUNS) \
		$(if $(STEPS),--steps $(STEPS),--minutes $(MINUTES)) $(if $(RESUME),--resume) $(if $(START),--start $(START))
