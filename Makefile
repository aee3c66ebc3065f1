# Every target works in a fresh clone: the environment is made on first use.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

UV_VERSION := 0.13.9
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed

# Without compiled bytecode every import of Dagster costs seconds.
unexport PYTHONDONTWRITEBYTECODE
export DAGSTER_HOME := $(CURDIR)/.dagster

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

$(STAMP): requirements.lock pyproject.toml
	python3 -m venv $(VENV)
	$(PY) -m pip install --quiet uv==$(UV_VERSION) || echo "uv is not available: pip does the work, slower"
	if [ -x $(VENV)/bin/uv ]; then \
	    $(VENV)/bin/uv pip install --quiet --python $(PY) --require-hashes -r requirements.lock && \
	    $(VENV)/bin/uv pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable .; \
	else \
	    $(PY) -m pip install --quiet --require-hashes -r requirements.lock && \
	    $(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .; \
	fi
	touch $@

.PHONY: setup
setup: $(STAMP) ## create .venv from the hashed lock

.PHONY: build
build: $(STAMP) ## run the main job: sources to published registry
	$(VENV)/bin/modelscan build

.PHONY: lock
lock: $(STAMP) ## compile requirements.lock from pyproject.toml
	$(VENV)/bin/uv pip compile pyproject.toml --all-extras --group dev --universal --generate-hashes \
	    --no-annotate --no-header --no-emit-index-url --no-emit-find-links --quiet -o requirements.lock
