# Two commands: `make demo` sets everything up and runs the main job; `make test` sets everything up and passes the tests.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
PATHS := schemas models agents streams tests bench documentation

# More than the cores of a small machine: many tests wait, for a broker or for a time limit.
WORKERS ?= 3
# A process takes a whole file, because a module's fixtures are made once; in the order of the
# folders, because the longest, those of tests/integration, come first.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-fast chaos coverage check fuzz format setup bench bench-engine screenshots gpu lock clean \
	site reference

demo: $(READY)
	$(BIN)/backstream demo

test: $(READY)
	$(PYTEST)

# No broker, no export, no training.
test-fast: $(READY)
	$(PYTEST) -m "not (kafka or export or training or slow)"

# One class: `make chaos CLASS=kill-worker SEED=7 DOCUMENTS=2000`. Writes docs/reliability.md.
SEED ?= 7
DOCUMENTS ?= 20000
chaos: $(READY)
	$(BIN)/python -m tests.chaos --seed $(SEED) --documents $(DOCUMENTS) $(if $(CLASS),--class $(CLASS))

# Every test, and the share of lines that they run; the floor is in pyproject.toml.
coverage: $(READY)
	$(PYTEST) --cov --cov-report=term-missing:skip-covered

# A million mutated inputs on everything that reads foreign bytes; `make test` runs some thousands.
INPUTS ?= 1000000
SEED ?= 1
fuzz: $(READY)
	$(BIN)/python -m tests.fuzz --inputs $(INPUTS) --seed $(SEED)

check: $(READY)
	$(BIN)/ruff format --check $(PATHS)
	$(BIN)/ruff check $(PATHS)
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python -m documentation.reference --check
	$(BIN)/python -m tests.advisories

format: $(READY)
	$(BIN)/ruff format $(PATHS)
	$(BIN)/ruff check --fix $(PATHS)

# The pages that are made from the code, and the schemas of the records.
reference: $(READY)
	$(BIN)/python -m schemas.generate
	$(BIN)/python -m documentation.reference

# build/site/index.html, without a network; a broken link is an error.
site: $(READY)
	$(BIN)/python -m documentation.site

# The pictures of the live page in docs/images. Needs Chromium: apt-get install chromium.
screenshots: $(READY)
	$(BIN)/python -m bench.screenshots

bench: $(READY)
	$(BIN)/python -m bench.stream

# Under 8 minutes. It says so where there is no GPU.
gpu: $(READY)
	$(BIN)/python -m bench.gpu --markdown docs/results/gpu.md

# The peers' libraries want other versions than ours, so they have an environment of their own.
bench-engine: $(READY) .venv-peers/.ready
	$(BIN)/python -m bench.engine --plot docs/results/engine.svg

.venv-peers/.ready: bench/peers.txt $(READY)
	$(PYTHON) -m venv .venv-peers
	$(BIN)/uv pip install --quiet --python .venv-peers/bin/python -r bench/peers.txt
	touch .venv-peers/.ready

setup: $(READY)

# uv installs several times faster than pip does. Compiling takes half a minute, which the tests save
# many times: each process that they start imports torch, and may not be allowed to write bytecode.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.8
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $(READY)

lock: $(READY)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-header pyproject.toml -o requirements.lock

clean:
	rm -rf .venv .venv-peers build dist *.egg-info
