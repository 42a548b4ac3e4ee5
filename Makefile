# `make demo` and `make test` need Python 3.11 or newer and nothing else: each sets up its own environment first.

PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name) 2>/dev/null)))
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
WORKERS ?= 2
ORACLES := anonymeter sdmetrics
CHROMIUM ?= $(firstword $(foreach name,chromium chromium-browser google-chrome,$(shell command -v $(name) 2>/dev/null)))

# Each worker computes in one thread: two cores are shared by all of them.
test pytest audit: export OMP_NUM_THREADS ?= 1

# These are run, and printed, by the kill table itself.
IN_THE_KILL_TABLE := $(foreach test,test_mutants.py::test_a_break_of_a_whole_fit_is_noticed \
	test_mutants.py::test_without_a_break_nothing_is_noticed \
	test_privacy_mutants.py::test_a_named_test_notices_the_break,--deselect tests/audit/$(test))

.DEFAULT_GOAL := help
.PHONY: help demo test lint format types imports pytest audit bench bench-attacks bench-generator bench-noise look gallery oracle docs clean

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(VENV)/demo.ready ## set up, then lead the embedded cohort from patients to report (minutes)
	$(BIN)/synthhealth demo $(ARGS)

test: lint types imports pytest ## set up, then style, types, import direction and tests

lint: $(VENV)/dev.ready ## style, and whether everything is formatted
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/dev.ready ## mend what can be mended by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/dev.ready ## mypy --strict
	$(BIN)/mypy

imports: $(VENV)/dev.ready ## the direction of imports
	$(BIN)/lint-imports

pytest: $(VENV)/dev.ready ## tests
	$(BIN)/python -m pytest -n $(WORKERS) -m "not slow"

audit: $(VENV)/dev.ready ## the long checks of the privacy promise: deliberate breaks, canaries, tiny worlds
	PYTHONPATH=tests $(BIN)/python -m audit.kill_table
	$(BIN)/python -m pytest -m slow tests $(IN_THE_KILL_TABLE)

bench: $(VENV)/dev.ready ## ratios side by side, written to docs/benchmarks.md (ARGS names sections; ICU=folder)
	PYTHONPATH=tests $(BIN)/python -m bench.page $(ARGS)

bench-attacks: $(VENV)/dev.ready ## planted leaks and fresh patients before the attack suite; ICU=folder adds PhysioNet 2012
	PYTHONPATH=tests $(BIN)/python -m bench.attacks $(if $(ICU),--icu $(ICU)) $(ARGS)

bench-generator: $(VENV)/dev.ready ## engines by epsilon, ablations and sizes, seed by seed (ARGS names sections; ICU=folder)
	PYTHONPATH=tests $(BIN)/python -m bench.generator $(if $(ICU),--icu $(ICU)) $(ARGS)

bench-noise: $(VENV)/dev.ready ## what lattice noise and secret sampling cost beside the training steps that they are in
	PYTHONPATH=tests $(BIN)/python -m bench.noise $(ARGS)

oracle: $(VENV)/dev.ready $(ORACLES:%=.oracle/%/ready) ## our measures against other packages' own, each in an environment of its own
	for name in $(ORACLES); do \
		ORACLE=$(CURDIR)/.oracle/$$name/bin/python PYTHONPATH=tests $(BIN)/python tests/oracle/agree_$$name.py || exit 1; done

.oracle/%/ready: tests/oracle/%.txt $(VENV)/bin/python
	@$(VENV)/bin/python -m venv .oracle/$*
	@.oracle/$*/bin/python -m pip --disable-pip-version-check install --quiet --requirement tests/oracle/$*.txt
	@touch $@

look: $(VENV)/dev.ready ## the report in headless Chromium, light and dark: no request, no error, nothing serious by axe-core
	@test -n "$(CHROMIUM)" || { echo "Chromium must be on the PATH; got none; to fix: install it, or make look CHROMIUM=/its/path" >&2; exit 2; }
	mkdir -p .look && cp tests/browser/* .look && cd .look && npm install --silent --no-fund --no-audit
	PYTHONPATH=tests $(BIN)/python .look/write_report.py .look/out
	cd .look && CHROMIUM=$(CHROMIUM) node look.mjs shots out/release/report.html out/internal/report.html

gallery: $(VENV)/dev.ready ## the pictures of the docs, from out/demo and benchmark/benchmark.svg
	@test -n "$(CHROMIUM)" || { echo "Chromium must be on the PATH; got none; to fix: install it, or make gallery CHROMIUM=/its/path" >&2; exit 2; }
	mkdir -p .look && cp tests/browser/* .look && cd .look && npm install --silent --no-fund --no-audit
	CHROMIUM=$(CHROMIUM) $(BIN)/python .look/gallery.py out/demo benchmark/benchmark.svg docs/images

docs: $(VENV)/docs.ready ## the documentation as a site, in site/
	$(BIN)/mkdocs build --strict

clean: ## remove the environment and the caches
	rm -rf $(VENV) .oracle .look .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer must be on the PATH; got none; to fix: install it, or make PYTHON=/its/path" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python must be 3.11 or newer; got $$($(PYTHON) -V); to fix: make PYTHON=/path/to/a/newer/python3" >&2; exit 2; }
	@echo "setting up $(VENV) (once; some minutes)" >&2
	@$(PYTHON) -m venv $(VENV)

# Torch first: a later resolver step then has no reason to look for another build of it.
$(VENV)/torch.ready: $(VENV)/bin/python constraints.txt
	@$(PIP) torch
	@touch $@

$(VENV)/demo.ready: $(VENV)/torch.ready pyproject.toml
	@$(PIP) --editable ".[demo]"
	@touch $@

$(VENV)/dev.ready: $(VENV)/torch.ready pyproject.toml
	@$(PIP) --editable ".[dev]"
	@touch $@ $(VENV)/demo.ready

$(VENV)/docs.ready: $(VENV)/bin/python constraints.txt pyproject.toml
	@$(PIP) "mkdocs-material>=9.5,<10" "mkdocstrings-python>=2,<3"
	@touch $@
