SHELL := /bin/bash -o pipefail
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-stamp

.PHONY: setup demo chapter test test-all test-gpu bench bench-gpu bench-report

setup: $(STAMP)
	@bash .ci/system relion postgresql slurmctld slurmd slurm-client munge openmpi-bin chromium chromium-headless-shell nginx-light

demo: $(STAMP)
	@$(BIN)/halfmap demo $(DEMO_ARGS)

chapter: $(STAMP)
	@$(BIN)/halfmap chapter

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@bash .ci/tests $(BIN)/pytest

test-all: setup
	@bash .ci/system slurmdbd mariadb-server-core mariadb-client-core
	mkdir -p tests/bench/results
	$(BIN)/pytest -m slow --timeout=9000 --durations=0 | tee tests/bench/results/test-all.txt

test-gpu: $(STAMP)
	@$(BIN)/python -c "import sys, torch; torch.cuda.is_available() or sys.exit('There is no CUDA device on this machine: the tests of the GPU need one.')"
	$(BIN)/pytest -m gpu

bench: $(STAMP)
	@mkdir -p tests/bench/results
	@$(BIN)/python -m tests.bench.speed $(BENCH_ARGS)

bench-gpu: $(STAMP)
	@mkdir -p tests/bench/results
	@$(BIN)/python -m tests.bench.gpu_kernels --shapes
	@folder=$$(mktemp -d) && \
	$(BIN)/python -m tests.bench.speed gpu-tutorial gpu-fine gpu-large --folder $$folder && \
	$(BIN)/python -m tests.bench.gpu_share --folder $$folder

bench-report: $(STAMP)
	@$(BIN)/python -m tests.bench.speed --report

$(STAMP): pyproject.toml constraints.txt
	@PYTHON="$(PYTHON)" bash .ci/environment $(VENV)
	@touch $@
