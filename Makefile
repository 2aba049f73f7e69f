# Everything here sets itself up: `make demo` and `make test` work on a fresh Debian machine.
VENV ?= .venv
BIN := $(VENV)/bin
# twice the processors and one: most tests wait for something most of the time
WORKERS ?= $(shell expr 2 \* $$(nproc) + 1)

.PHONY: demo test test-busy lint check wheel packages image federation cloudmon reliability bench fuzz mutation man completion lock dist audit clean

demo: $(VENV)/ready
	@$(BIN)/python -m tests.demo

test: $(VENV)/ready
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(WHAT)

# The tests beside much else: LOAD processes that only count, and other programs on the usual ports. A line for each run.
LOAD ?= 20
RUNS ?= 3
test-busy: $(VENV)/ready
	$(BIN)/python scripts/under-load --load $(LOAD) --runs $(RUNS) \
		$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(WHAT)

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports

wheel: $(VENV)/ready
	scripts/check-wheel $(BIN)/python

packages: $(VENV)/ready
	scripts/build-packages $(BIN)/python

# The container image, built and tried with buildah, which is installed for it
image: $(VENV)/ready
	scripts/build-image $(BIN)/python

check: lint test wheel packages

# Every executable against every fault, with strict limits: takes some minutes and wants the machine to itself
reliability: $(VENV)/ready
	$(BIN)/python -m tests.reliability --write docs/reliability.md

# Takes about an hour, both cores, root (for the kernel's accounts of processor time) and peers of Debian:
# apt-get install nagios4-core monitoring-plugins-basic
bench: $(VENV)/ready
	$(BIN)/python -m benchmarks.cold_start
	$(BIN)/python -m benchmarks.worker
	$(BIN)/python -m benchmarks.soak_worker
	$(BIN)/python -m tests.cloudmon.soak
	$(BIN)/python -m benchmarks.lifecycle --slow
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.ncg
	$(BIN)/python -m benchmarks.selfcheck

# Looks for inputs that break a reader; see fuzz/README.md. SEED=0: another way each time.
SECONDS ?= 60
SEED ?= 0
TARGETS ?=
fuzz: $(VENV)/ready
	$(BIN)/python -m fuzz --replay
	$(BIN)/python -m fuzz --seconds $(SECONDS) --seed $(SEED) $(TARGETS)

# Changes the judging code in some thousand ways and tells which of them no test notices; half an hour on two cores.
mutation: $(VENV)/ready
	$(BIN)/python -m pip install --quiet ".[mutation]"
	$(BIN)/python -m pip uninstall --quiet --yes fedcloud-probes
	$(BIN)/mutmut run
	$(BIN)/python -m scripts.mutation_score

federation: $(VENV)/ready
	$(BIN)/python -m tests.federation

cloudmon: $(VENV)/ready
	@$(BIN)/python -m tests.cloudmon

$(VENV)/ready: setup.py scripts/set-up
	scripts/set-up $(VENV)

# what packages install beside the executables
man: $(VENV)/ready
	$(BIN)/python scripts/make-man build/man

completion: $(VENV)/ready
	$(BIN)/python scripts/make-completion build/completion

# what a release is made of; see release/README.md
RELEASE ?= .venv-release
UPGRADE ?=
lock: $(RELEASE)/ready
	scripts/lock $(RELEASE)/bin/python $(UPGRADE)

dist: $(RELEASE)/ready
	rm -rf dist
	$(RELEASE)/bin/python -m build --outdir dist .
	$(RELEASE)/bin/python scripts/make-sbom dist

audit: $(RELEASE)/ready
	$(RELEASE)/bin/python scripts/audit

$(RELEASE)/ready: setup.py
	python3 -m venv $(RELEASE)
	$(RELEASE)/bin/python -m pip install --quiet ".[release]"
	touch $@

clean:
	rm -rf $(VENV) $(RELEASE) build dist mutants man completion icinga2 wheels *.egg-info .coverage* htmlcov
