# Everything runs in .venv, made by `make setup` on first use.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PY := .venv/bin/python
READY := .venv/.ready

# Given on the command line, e.g. make train STRATEGY=edge EPOCHS=5 DATA=phantom
STRATEGY ?= edge-m
DATA ?=
EPOCHS ?=
OUT ?= runs
PYTHON ?=
TORCH_INDEX ?=
DATA_FLAG = $(if $(DATA),--data "$(DATA)")

.PHONY: help setup train export bench report scanner test lint e2e clean
help:  ## show the commands
	@grep -hE '^[a-z0-9]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY)  ## make .venv with everything, pinned by constraints.txt

$(READY): pyproject.toml constraints.txt
	@python=$$(PYTHON="$(PYTHON)" ./.ci/find-python); \
	echo "Setting up .venv with $$python. This takes some minutes, and several GB with CUDA's libraries."; \
	$(if $(TORCH_INDEX),,echo "No NVIDIA GPU? Stop this, and run: make setup TORCH_INDEX=URL, with the address of the CPU wheels (pytorch.org, Get started). That saves most of the space.";) \
	"$$python" -m venv .venv
	@$(if $(TORCH_INDEX),PIP_EXTRA_INDEX_URL="$(TORCH_INDEX)") .venv/bin/pip install --quiet --disable-pip-version-check \
	  -c constraints.txt -e '.[tflite,sign,train,export,report,dev]'
	@touch $@
	@echo "Ready. Next: make export, make test, or .venv/bin/python -m train --help"

train: $(READY)  ## train STRATEGY (default edge-m; or all) on DATA for EPOCHS, into OUT (default runs)
	$(PY) -m train --strategy $(STRATEGY) $(DATA_FLAG) $(if $(EPOCHS),--epochs $(EPOCHS)) --out "$(OUT)" --resume

export: $(READY)  ## export every checkpoint in all recipes to artifacts/, verified
	$(PY) -m export --checkpoint all --recipes all $(DATA_FLAG)

bench: $(READY)  ## measure the artifacts on this machine
	@test -d artifacts || $(MAKE) export
	$(PY) -m benchmarks run artifacts $(DATA_FLAG)

report: $(READY)  ## turn the newest result into reports/ (Markdown and HTML)
	$(PY) -m benchmarks report

scanner: $(READY)  ## serve a scanner's screen on this computer, with a phantom as the probe
	$(PY) -m examples.scanner

test: $(READY)  ## all tests, two files at a time
	OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile

lint: $(READY)  ## ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

e2e: $(READY)  ## the real commands, in order, at toy size on the phantom
	$(PY) -m pytest tests/project/test_end_to_end.py

clean:  ## remove .venv, artifacts, reports and caches (checkpoints stay)
	rm -rf .venv artifacts reports build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
