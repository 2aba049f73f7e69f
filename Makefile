# Everything here sets itself up: `make demo` and `make test` work on a fresh Debian machine.
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test lint check wheel federation clean

demo: $(VENV)/ready
	@$(BIN)/python -m tests.demo

test: $(VENV)/ready
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports

wheel: $(VENV)/ready
	scripts/check-wheel $(BIN)/python

check: lint test wheel

federation: $(VENV)/ready
	$(BIN)/python -m tests.federation

$(VENV)/ready: setup.py scripts/set-up
	scripts/set-up $(VENV)

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage* htmlcov
