# One entry point for everything: `make help`. Only POSIX sh and features of GNU make 3.81 are used.
# Locks and this folder's path make the stamp: a later call repeats nothing, a changed lock installs.

PRESET ?= minimal
ARGS ?=
# Ape's node keeps every step of every transaction. At full size it takes 10 GB for some of the
# contracts' tests: there each file has a node of its own.
CONTRACTS = $(if $(filter full,$(PRESET)),$(wildcard tests/contracts/test_*.py),tests/contracts)
SUITES ?= tests/offchain $(CONTRACTS) tests/e2e tests/faults
# The transport's tests want a message broker (mosquitto), and some minutes.
IGNORED := $(if $(filter full,$(PRESET)),,--ignore=tests/offchain/transport)
FORGE_PROFILE = $(if $(filter full,$(PRESET)),full,default)
BIN := .venv/bin
INPUTS := requirements.lock requirements-build.lock requirements-data.txt package-lock.json \
	pyproject.toml tools/setup.sh tools/venv_environment.py
STAMP_KEY := $(shell (pwd; cat $(INPUTS)) | cksum | cut -d ' ' -f 1)
STAMP := .venv/.setup-$(STAMP_KEY)

.DEFAULT_GOAL := help
.PHONY: help setup train cluster chaos test test-ape test-forge test-full symbolic mutants \
	bench bench-full lint format snapshots lock clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | \
		while IFS='|' read -r name text; do printf '%-18s %s\n' "$$name" "$$text"; done

setup: $(STAMP) ## Install everything from the locks into .venv and node_modules

# $(error) ends make with one line; a failing command would add make's own.
$(STAMP):
	$(eval MISSING := $(shell sh tools/setup.sh --check))$(if $(MISSING),$(error $(MISSING)))
	@sh tools/setup.sh $(STAMP_KEY)

train: setup ## Train a model end to end on a local chain; ARGS="--devices 64 --help ..."
	$(BIN)/ape run train $(ARGS)

cluster: setup ## Train with every party a process of its own: chain, broker, nodes; ARGS="--help"
	$(BIN)/ape run cluster $(ARGS)

chaos: setup ## Kill, cut and fill everything while a cluster trains; prints what came of it (minutes)
	VERIFOG_PRESET=full $(BIN)/ape test tests/faults --ignore=tests/faults/test_scale.py -s $(ARGS)

test: test-ape test-forge ## Run all tests with small sizes; make -j2 test runs Python's and forge's together

test-ape: setup
	@# Ape compiles S anew only when its own file has changed, not when a part of it has.
	$(BIN)/ape compile --force >/dev/null
	@# A node of its own for each suite: what one does to the chain's clock is nothing to the next.
	@# All of them run, also after one has failed.
	@status=0; for suite in $(SUITES); do \
		echo "VERIFOG_PRESET=$(PRESET) $(BIN)/ape test $$suite"; \
		VERIFOG_PRESET=$(PRESET) $(BIN)/ape test $$suite $(IGNORED) $(ARGS) || status=1; \
	done; exit $$status

test-forge: setup
	FOUNDRY_PROFILE=$(FORGE_PROFILE) $(BIN)/forge test

test-full: ## Run all tests at full size
	@$(MAKE) --no-print-directory test PRESET=full

symbolic: setup ## Prove the accounting of Contract S with Halmos (minutes); ARGS=--planted: that it can fail
	@sh tools/symbolic.sh $(ARGS)

mutants: setup ## Change Contract S in a sample of places, one at a time: which does no test notice?
	$(BIN)/python tools/mutate.py $(ARGS)

bench: setup ## Measure speed, size and gas beside Flower (6 minutes); refresh docs/performance.md
	$(BIN)/ape compile --force >/dev/null
	$(BIN)/python -m bench $(ARGS)

bench-full: ## The same at all sizes, up to 1,000 devices
	@$(MAKE) --no-print-directory bench ARGS=--full

lint: setup ## Check format, style, types, layering, settings, registry hosts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/forge fmt --check
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/python tools/check_repository.py
	$(BIN)/python tools/snapshots.py

format: setup ## Rewrite Python and Solidity in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/forge fmt

snapshots: setup ## Record gas, code sizes, interfaces and storage layout of the contracts anew
	$(BIN)/ape compile --force >/dev/null
	VERIFOG_GAS=record VERIFOG_PRESET=full $(BIN)/ape test tests/contracts/test_gas.py -q
	$(BIN)/python tools/snapshots.py --write

lock: setup ## Recompile the locks (UPGRADE=1 for all, PACKAGE=name for one)
	@UPGRADE=$(UPGRADE) PACKAGE=$(PACKAGE) sh tools/lock.sh

clean: ## Remove everything that can be made again, .venv and node_modules included
	rm -rf .venv node_modules .build .forge contracts/.cache out cache *.egg-info \
		.pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
