# Everything is installed into .venv of this folder. Needed: Python 3.11 or newer, or uv.
#
#   make demo     apply manifests/demo.yaml to a private PostgreSQL
#   make test     run the tests; ARGS goes to pytest, as in: make test ARGS="-k planner"
#                 all but those of growth, those that try thousands of combinations, and the short torture
#   make growth   the tests of how time and memory grow
#   make unit     the tests that need no server, in seconds
#   make coverage how much of the code the tests run, by line and by branch, in the processes that they start, too
#   make check    what CI runs: format, lint, types, import floors, and all tests
#   make test-latest   the tests with the newest of everything that pyproject.toml allows, instead of what is locked
#   make matrix   run the database tests on PostgreSQL 13 to 18
#   make takeover   take projects over from the real other tools, which it installs
#   make bench    measure zmig beside psql and other tools; ARGS goes to it, as in: make bench ARGS="--quick"
#   make lock     lock the newest of everything: uv.lock, and constraints.txt for pip; needs uv
#   make format   rewrite the files as `make lint` wants them
#   make screenshots   draw the pictures of the console anew; make recording records it at work
#   make clean    stop the private PostgreSQL and remove everything made here

.PHONY: demo test growth unit coverage test-latest check lint types imports matrix takeover bench lock format recording screenshots clean
.DEFAULT_GOAL := demo

VENV := .venv
LATEST := .venv-latest
LOCKED := pyproject.toml uv.lock constraints.txt .ci/install
BIN := $(VENV)/bin
ARGS ?=

demo: $(VENV)/.demo
	$(BIN)/zmig apply manifests/demo.yaml
	@echo 'look at it with: $(BIN)/zmig status manifests/demo.yaml'

test: $(VENV)/.dev
	$(BIN)/pytest -n auto -m "not growth and not exhaustive" --ignore=tests/torture $(ARGS)

growth: $(VENV)/.dev
	$(BIN)/pytest -n auto -m growth $(ARGS)

unit: $(VENV)/.dev
	ZMIG_TEST_SERVER=none $(BIN)/pytest -n auto tests/unit tests/lint tests/packaging/test_lock.py tests/test_words.py $(ARGS)

coverage: $(VENV)/.dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-latest:
	@.ci/install $(LATEST) dev newest
	$(LATEST)/bin/pytest -n auto $(ARGS)

check: lint types imports
	$(BIN)/pytest -n auto

lint: $(VENV)/.dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: $(VENV)/.dev
	$(BIN)/pyright --pythonpath $(BIN)/python

imports: $(VENV)/.dev
	$(BIN)/lint-imports

matrix: $(VENV)/.dev
	tests/matrix/run

takeover: $(VENV)/.dev
	$(BIN)/python -m tests.takeover $(ARGS)

bench: $(VENV)/.bench
	$(BIN)/python -m bench $(ARGS)

lock:
	uv lock --upgrade
	uv export --quiet --locked --all-extras --all-groups --no-emit-project --no-hashes --no-annotate --no-header \
		--output-file constraints.txt

format: $(VENV)/.dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

recording: $(VENV)/.demo
	$(BIN)/python docs/recording.py

screenshots: $(VENV)/.dev
	$(BIN)/python docs/screenshots.py

$(VENV)/.demo: $(LOCKED)
	@.ci/install $(VENV) demo
	@touch $@

$(VENV)/.dev: $(LOCKED)
	@.ci/install $(VENV) dev
	@touch $@ $(VENV)/.demo

$(VENV)/.bench: $(VENV)/.dev
	@.ci/install $(VENV) bench
	@touch $@

clean:
	if test -x $(BIN)/zmig; then $(BIN)/zmig db stop manifests/demo.yaml; fi
	rm -rf $(VENV) $(LATEST) .bench .zmig build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
