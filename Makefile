# `make run` and `make test` do everything on a fresh machine with Python 3.11.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# The other end of the range of databricks-sdk that the workspace port runs on; requirements.lock holds the near one, the newest that
# dagster-databricks allows. Exact, so that the same tests run tomorrow: take the newest from PyPI when you touch the port.
SDK_LATEST := 0.162.0

# One more than there are cores, since tests also wait: for processes, for pauses between attempts.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(os.cpu_count() + 1)')
# Where it is set, each process and each worker compiles all modules and rewrites all tests again.
unexport PYTHONDONTWRITEBYTECODE
IN_PARALLEL = -n $(WORKERS) --dist worksteal

.PHONY: setup run dev test test-thorough test-sdk-latest test-spark test-spark-thorough test-ui bench lint lock clean
.DEFAULT_GOAL := help

help:  ## the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## */\t/' | expand -t 22

setup: .venv/.installed  ## create .venv with exact versions, and the command .venv/bin/alerting

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "Python 3.11 is needed; set PYTHON=/path/to/python3.11" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

run: setup  ## the main job: demo lakehouse, local workspace, the whole graph, a summary
	$(BIN)/python -m alerting_assets

dev: setup  ## local workspace + Dagster UI + daemon; Ctrl-C stops them
	$(BIN)/alerting dev

test: setup  ## every test that needs Python only, on all cores
	$(BIN)/python -m pytest $(IN_PARALLEL)

test-thorough: setup  ## the same and what proves it many times over: about a quarter of an hour on two cores; before a change that touches its subject is done
	ALERTING_TEST_PROFILE=thorough $(BIN)/python -m pytest $(IN_PARALLEL) -m "" --timeout=3600

test-sdk-latest: .venv-sdk/.installed-$(SDK_LATEST)  ## the workspace port's tests on the newest databricks-sdk
	@.venv-sdk/bin/python -c 'from databricks.sdk.version import __version__ as v; print("databricks-sdk", v); exit(v != "$(SDK_LATEST)")'
	.venv-sdk/bin/python -m pytest alerting_assets_tests/workspace $(IN_PARALLEL)

# The one package, in front of those of .venv: seconds and a few MB instead of a second gigabyte.
.venv-sdk/.installed-$(SDK_LATEST): .venv/.installed
	rm -rf .venv-sdk
	$(BIN)/python -m venv --without-pip .venv-sdk
	$(BIN)/python -m pip --python .venv-sdk install --quiet --disable-pip-version-check --no-deps databricks-sdk==$(SDK_LATEST)
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$(.venv-sdk/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/packages_of_venv.pth"
	@touch $@

# A JVM a worker: a third one is slower than to wait for one of two.
ON_SPARK = alerting_assets_tests/spark -n 2 --dist loadfile

# Fetched once, before the workers start: two that fetch at the same time break each other's files.
.venv/.spark-jars: .venv/.installed
	$(BIN)/python -m alerting_assets_tests.spark.probe
	@touch $@

test-spark: .venv/.spark-jars  ## the tests on Spark + Delta; need Java 17 and, the first time, Maven Central
	$(BIN)/python -m pytest $(ON_SPARK) --timeout=1200
	@$(BIN)/python -m alerting_assets_tests.lakehouse.count_conformance

test-spark-thorough: .venv/.spark-jars  ## the same and the whole suite over HTTP, killed JVMs, the main job with all definitions
	ALERTING_TEST_PROFILE=thorough $(BIN)/python -m pytest $(ON_SPARK) -m "" --timeout=1800

test-ui: setup  ## the UI tests; need an installed chromium
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock playwright==1.65.2
	$(BIN)/python -m pytest alerting_assets_tests/ui

bench: setup  ## benchmarks; each prints JSON
	@for f in benchmarks/bench_*.py; do echo "# $$f"; $(BIN)/python $$f || exit 1; done

lint: setup  ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock:  ## resolve requirements.lock anew from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --python-version 3.11 --no-emit-index-url --no-annotate --extra dev -o requirements.lock pyproject.toml

clean:  ## remove the environment; keeps .alerting (your tables)
	rm -rf .venv .venv-sdk .pytest_cache .mypy_cache .ruff_cache .hypothesis
