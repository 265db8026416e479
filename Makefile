# One word a job. Each sets up what it needs by itself; the first time takes a minute or two.
PYTHON := .venv/bin/python
SET_UP := .venv/.set-up
# Built into the package where there is a C compiler; all works without it.
COMPILED := $(wildcard plugins/mailroom/*/compiled/*.p[xy][dx])
PYTEST := $(PYTHON) -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup servers demo airflow pictures test unit coverage lint bench lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(SET_UP) servers ## packages into .venv, Dovecot through apt where missing
	@echo "Ready: . .venv/bin/activate; mailroom --help"

$(SET_UP): requirements.txt setup.cfg setup.py pyproject.toml scripts/set_up.sh $(COMPILED)
	@bash scripts/set_up.sh packages

servers:
	@bash scripts/set_up.sh servers

demo: $(SET_UP) servers ## a throwaway mail server, believable mail, the whole job, a table of what happened
	@$(PYTHON) -m demo.run

airflow: $(SET_UP) servers ## Airflow's pages on the demo mailboxes; Ctrl-C ends it
	@$(PYTHON) -m demo.airflow

pictures: $(SET_UP) servers ## the pictures of docs/images anew, from Airflow in a Chromium that is installed
	@$(PYTHON) -m demo.pictures

# One worker a core; the tests of one file stay together, and all that run Airflow share one worker.
test: $(SET_UP) servers ## all tests, on real servers
	@$(PYTEST) -n 2 --dist loadfile $(ARGS)

unit: $(SET_UP) ## the tests that need no server
	@$(PYTEST) tests/unit tests/property $(ARGS)

coverage: $(SET_UP) servers ## which lines the tests of the engine reach
	@$(PYTHON) -m coverage run -m pytest tests/unit tests/property tests/contract tests/integration $(ARGS)
	@$(PYTHON) -m coverage report

lint: $(SET_UP) ## style, format, types, layers
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@.venv/bin/lint-imports --no-logo

bench: $(SET_UP) servers ## side by side with other programs, 25 minutes (ARGS=--small: one, only checks that it runs)
	@bash scripts/set_up.sh rivals
	@$(PYTHON) -m benchmarks.run $(ARGS)

lock: ## requirements.txt anew from setup.cfg (UPGRADE=1: newest versions)
	@bash scripts/set_up.sh lock

clean: ## remove all that the other words made, .venv included
	rm -rf .venv .bootstrap .demo .airflow build dist .coverage* .hypothesis .*_cache plugins/*.egg-info \
		plugins/mailroom/*/compiled/*.c plugins/mailroom/*/compiled/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
