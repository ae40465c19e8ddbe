# Everything sets itself up: a virtual environment from the lock file, then the product. Needs Python 3.11 or newer.
.DEFAULT_GOAL := help
.PHONY: help run demo test check bench lock clean

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready

help: ## show this
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST)

$(READY): requirements-dev.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed" >&2; exit 1; }
	@echo "setting up .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $@

run: $(READY) ## everything on embedded engines, with simulator and seed data
	@exec $(BIN)/siyu dev

demo: $(READY) ## play the first sale on a fresh brand and check every sum
	@$(BIN)/siyu demo

test: $(READY) ## the whole test suite on the embedded engines
	@$(BIN)/python -m pytest -n 2 $(ARGS)

check: $(READY) ## format, lint, types, import contracts, migrations, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	SIYU_DATA_DIR=$$(mktemp -d) $(BIN)/siyu migrate --check
	$(MAKE) test

bench: $(READY) ## measure, print a table, write bench/latest.json
	@$(BIN)/python -m bench

lock: $(READY) ## pin the newest releases that work together, with hashes and without addresses
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile pyproject.toml --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --quiet -o requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --extra dev --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --quiet -o requirements-dev.lock

clean: ## remove the environment, caches and development data
	@rm -rf .venv .siyu .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
