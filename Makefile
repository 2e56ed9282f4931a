# make help lists the targets. Recipes longer than a line are in scripts/.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help install run check test tools lint types test-py test-js test-browser test-monitoring coverage bench bench-captions bench-audio bench-bots bench-analytics conformance soak outages fuzz dashboards metrics wheel lock clean

BIN := .venv/bin
LINT := $(BIN)/ruff check . && $(BIN)/ruff format --check .
TYPES := $(BIN)/mypy

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## create .venv with the service in it (.venv/bin/orch)
	@scripts/install.sh

run: ## install, then run the service with its own back ends on http://localhost:3000
	@scripts/install.sh demo
	@scripts/apertium.sh
	@exec $(BIN)/orch demo --log-format text $(ARGS)

test: tools static ## run the whole gate: lint, types, JavaScript, and Python beside browser tests
	scripts/test-py.sh all $(ARGS)

.PHONY: checkers tools
checkers:
	@scripts/install.sh test

tools: checkers
	@scripts/test-tools.sh

# Lint, types and JavaScript; meanwhile the Python tests are compiled, where they are not yet.
.PHONY: static
static: checkers
	scripts/side-by-side.sh "$(LINT)" "$(TYPES)" scripts/test-js.sh "scripts/test-py.sh compile"

check: static ## run lint, types, JavaScript, and the Python tests that start no process, in about a minute
	scripts/test-py.sh quick $(ARGS)

lint: checkers ## check style and format
	$(LINT)

types: checkers ## check types
	$(TYPES)

test-py: tools ## run the Python tests except those in a browser
	scripts/test-py.sh rest $(ARGS)

test-js: tools ## run the tests of the browser code in Node
	scripts/test-js.sh

test-browser: tools ## run the tests in Chromium
	scripts/test-py.sh browser $(ARGS)

coverage: tools ## run all Python tests and print which lines of orch/ they ran, child processes included
	COVERAGE=1 scripts/test-py.sh all $(ARGS)

bench: checkers ## measure captions, gateway, front, hub and sessions beside other servers; ARGS=--write saves the figures
	@scripts/install.sh bench
	@node --version >/dev/null 2>&1 && command -v redis-server >/dev/null || scripts/apt-install.sh nodejs npm redis-server
	@for each in nginx haproxy wrk; do command -v $$each >/dev/null || scripts/apt-install.sh $$each; done
	$(BIN)/python benchmarks/captions.py $(ARGS)
	$(BIN)/python benchmarks/fairness.py $(ARGS)
	$(BIN)/python benchmarks/gateway.py $(ARGS)
	$(BIN)/python benchmarks/workers.py $(ARGS)
	$(BIN)/python benchmarks/telemetry_load.py $(ARGS)
	$(BIN)/python benchmarks/front.py $(ARGS)
	$(BIN)/python benchmarks/hub.py $(ARGS)
	$(BIN)/python benchmarks/sessions.py $(ARGS)
	$(BIN)/python benchmarks/floods.py $(ARGS)
	$(BIN)/python benchmarks/sums.py $(ARGS)
	$(BIN)/python -m benchmarks.telemetry $(ARGS)

bench-audio: checkers ## measure the audio pipeline beside other programs: noise, voice activity, recognition, speed; ARGS=--write saves the figures
	@scripts/install.sh bench-audio
	@for each in benchmarks/audio_*.py; do case $$each in *_mixtures.py) ;; *) $(BIN)/python $$each $(ARGS) || exit ;; esac; done

bench-bots: checkers ## measure the meeting bots' parts; ARGS=--write saves the figures
	@for each in benchmarks/bots_*.py; do $(BIN)/python $$each $(ARGS) || exit; done

bench-analytics: checkers ## measure anomalies, insights and forecasts beside other methods; ARGS=--write saves the figures
	@scripts/install.sh bench-analytics
	$(BIN)/python benchmarks/analytics.py $(ARGS)

bench-captions: checkers ## measure live captions with Whisper beside LocalAgreement, their translations, and what noise costs; ARGS=--write saves the figures
	@scripts/install.sh bench
	$(BIN)/python benchmarks/live_captions.py $(ARGS)
	$(BIN)/python benchmarks/growing_translations.py $(ARGS)
	$(BIN)/python benchmarks/whisper.py $(ARGS)
	$(BIN)/python benchmarks/noise.py $(ARGS)

fuzz: checkers ## fuzz the HTTP/1.1 and WebSocket parsers for ten minutes each, comparing with h11 and wsproto
	$(BIN)/python benchmarks/fuzz_http1.py $(ARGS)
	$(BIN)/python benchmarks/fuzz_frames.py $(ARGS)

conformance: ## run the WebSocket cases of the Autobahn test suite against our front
	@scripts/install.sh conformance
	$(BIN)/python tests/conformance/websocket.py $(ARGS)

DURATION ?= 20m

outages: ## stream real speech through a network outage of 50 s (make test: 12 s), in Chromium and in Python
	OUTAGE=50 $(BIN)/pytest -s tests/browser/test_outages.py tests/service/test_outages.py $(ARGS)

soak: checkers ## connect and disconnect clients for DURATION, and check that memory and file descriptors stay flat
	$(BIN)/python benchmarks/soak.py --duration $(DURATION) $(ARGS)

metrics: checkers ## write docs/metrics.md from the table of metrics
	$(BIN)/python -m scripts.metrics_document

dashboards: checkers ## write monitoring/grafana/dashboards from scripts/dashboards
	$(BIN)/python -m scripts.dashboards

panels: tools ## run each panel's query in a real Prometheus that scrapes the demo in use, with a bot in a meeting
	MEETING=1 $(BIN)/pytest tests/monitoring/test_panels.py $(ARGS)

test-monitoring: tools ## run the tests of rules, alerts and panels with other versions; PROGRAMS=FOLDER[:FOLDER] has Prometheus and Alertmanager
	scripts/test-monitoring.sh "$(PROGRAMS)" $(ARGS)

wheel: checkers ## build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation

lock: ## write requirements/*.lock from pyproject.toml; ARGS=--upgrade takes the newest versions
	@scripts/install.sh lock
	scripts/lock.sh $(ARGS)

clean: ## remove everything that make can create again; sessions in var/ stay
	rm -rf .venv node_modules dist build .coverage .coverage.* test-results
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
