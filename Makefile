# The commands of this repository; each sets up what it needs. `make` lists them.

PYTHON ?= python3
BIN := .venv/bin
CHECKS := format lint types contracts audit unit

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo start test simulate mutants chaos bench fix lock sbom $(CHECKS)

help:
	@echo "make demo       run the sample app, kill a worker, watch it finish"
	@echo "make start      run the sample app on port 7071 until Ctrl-C"
	@echo "make test       every check: $(CHECKS)"
	@echo "make simulate   lives of a simulated hub; SEEDS=100000 for long, SEED=7 for one's trace"
	@echo "make mutants    plant faults in a copy of the code: the simulation has to find each"
	@echo "make chaos      kill, stop and lie to workers under load; SIZE=10000 for long"
	@echo "make bench      measure ours, peers and the bare storage; ARGS='--only W1,W2 --repeat 3'"
	@echo "make fix        format the code and apply the linter's safe fixes"
	@echo "make setup      only set up: .venv and .tools (the others do it themselves)"
	@echo "make lock       pin the newest packages that fit (needs uv and npm)"
	@echo "make sbom       print what the package depends on, as CycloneDX"
	@echo
	@echo "One check:      make format | lint | types | contracts | audit | unit"
	@echo "Some tests:     make unit ARGS='tests/contract -k queue'"
	@echo "Another Python: make PYTHON=python3.13 test"

# `make test` sets up once and tells the checks so.
setup:
ifndef READY
	@$(PYTHON) tools/bootstrap.py
endif

demo: setup
	@$(BIN)/python tools/demo.py

start: setup
	@$(BIN)/python tools/start.py

# Runs every check, so that one run names all that is wrong.
test: setup
	@failed=; \
	for check in $(CHECKS); do \
		$(MAKE) --no-print-directory READY=yes $$check || failed="$$failed $$check"; \
	done; \
	echo; \
	if [ -n "$$failed" ]; then echo "make test: FAILED:$$failed"; exit 1; fi; \
	echo "make test: all checks passed: $(CHECKS)"

format: setup
	@echo "== format: ruff format --check"
	@$(BIN)/python -m ruff format --check .

lint: setup
	@echo "== lint: ruff check, durable check"
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m durable check function_app.py orchestrators tests/patterns/apps

types: setup
	@echo "== types: mypy --strict"
	@$(BIN)/python -m mypy
	@$(BIN)/python -m mypy bench tests

contracts: setup
	@echo "== contracts: import-linter"
	@$(BIN)/lint-imports --no-logo

# Files run beside each other: each worker has an Azurite of its own.
ALL := -n auto --dist loadfile -q --durations 15

unit: setup
	@echo "== unit: pytest"
	@$(BIN)/python -m pytest $(or $(ARGS),$(ALL))

audit: setup
	@echo "== audit: known vulnerabilities of what is pinned"
	@$(BIN)/python tools/audit.py

sbom: setup
	@$(BIN)/python tools/audit.py sbom

SIZE ?= 1000

SEEDS ?= 2000

simulate: setup
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS)) $(ARGS)

mutants: setup
	@$(BIN)/python -m tests.simulation.mutants $(ARGS)

chaos: setup
	@$(BIN)/python -m tests.chaos --size $(SIZE) $(ARGS)

bench: setup
	@$(BIN)/python -m bench $(ARGS)

fix: setup
	-@$(BIN)/python -m ruff check --fix .
	@$(BIN)/python -m ruff format .

COMPILE := UV_CUSTOM_COMPILE_COMMAND="make lock" \
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes

lock:
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) pyproject.toml requirements/dev.in -c requirements/runtime.txt -o requirements/dev.txt
	$(COMPILE) pyproject.toml requirements/agent-framework.in -o requirements/agent-framework.txt
	$(COMPILE) requirements/node.in -o requirements/node.txt
	$(COMPILE) requirements/security.in -o requirements/security.txt
	for peer in dbos restate durabletask durable_functions; do \
		$(COMPILE) bench/peers/$$peer.in -o bench/peers/$$peer.txt || exit 1; \
	done
	cd tools/azurite && npm install --package-lock-only --omit-lockfile-registry-resolved
	cd bench/peers/restate_server && npm install --package-lock-only --omit-lockfile-registry-resolved
