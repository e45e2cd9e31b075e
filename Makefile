# Two commands do everything: `make demo` and `make test`. Both set up .venv first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test test-gpu test-long check bench bench-gpu soak gen golden clean

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
