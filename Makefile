# Two commands do everything: `make demo` and `make test`. Both set up .venv first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test test-gpu test-long check bench bench-gpu soak gen lock golden clean

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else "remx needs Python 3.10 or newer; set PYTHON=python3.12, say")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(STAMP)
	$(BIN)/python examples/digits.py

test: $(STAMP)
	$(BIN)/python -m pytest -m 'not gpu'

# Needs a CUDA device and CuPy (`make .venv/.installed && .venv/bin/pip install -e '.[dev,cuda12]'`); says so without.
test-gpu: $(STAMP)
	$(BIN)/python -m pytest -m gpu

test-long: $(STAMP)
	$(BIN)/python -m pytest -m long

check: $(STAMP)
	$(BIN)/python -m remx_contract.generate --check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

gen: $(STAMP)
	$(BIN)/python -m remx_contract.generate

# What the images install, by hash, for the Python of server/Dockerfile; a version stays unless a requirement moves
# it, or UPGRADE=--upgrade asks for the newest.
LOCK := $(BIN)/python -m uv pip compile --quiet --generate-hashes --no-header --no-emit-index-url \
	--python-version 3.12 --python-platform x86_64-manylinux_2_28 $(UPGRADE)
lock: $(STAMP)
	$(LOCK) server/requirements-build.in -o server/requirements-build.lock
	$(LOCK) pyproject.toml --extra server -o server/requirements-cpu.lock
	$(LOCK) pyproject.toml server/requirements-cuda12.in --extra cuda12 -o server/requirements-cuda12.lock

bench: $(STAMP)
	$(BIN)/python -m benchmarks

bench-gpu: $(STAMP)
	$(BIN)/python -m benchmarks --gpu

# What a shared server must survive, in ten minutes at most; fails where a target is missed.
soak: $(STAMP)
	$(BIN)/python -m benchmarks.soak

# The real MXNet 1.9.1, which makes the golden vectors and runs beside remx in the benchmarks: ORACLE is a Python
# 3.8 to 3.11 that has it.
ORACLE ?= .oracle/bin/python
golden:
	$(ORACLE) tests/golden/make.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
