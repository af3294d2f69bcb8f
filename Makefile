# Every command that a user, a developer or the continuous integration needs. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON := .venv/bin/python
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/sms
# Chosen once: a recursive variable would be another number at every use.
ifndef SEED
SEED := $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
endif
TESTS ?= tests
DATA ?= .sms-demo
BENCHMARKS := $(subst _,-,$(patsubst benchmarks/%.py,%,$(filter-out %/__init__.py,$(wildcard benchmarks/*.py))))

.PHONY: help install lint format test test-only test-long coverage demo demo-chaos agent helper-image bench compose-test \
        generate publish-contracts lock clean clean-cache

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## system packages, .venv from requirements.lock, and .venv/bin/sms; nothing to do when up to date
	@scripts/install.sh

lint: install ## formatter, linter, types, import rules, shape, spelling, generated files
	@scripts/lint.sh

format: install ## let ruff format and mend what it can
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

test: lint ## everything that continuous integration runs: install, lint, all tests but the long ones
	@echo "seed $(SEED) (replay with SEED=$(SEED))"
	@scripts/test.sh $(SEED)

test-only: install ## some tests alone: make test-only TESTS=tests/unit SEED=1
	@echo "seed $(SEED) (replay with SEED=$(SEED))"
	@$(PYTHON) -m pytest $(TESTS) -m "not long and not docker" --seed=$(SEED) --durations=15

test-long: install ## one family of long tests: make test-long FAMILY=crash
	@test -n "$(FAMILY)" || { echo "say which: make test-long FAMILY=name" >&2; exit 2; }
	@echo "seed $(SEED) (replay with SEED=$(SEED))"
	@$(PYTHON) -m pytest tests -m long -k "$(FAMILY)" --seed=$(SEED) --durations=0 --timeout=2700

coverage: install ## the tests with line and branch coverage, child processes included
	@rm -f .coverage .coverage.*
	@$(PYTHON) -m pytest $(TESTS) -m "not long and not docker" --seed=$(SEED) --cov --cov-report=
	@$(PYTHON) -m coverage report --sort=cover

demo: install ## migrate a live server in QEMU and prove that nothing was lost
	@$(PYTHON) -m demo --data $(DATA)

demo-chaos: install ## the same, with kill -9 of every service process during the copy
	@$(PYTHON) -m demo --data $(DATA) --chaos

agent: install ## build the agent as one self-contained file (cached by what it is built from)
	@$(PYTHON) -m agents.bundle

helper-image: install ## build the image of the helper VM, with the agent inside (cached by what it is built from)
	@$(PYTHON) -m agents.helper_image

bench: install ## every benchmark, for hours, or one: make bench BENCH=full-copy
	@missed=""; for name in $(or $(BENCH),$(BENCHMARKS)); do echo "== $$name"; \
	  $(PYTHON) -m "benchmarks.$${name//-/_}" || missed+=" $$name"; done; $(PYTHON) -m benchmarks.rig.report; \
	  test -z "$$missed" || { echo "failed, or missed a goal:$$missed" >&2; exit 1; }

compose-test: install ## the containers of docker-compose.yml with locally built images: up, one agent, down
	@scripts/install.sh --with-docker
	@$(PYTHON) -m pytest tests/compose -m docker -s --timeout=1200

generate: install ## rewrite the generated files: schemas, AsyncAPI document, pages of errors, phases, commands and benchmarks
	@$(PYTHON) -m contracts.generate
	@$(PYTHON) -m services.task.documents
	@$(PYTHON) -m services.gateway.documents
	@$(PYTHON) -m cli.reference
	@$(PYTHON) -m benchmarks.rig.report

publish-contracts: install ## take the present messages as the published versions to stay compatible with
	@$(PYTHON) -m contracts.generate --publish

LOCK := .venv-lock/bin/uv pip compile pyproject.toml --generate-hashes --python-version 3.11 \
  --python-platform x86_64-unknown-linux-gnu --no-emit-index-url --no-strip-extras

.venv-lock/bin/uv:
	@python3 -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv

lock: .venv-lock/bin/uv ## resolve the dependencies anew: requirements.lock, and the part that the image needs
	@$(LOCK) --quiet --group dev --extra agent-build -o requirements.lock
	@$(LOCK) --quiet --constraints requirements.lock -o requirements-runtime.lock

clean: ## remove .venv, build results and tool caches of this folder (data folders and built images stay)
	@echo "removing .venv .venv-lock build dist *.egg-info, coverage data and the caches of the tools"
	@rm -rf .venv .venv-lock build dist ./*.egg-info .coverage .coverage.* .mypy_cache .ruff_cache \
	  .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

clean-cache: ## remove the cached images and agent builds of this user
	@echo "removing $(CACHE): $$(du -sh "$(CACHE)" 2>/dev/null | cut -f1 || true) of built images and agents"
	@rm -rf "$(CACHE)"
