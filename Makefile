SHELL := /bin/bash -o pipefail
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-stamp

.PHONY: setup demo chapter test test-all

setup: $(STAMP)
	@bash .ci/system relion postgresql slurmctld slurmd slurm-client munge openmpi-bin chromium nginx-light

demo: $(STAMP)
	@$(BIN)/halfmap demo $(DEMO_ARGS)

chapter: $(STAMP)
	@$(BIN)/halfmap chapter

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

test-all: setup
	mkdir -p tests/bench/results
	$(BIN)/pytest -m slow --timeout=9000 --durations=0 | tee tests/bench/results/test-all.txt

$(STAMP): pyproject.toml constraints.txt
	@PYTHON="$(PYTHON)" bash .ci/environment $(VENV)
	@touch $@
