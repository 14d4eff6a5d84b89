# Each target is all the set-up there is: it makes the environment itself, from the lock.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test slow check bench up lock clean
.DEFAULT_GOAL := demo

$(READY): requirements.lock pyproject.toml
	@echo "Setting up .venv: the packages of the lock are installed, once, which takes some minutes ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Affidavit needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY)  ## add four samples, ask three questions, make a table, publish a memo
	@$(BIN)/affidavit demo

test: $(READY)  ## the tests, in parallel
	@$(BIN)/pytest -n auto --dist worksteal -m "not slow"

slow: $(READY)  ## the whole of what `test` samples
	@$(BIN)/pytest -n auto --dist worksteal

check: $(READY)  ## format, lint, types, import contract, template
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/cfn-lint storage/aws/infrastructure.yaml

bench: $(READY)  ## what it costs, beside a peer in the same run
	@for bench in scripts/bench_*.py; do PYTHONPATH=. $(BIN)/python $$bench || exit 1; done

up: $(READY)  ## the page and a worker, on this machine
	@$(BIN)/affidavit up

lock:  ## write requirements.lock anew, and its part that runs without tests (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra dev \
		--no-header --no-annotate pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate -c requirements.lock pyproject.toml -o requirements-run.lock

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build *.egg-info
