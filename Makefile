PYTHON ?= .venv/bin/python

.PHONY: install quickstart test test-slow coverage docs lint format pretrain \
  bench torture

install:
	python3 -m venv .venv
	.venv/bin/pip install -e '.[dev]'

quickstart:
	$(PYTHON) -m tlkeras.cli.main quickstart

test:
	$(PYTHON) -m pytest -n 2

coverage:
	$(PYTHON) -m pytest -n 2 --cov --cov-fail-under=95

test-slow:
	$(PYTHON) -m pytest -m slow

docs:
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

format:
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

pretrain:
	$(PYTHON) configs/pretrain_letters.py

bench:
	$(PYTHON) -m benchmarks

torture:
	$(PYTHON) -m benchmarks.torture
