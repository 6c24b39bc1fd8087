PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.stamp
DEMO := demo/dicomweb
STUDIES := ct-ibsi2-checkerboard mr-siemens-4series us-colour-multiframe xa-multiframe-96

.PHONY: setup run viewer-deps test lint bench

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv || { \
		echo "No usable '$(PYTHON) -m venv'. On Debian and Ubuntu: sudo apt-get install -y python3-venv" >&2; exit 1; }
	$(BIN)/pip install -q -c constraints.txt -e '.[s3,postgres,dev]'
	@touch $(STAMP)

run: setup
	$(BIN)/mkdicomweb create -o $(DEMO) $(addprefix tests/data/studies/,$(STUDIES))
	@echo "Serving http://127.0.0.1:5000/dicomweb (try /dicomweb/studies); Ctrl-C stops"
	$(BIN)/dicomwebserver -o $(DEMO)

viewer-deps: setup
	tests/viewer/setup.sh

test: setup viewer-deps
	$(BIN)/python -m pytest -n 2 --ignore tests/viewer tests
	$(BIN)/python -m pytest tests/viewer

lint: setup
	$(BIN)/ruff check .
	$(BIN)/mypy -p pacs

bench: setup
	@ls bench/*.py >/dev/null 2>&1 || { echo "No benchmark scripts in bench/ yet." >&2; exit 1; }
	@echo "Each script is run by hand: $(BIN)/python bench/NAME.py --help"
	@ls bench/*.py
