# make demo     serve the example app on this machine
# make test     run all tests
# make bench    run the benchmarks
# make fuzz     feed parsers with invalid input, TIME=60 seconds for each (on Linux)
# make soak     run an app under load, with faults, for MINUTES=30
# make mutants  change the code in many places, and measure how often a test fails
# make audit    look for insecure code, and for known vulnerabilities of the requirements
# Each makes a virtual environment in .venv first, and changes nothing outside this directory.

VENV := .venv
BIN := $(VENV)/bin
TIME ?= 60
MINUTES ?= 30
# The first Python that is new enough. To choose another, set PYTHON=...
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

.PHONY: demo test bench fuzz soak mutants audit screenshots lint docs build clean

demo: $(VENV)/demo
	$(BIN)/python -m example_app.demo

test: $(VENV)/test
	$(BIN)/python -m pytest --cov --cov-report=term-missing $(ARGS)

bench: $(VENV)/test
	$(BIN)/python -m tests.benchmarks

fuzz: $(VENV)/fuzz
	$(BIN)/python -m tests.fuzz --time $(TIME) $(ARGS)

audit: $(VENV)/dev
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive flask_core_auth example_app
	$(BIN)/python -m tests.audit

soak: $(VENV)/test
	MINUTES=$(MINUTES) $(BIN)/python -m tests.soak

mutants: $(VENV)/mutants
	$(BIN)/python -m tests.mutants $(ARGS)

screenshots: $(VENV)/dev
	$(BIN)/python -m tests.example_app.screenshots

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/python -m tests.writing.check

docs: $(VENV)/docs
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

build: $(VENV)/dev
	rm -rf dist
	$(BIN)/python -m build

$(VENV)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer was not found. Name one with: make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/demo: $(VENV)/python setup.cfg pyproject.toml example_app/requirements.txt
	$(BIN)/python -m pip install --quiet --editable '.[sql]' --requirement example_app/requirements.txt
	touch $@

$(VENV)/test: $(VENV)/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

$(VENV)/fuzz: $(VENV)/test
	$(BIN)/python -m pip install --quiet --editable '.[fuzz]'
	touch $@

$(VENV)/mutants: $(VENV)/test
	$(BIN)/python -m pip install --quiet --editable '.[mutants]'
	touch $@

$(VENV)/docs: $(VENV)/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

$(VENV)/dev: $(VENV)/test
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist docs/_build *.egg-info .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache
