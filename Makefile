# Everything here sets itself up: `make demo` and `make test` work on a fresh Debian machine.
# `make help` explains every target, `make plan` what would be installed.
VENV ?= .venv
BIN := $(VENV)/bin
# the federation listens on 127.0.0.1 only, and calls itself localhost
ALONE := scripts/with-local-names
# an environment with the oldest libraries that are allowed
OLDEST := .venv-oldest
# whose environment it becomes; the system's own if it is at least 3.11, else the first that is
PYTHON ?=
# twice the processors and one: most tests wait for something most of the time
WORKERS ?= $(shell expr 2 \* $$(nproc) + 1)

# What depends on the interpreter: all but what tries foreign daemons, pages, packages and what is made from the sources.
# .ci/run runs all tests with the system's own Python, and these with the newest of the machine.
OF_PYTHON := $(filter-out tests/test_project.py,$(wildcard tests/test_*.py)) tests/checks tests/clients tests/federation tests/formats tests/judge tests/probe tests/probes \
	tests/programs tests/state tests/targets tests/timelines
# What depends on the distribution as well: its OpenSSL, its LDAP server, its tools. .ci/run runs these on the other Debian,
# and with the versions of Python between the system's own and the newest: what differed so far is how ssl and sockets fail.
OF_DEBIAN := tests/clients tests/federation tests/formats/test_cms.py tests/formats/test_subject_hash.py \
	tests/probes/test_check_endpoint_tcp.py tests/probes/test_check_cloud_bdii.py \
	tests/probes/test_check_cloud_bdii_debian.py tests/probes/test_revocation.py tests/probes/test_check_broker.py

.PHONY: help plan tools availability-month test-all test-python test-patch-release oldest other-debian clean-machine demo test test-busy slowest coverage lint check wheel packages image federation cloudmon openstack reliability bench fuzz mutation mutation-sample man completion lock dist audit clean

demo: $(VENV)/ready-demo
	@$(ALONE) $(BIN)/python -m tests.demo

test: $(VENV)/ready
	$(ALONE) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(WHAT)

# The tests beside much else: LOAD processes that only count, and other programs on the usual ports. A line for each run.
LOAD ?= 20
RUNS ?= 3
# and PAUSES of the processes that the tests start stand still at a time
PAUSES ?= 0
test-busy: $(VENV)/ready
	$(ALONE) $(BIN)/python scripts/under-load --load $(LOAD) --pauses $(PAUSES) --runs $(RUNS) \
		$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(WHAT)

# Where the time goes: all tests, and the forty that took longest
slowest: $(VENV)/ready
	$(ALONE) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --durations=40 --durations-min=1 $(WHAT)

# Which lines and branches no test runs. Left out is what runs foreign daemons for minutes, or under limits of memory, which
# measuring itself would exceed.
coverage: $(VENV)/ready
	rm -f .coverage .coverage.*
	$(ALONE) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term-missing:skip-covered \
		$(or $(WHAT),$(OF_PYTHON))

# no test is skipped because a program is missing: with those that only a few tests need, such as a browser
test-all: tools
	FEDCLOUD_NEEDS_ALL=1 $(ALONE) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(WHAT)

# PYTHON=/path/to/python3.12: the part of the tests that depends on the interpreter, with that one
test-python:
	$(MAKE) --no-print-directory test VENV=.venv-$$($(PYTHON) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])') WHAT="$(OF_PYTHON)"

# PYTHON=/path/to/python3.11: what differed between the patch releases of one version so far
test-patch-release:
	$(MAKE) --no-print-directory test-python OF_PYTHON="$(OF_DEBIAN)"

# with the oldest version of each library that setup.py allows: what we ask of them is what they had then
OF_LIBRARIES := tests/checks tests/clients tests/formats tests/judge tests/probe tests/programs/selfcheck tests/programs/test_catalogue.py tests/targets $(filter-out tests/test_project.py,$(wildcard tests/test_*.py)) \
	tests/probes/test_check_perun.py tests/probes/test_check_occi_vm.py
oldest: $(OLDEST)/ready-oldest
	$(MAKE) --no-print-directory test VENV=$(OLDEST) WHAT="$(OF_LIBRARIES)"

# a new machine with the other Debian (12 or 13), in a directory: the README's two commands, and that all can be taken back
other-debian:
	scripts/other-debian "$(OF_DEBIAN)"

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
	$(ALONE) $(BIN)/python -m tests.reliability --write docs/reliability.md

# A month of results under a real Nagios by a clock of its own (Debian's libfaketime), and its figures: five minutes.
availability-month: $(VENV)/ready
	$(BIN)/python -m tests.timelines.month

# The executables against a real OpenStack, in name spaces of its own: some minutes, 3 GB of memory and 3 GB on disk, root.
# The first time also its packages. WHAT="-k quota": these tests only.
openstack: $(VENV)/ready
	@$(BIN)/python -m tests.openstack $(WHAT)

# Takes about an hour and a half, both cores, root (for the kernel's accounts of processor time) and peers of Debian:
# apt-get install nagios4-core icinga2-bin nagios-nrpe-server monitoring-plugins-basic
bench: $(VENV)/ready
	$(BIN)/python -m benchmarks.cold_start
	$(BIN)/python -m benchmarks.worker
	$(BIN)/python -m benchmarks.door
	$(BIN)/python -m benchmarks.schedulers
	$(BIN)/python -m benchmarks.soak_worker
	$(BIN)/python -m benchmarks.soak_door --seconds 1800
	$(BIN)/python -m tests.cloudmon.soak
	$(BIN)/python -m benchmarks.lifecycle --slow
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.ncg
	$(BIN)/python -m benchmarks.selfcheck

# Looks for inputs that break a reader; see fuzz/README.md. SEED=0: another way each time. INPUTS: a number of inputs in place of SECONDS.
SECONDS ?= 60
INPUTS ?= 0
SEED ?= 0
TARGETS ?=
fuzz: $(VENV)/ready-fuzz
	$(BIN)/python -m fuzz --replay
	$(BIN)/python -m fuzz --seconds $(SECONDS) --inputs $(INPUTS) --seed $(SEED) $(TARGETS)

# Changes the judging code in thousands of ways and lists those that no test notices; half an hour on two cores.
mutation: $(VENV)/ready
	$(BIN)/python -m pip install --quiet ".[mutation]"
	$(BIN)/python -m pip uninstall --quiet --yes fedcloud-probes
	$(BIN)/mutmut run
	$(BIN)/python -m scripts.mutation_score

# COUNT of these changes of each folder or module of libprobe in WHAT, drawn by SEED, each judged by the module's own test files.
mutation-sample: $(VENV)/ready
	$(BIN)/python -m pip install --quiet ".[mutation]"
	$(BIN)/python -m pip uninstall --quiet --yes fedcloud-probes
	$(BIN)/python -m scripts.mutation_sample --seed $(SEED) --count $(or $(COUNT),50) $(WHAT)

federation: $(VENV)/ready-demo
	$(BIN)/python -m tests.federation

cloudmon: $(VENV)/ready
	@$(ALONE) $(BIN)/python -m tests.cloudmon

# each adds to the one before it
SET_UP := setup.py scripts/set-up scripts/debian-packages scripts/add-packages
$(VENV)/ready-demo: $(SET_UP)
	scripts/set-up demo $(VENV) $(PYTHON)

$(VENV)/ready: $(VENV)/ready-demo
	scripts/set-up test $(VENV) $(PYTHON)

$(OLDEST)/ready-oldest: $(SET_UP) scripts/oldest-versions $(VENV)/ready
	scripts/set-up oldest $(OLDEST) $(PYTHON)

tools: $(VENV)/ready
	scripts/set-up all $(VENV) $(PYTHON)

$(VENV)/ready-fuzz: $(VENV)/ready
	scripts/set-up fuzz $(VENV) $(PYTHON)

# what each of them would install on this machine: the packages of Debian, their number and size
plan:
	@scripts/set-up plan $(VENV) $(PYTHON)

# take back what they installed; YES=1 does not ask
clean-machine:
	@scripts/clean-machine $(if $(YES),--yes)

help:
	@echo "make demo                a whole federation on this machine, and every probe on every site of it"
	@echo "make test                all tests; WHAT=tests/probes/test_check_perun.py: these"
	@echo "make test-all            the same, with what only a few tests want: a browser, PHP, rrdtool, zsh"
	@echo "make test-busy           all tests three times, beside twenty processes that only count"
	@echo "make test-python         the tests that depend on the interpreter; PYTHON=/path/to/python3.12: with that one"
	@echo "make test-patch-release  those that differed between patch releases of Python; PYTHON as before"
	@echo "make oldest              the tests that depend on libraries, with the oldest version of each that is allowed"
	@echo "make other-debian        demo, tests and packages on the Debian that this machine is not, in a directory"
	@echo "make slowest             all tests, and which took longest"
	@echo "make coverage            which lines and branches no test runs"
	@echo "make mutation            which changes of the judging code no test notices"
	@echo "make mutation-sample     the same of COUNT changes of each folder of libprobe in WHAT, by the module's own tests"
	@echo "make fuzz                hostile input for what reads the answers of others"
	@echo "make lint                style, types, layers"
	@echo "make check               all that decides whether a change lands, but for the packages' tries"
	@echo "make wheel               the wheel, built, installed and tried in a new environment"
	@echo "make packages            RPM and Debian package, built, installed, tried and removed"
	@echo "make image               the container image, built and tried"
	@echo "make man                 the man pages, into build/man"
	@echo "make completion          completion for bash and zsh, into build/completion"
	@echo "make federation          the federation of the demo, left running"
	@echo "make cloudmon            the same under a real Nagios"
	@echo "make openstack           the probes against a real OpenStack with ooi, in a directory; WHAT=--up: left running"
	@echo "make availability-month  a month of results under a real Nagios, whose figures are known"
	@echo "make reliability         every executable against every fault; writes the tables of docs/reliability.md"
	@echo "make bench               time and memory, for docs/performance.md; about an hour and a half, as root"
	@echo "make lock                the versions of libraries that packages bring along; UPGRADE=--upgrade: the newest"
	@echo "make audit               known vulnerabilities of these"
	@echo "make dist                the wheel and the source of a release, with its bill of materials, into dist"
	@echo "make plan                what each of these would install on this machine, and how large it is"
	@echo "make tools               what test-all needs, installed"
	@echo "make clean-machine       take away what they have installed"
	@echo "make clean               take away what was made in this checkout"
	@echo "make help                this list"

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
	rm -rf $(VENV) .venv-* $(RELEASE) build dist mutants man completion icinga2 wheels *.egg-info .coverage* htmlcov
