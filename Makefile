# `make run` and `make test` are the two commands that a new machine needs; both do all set-up themselves.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
STAMP_DEV := $(VENV)/.installed-dev
CLIPS ?= ../shared/clips
# What pip is to install as torch for the tests of training, e.g. TORCH=torch; empty skips those tests.
TORCH ?=
comma := ,
PORT ?= 8080

.PHONY: run test check check-tensorrt format clean system-packages help

help: ## Show what can be made.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

run: $(STAMP) ## Start the monitor with its page and stream a demo call into it. CLIP=... TAMPERED=... choose the clips.
	$(BIN)/seamwatch demo --port $(PORT) $(if $(CLIP),--clip "$(CLIP)") $(if $(TAMPERED),--tampered "$(TAMPERED)") \
	  $(if $(wildcard $(CLIPS)/manifest.csv),--clips-dir "$(CLIPS)")

test: $(STAMP_DEV) system-packages ## Set up everything and run all tests.
	$(BIN)/seamwatch models pull
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(STAMP_DEV) ## Format, lint, types and the architecture's arrows.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check-tensorrt: $(STAMP_DEV) ## Parse and build every graph that TensorRT gets, in fp32 and fp16; needs no GPU.
	$(BIN)/seamwatch models pull
	$(BIN)/python -m bench.tensorrt_rtx_gate

format: $(STAMP_DEV) ## Rewrite the sources in the project's style.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove the virtual environment and caches; downloaded models stay.
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# For some tests only: a browser, a call server, a network of two hosts. They skip, and say so, where one is missing.
system-packages:
	@missing=""; \
	command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing="$$missing chromium"; \
	command -v janus >/dev/null || missing="$$missing janus"; \
	command -v ip >/dev/null || missing="$$missing iproute2"; \
	if [ -n "$$missing" ] && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing \
	    || echo "These could not be installed:$$missing; the tests that need them will skip."; \
	fi

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Seamwatch needs Python 3.11 or newer; call make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "The venv module is missing; on Debian or Ubuntu: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }

$(STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip setuptools
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(STAMP_DEV): pyproject.toml $(STAMP)
	$(if $(TORCH),$(BIN)/python -m pip install --quiet --disable-pip-version-check '$(TORCH)')
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev$(if $(TORCH),$(comma)training)]'
	@touch $@
