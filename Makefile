# Two commands do everything on a fresh machine: `make sweep` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
PACKAGES := datasets results cluster trainables search

.PHONY: sweep test faults docs pictures benchmark check format wheel clean
.DEFAULT_GOAL := sweep

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 13) else f"Evensweep needs Python 3.11 or 3.12, and {sys.executable} is {v[0]}.{v[1]}: run make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

sweep: .venv/installed  ## run the main job on the embedded demonstration data
	$(BIN)/evensweep run

test: .venv/installed  ## the whole suite; a file's tests share what they set up
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

faults: .venv/installed  ## every fault twenty times, at random moments, and clusters; for an hour or more
	EVENSWEEP_FAULTS=20 $(BIN)/pytest tests/faults -n 2 --dist loadfile
	EVENSWEEP_FAULTS=1 $(BIN)/pytest tests/benchmarks tests/cluster tests/docs tests/integration -m minutes

docs: .venv/installed  ## the documentation site, in build/site; it needs no network
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/site

pictures: .venv/installed  ## the README's pictures: RUN=runs/… is the run whose report is shown
	EVENSWEEP_PICTURES=docs/pictures EVENSWEEP_PICTURE_RUN=$(RUN) $(BIN)/pytest tests/browser
	$(BIN)/python docs/picture.py $(RUN)

.venv/benchmarks: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[benchmarks]'
	touch $@

benchmark: .venv/benchmarks  ## beside other tools, for hours; QUICK=1 for minutes
	$(BIN)/python benchmarks/side_by_side.py $(if $(QUICK),--quick)

check: .venv/installed .typecheck  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	MYPYPATH=.typecheck $(BIN)/mypy -p evensweep

format: .venv/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# mypy wants the installed layout: `evensweep` with the top-level folders as its subpackages.
.typecheck: Makefile
	rm -rf $@ && mkdir -p $@/evensweep
	for entry in evensweep/*; do ln -s ../../$$entry $@/evensweep/; done
	for folder in $(PACKAGES); do ln -s ../../$$folder $@/evensweep/$$folder; done

wheel: .venv/installed
	$(BIN)/python -m build --wheel

clean:
	rm -rf .venv .typecheck build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
