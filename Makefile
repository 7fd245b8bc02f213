# Every way to work with Tiltyard. Needs Python 3.11+, git and a package registry; finds or puts uv itself.
.DEFAULT_GOAL := help
.PHONY: help run test slow check format bench audit constraints mutants notebook vulnerabilities

ifndef PYTHON
PYTHON := $(shell tools/python)
endif
need-python = @test -n "$(PYTHON)"
uv = $(PYTHON) -m tools.uv
WORKERS ?= 2# processes that share the tests; 0 runs them all in one
# Compiled once, and not in each process of each run, also where the machine says otherwise.
test slow: export PYTHONDONTWRITEBYTECODE =

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

run: ## install what is missing, then start on http://localhost:8501
	$(need-python)
	@$(PYTHON) -m tools.install
	@$(uv) run --no-sync app.py

test: ## every test but the slow ones, a real browser's and PostgreSQL's included; PYTEST="-k name" narrows it
	$(need-python)
	@$(PYTHON) -m tools.install --dev
	@chromium="$$($(PYTHON) -m tools.chromium)"; test $$? -ne 2 || exit 2; \
	TILTYARD_CHROMIUM="$$chromium" $(uv) run --no-sync pytest -m "not slow" -n $(WORKERS) $(PYTEST)

slow: ## the sweeps that are too long for each day: processes killed again and again, every corner of a view
	$(need-python)
	@$(PYTHON) -m tools.install --dev
	@chromium="$$($(PYTHON) -m tools.chromium)"; test $$? -ne 2 || exit 2; \
	TILTYARD_CHROMIUM="$$chromium" $(uv) run --no-sync pytest -m slow $(PYTEST)

check: ## format, lint, types, import contracts, unused dependencies, known vulnerabilities
	$(need-python)
	@$(PYTHON) -m tools.install --dev
	@$(PYTHON) -m tools.check

format: ## put the code into the form that `make check` asks for
	$(need-python)
	@$(PYTHON) -m tools.install --dev
	@$(uv) run --no-sync ruff format . && $(uv) run --no-sync ruff check --fix .

bench: ## what is measured, in one table (bench/README.md says against whom)
	$(need-python)
	@$(PYTHON) -m tools.install --dev
	@$(uv) run --no-sync python -m bench

mutants: ## put deliberate bugs into a copy, one by one: does some test catch each? Takes seven minutes
	$(need-python)
	@$(PYTHON) -m tools.install --dev
	@$(uv) run --no-sync python -m tests.mutants $(BUGS)

audit: ## check the ledger, in use or not: TILTYARD_DATABASE_URL's, else TILTYARD_DATA_DIR's; EXTENDS="TEAM:SEQ:HASH ..."
	$(need-python)
	@$(PYTHON) -m tools.install
	@$(uv) run --no-sync python -m operate audit $(foreach kept,$(EXTENDS),--extends $(kept))

notebook: ## three notebooks on a running Tiltyard: a request and its balance, a battle drawn, latency
	$(need-python)
	@$(PYTHON) -m tools.install
	@$(uv) run --no-sync --with jupyterlab==4.6.6 jupyter lab notebooks

constraints: ## pin what the direct dependencies bring along, after one of them changed
	$(need-python)
	@$(PYTHON) -m tools.constraints

vulnerabilities: ## hold every pinned version against known vulnerabilities; 2 where no service answers
	$(need-python)
	@$(PYTHON) -m tools.vulnerabilities
