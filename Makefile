# Two commands matter: `make demo` and `make test`. Needed: python3 (3.11 to 3.13, with venv), node 20 or later, npm.

PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .toolchain/uv-$(UV_VERSION)/bin/uv
# Compiled once here: Ape, three oracles and the demo would each compile some 2,000 modules where nothing is cached.
UV_SYNC := UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1 $(UV) sync --frozen --quiet --python $(PYTHON)
SOLC := .toolchain/solc-v0.8.37
FOUNDRY := .toolchain/bin/.stamp
HALMOS := .toolchain/halmos-0.3.3/.stamp
HARDHAT := .toolchain/hardhat-3.18.0/.stamp
ANCHORS := .toolchain/.stamp-anchors
BROKERS := .toolchain/.stamp-brokers
CHROMIUM := .toolchain/.stamp-chromium
PROMTOOL := .toolchain/bin/promtool
SOLIDITY := $(shell find contracts tests/invariants -name '*.sol' 2>/dev/null)
# One pytest run; a folder that is missing is an error. The longest files come first, so that none of them ends alone.
TESTS := tests/web tests/integration tests/rehearsal tests/gas tests/anchors tests/chaos tests/fuzz tests/functional tests/oracle
# Processes that share pytest's files between them, each with a node of its own.
TEST_WORKERS ?= 3

# Slither blocks on high and medium findings in contracts/. Left out, with reasons:
#   uninitialized-local: Solidity zeroes locals, and we use that on purpose
SLITHER_EXCLUDED := uninitialized-local

# npm's own front of forge ends with 0 whatever forge says, so its binaries are linked into a folder of ours.
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/.toolchain/bin:$(CURDIR)/node_modules/.bin:$(PATH)
.DELETE_ON_ERROR:
.PHONY: help setup demo serve test test-pytest test-forge lint slither docs packages deploy-rehearsal compile gas gas-plot gas-snapshot bench bench-anchors bench-year chaos chaos-short fuzz-decoders invariants symbolic bytecode clean

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

setup: .venv/.stamp-all $(SOLC) $(FOUNDRY) $(ANCHORS) $(HALMOS) ## install everything, pinned; does nothing if it is there
	@echo "ready: commands are in .venv/bin and node_modules/.bin"

demo: .venv/.stamp-demo $(SOLC) $(FOUNDRY) ## a village's day, end to end; ARGS="--days 2 --community PATH --seed 7"
	@gridwitness demo $(ARGS)

serve: .venv/.stamp-demo $(FOUNDRY) ## the web page of the last demo; ARGS="--port 8100"
	@gridwitness serve $(ARGS)

test: setup compile $(HARDHAT) $(BROKERS) $(PROMTOOL) $(CHROMIUM) ## every test: contracts, oracle, integration, fuzzing and invariants
	@$(MAKE) --no-print-directory --keep-going -j2 test-pytest test-forge

# A file stays in one process, since its tests share fixtures. Bytecode is kept, or each of hundreds of processes that
# tests start would compile all sources anew.
test-pytest:
	env -u PYTHONDONTWRITEBYTECODE pytest --numprocesses $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

# Beside pytest, on the second core; what it says follows when it is done.
test-forge:
	@mkdir -p out
	@python toolchain/fuzz.py >out/fuzz.log 2>&1; status=$$?; echo "toolchain/fuzz.py:"; cat out/fuzz.log; exit $$status
	@python toolchain/prove.py >out/prove.log 2>&1; status=$$?; echo "toolchain/prove.py:"; cat out/prove.log; exit $$status

lint: setup slither ## style, types, import directions, static analysis
	ruff check .
	ruff format --check .
	mypy
	mypy --package scripts
	lint-imports
	forge fmt --check contracts tests/invariants tests/symbolic

slither: setup
	@forge build --quiet --force --build-info --skip 'tests/**' --out out/slither --cache-path cache/slither
	slither . --ignore-compile --foundry-out-directory out/slither --config-file slither.config.json \
	  --exclude $(SLITHER_EXCLUDED) --fail-medium

docs: setup ## the documentation as a web site, into out/site
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

packages: setup ## the npm package and the Python wheel for integrators, into out/packages; ARGS="--local --deployments out/demo"
	@python toolchain/make_packages.py $(ARGS)

deploy-rehearsal: setup compile $(HARDHAT) ## deploy on two real nodes, killed and disturbed at every step, then verify; ARGS="--node anvil"
	@python -m tests.rehearsal $(ARGS)

compile: .build/.stamp

gas: setup compile ## measure gas and sizes into tests/gas/gas.json; fails if they left what was there by over 1 %
	GRIDWITNESS_WRITE_GAS=1 pytest tests/gas

gas-plot: .venv/.stamp-demo ## draw docs/gas.png of gas.json and of what other markets take
	@python toolchain/plot_gas.py

gas-snapshot: setup compile ## rewrite the snapshots of gas, sizes and bytecode hashes, whatever they were
	-GRIDWITNESS_WRITE_GAS=1 pytest tests/gas
	python toolchain/bytecode_hash.py --write

bench: setup ## measure the runtime into bench/results.json and docs/bench.png; ARGS="merkle http" for parts
	@python -m bench $(ARGS)

bench-anchors: setup compile ## the same work on EAS, T-REX and here, side by side; ARGS=--write puts the tables into README
	@python -m tests.anchors.bench $(ARGS)

bench-year: setup out/rural3-year/year.parquet ## seconds to clear and settle a year of 118 meters by the Python reference
	@python -m tests.oracle.market.bench_year out/rural3-year

chaos: setup compile $(BROKERS) ## kill, reorganise and break a committee of real processes, and judge; MINUTES=60 SEED=1
	@python -m tests.chaos --minutes $(or $(MINUTES),60) --seed $(or $(SEED),1) $(ARGS)

# Goals of time are told, and decide nothing: machines of continuous integration are shared.
chaos-short: MINUTES := 3
chaos-short: ARGS := --no-timed
chaos-short: chaos ## the same in three minutes, into out/chaos.json and out/chaos.png

fuzz-decoders: setup ## fuzz what strangers send, guided by coverage; SECONDS=60 for each of the five decoders
	@for target in json cbor cose ocmf document; do \
	  mkdir -p out/fuzz/$$target && echo "$$target" && \
	  python -m tests.fuzz.decoders $$target -max_total_time=$(or $(SECONDS),60) -rss_limit_mb=1024 -timeout=10 -max_len=65536 \
	    -artifact_prefix=out/fuzz/$$target- -verbosity=0 out/fuzz/$$target tests/fuzz/corpus/$$target || exit 1; \
	done

invariants: setup ## fuzzing and invariants of the contracts, at least 200,000 of the market alone
	python toolchain/fuzz.py

symbolic: setup ## prove the mountain range and who may do what, with Halmos
	python toolchain/prove.py

bytecode: setup ## show the bytecode's hashes, of every compiler at hand
	python toolchain/bytecode_hash.py

clean: ## remove what was built; the installed tools stay
	rm -rf .build out cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# --- below: what stands once it is made -----------------------------------------------------------------------------

out/rural3-year/year.parquet: toolchain/make_community.py $(UV)
	@echo "making a year of simbench's 1-LV-rural3--0-sw"
	@$(UV) run --quiet toolchain/make_community.py --grid 1-LV-rural3--0-sw --out $(@D) --year

.toolchain/.stamp-tools:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.11 to 3.13 is needed, $(PYTHON) is $$($(PYTHON) --version 2>&1); name another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) has no venv module; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || \
	  { echo "Node.js 20 or later is needed, found: $$(node --version 2>/dev/null || echo none)"; exit 1; }
	@npm --version >/dev/null 2>&1 || { echo "npm is needed, found none"; exit 1; }
	@mkdir -p $(@D) && touch $@

$(UV): .toolchain/.stamp-tools
	@echo "installing uv $(UV_VERSION)"
	@$(PYTHON) -m venv .toolchain/uv-$(UV_VERSION)
	@.toolchain/uv-$(UV_VERSION)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

# The demo needs no test or lint tools; --inexact keeps them if they are there.
.venv/.stamp-demo: pyproject.toml uv.lock $(UV)
	@echo "installing Python packages"
	@$(UV_SYNC) --inexact --no-default-groups --group contracts
	@touch $@

.venv/.stamp-all: .venv/.stamp-demo
	@echo "installing Python packages for tests and lint"
	@$(UV_SYNC) --all-groups
	@touch $@

node_modules/.stamp: package.json package-lock.json .toolchain/.stamp-tools
	@echo "installing npm packages"
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(FOUNDRY): node_modules/.stamp
	@mkdir -p $(@D)
	@cd $(@D) && for tool in anvil cast forge; do ln -sf ../../node_modules/@foundry-rs/$$tool-*/bin/$$tool $$tool; done
	@touch $@

$(HALMOS): toolchain/halmos-requirements.txt $(UV)
	@echo "installing Halmos"
	@UV_PYTHON_DOWNLOADS=never $(UV) venv --quiet --clear --python $(PYTHON) $(@D)
	@$(UV) pip install --quiet --python $(@D)/bin/python --require-hashes -r $<
	@touch $@

# It wants a later Node.js than the rest, and brings one along where the system's is older.
$(HARDHAT): toolchain/install_hardhat.py toolchain/hardhat/package-lock.json toolchain/hardhat/hardhat.config.js .toolchain/.stamp-tools
	@echo "installing Hardhat's node"
	@$(PYTHON) toolchain/install_hardhat.py
	@touch $@

$(SOLC): .venv/.stamp-demo node_modules/.stamp toolchain/install_solc.py toolchain/solc_front.js
	@python toolchain/install_solc.py
	@touch $@

# Brokers that tests run come with the system; where they cannot be installed, the tests that need them fail.
$(BROKERS):
	@PATH="$$PATH:/usr/sbin"; command -v mosquitto >/dev/null && command -v nats-server >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "installing mosquitto and nats-server" && \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	  mosquitto nats-server >/dev/null; } || true
	@PATH="$$PATH:/usr/sbin"; if command -v mosquitto >/dev/null && command -v nats-server >/dev/null; then \
	  mkdir -p $(@D) && touch $@; \
	  else echo "tests of MQTT and NATS will fail for want of brokers; on Debian and Ubuntu: apt-get install mosquitto nats-server"; fi

# The browser that looks at the web page comes with the system too; Playwright only steers it.
$(CHROMIUM):
	@command -v chromium >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "installing chromium" && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || true
	@if command -v chromium >/dev/null; then mkdir -p $(@D) && touch $@; \
	  else echo "tests of the web page will fail for want of a browser; on Debian and Ubuntu: apt-get install chromium"; fi

# Of Debian's Prometheus only the tool that checks rules: the package itself would start a server.
$(PROMTOOL):
	@mkdir -p $(@D) .toolchain/prometheus
	@if command -v promtool >/dev/null; then ln -sf "$$(command -v promtool)" $@; \
	elif command -v apt-get >/dev/null; then echo "fetching promtool" && cd .toolchain/prometheus && rm -rf * && \
	  { [ "$$(id -u)" != 0 ] || apt-get update -qq; } && apt-get download -qq prometheus >/dev/null && \
	  dpkg-deb -x prometheus_*.deb . && rm -f *.deb usr/bin/prometheus && ln -sf ../prometheus/usr/bin/promtool ../bin/promtool; \
	fi || true
	@[ -e $@ ] || echo "tests of ops/alerts.yml will fail for want of promtool; it comes with Prometheus"

$(ANCHORS): toolchain/install_anchors.py .toolchain/.stamp-tools
	@echo "fetching the contracts that ours are measured beside"
	@$(PYTHON) toolchain/install_anchors.py
	@touch $@

# Ape recompiles a changed file, but not those that import it: so everything, whenever anything changed.
.build/.stamp: $(SOLIDITY) ape-config.yaml package-lock.json scripts/_artefacts.py $(SOLC)
	@echo "compiling contracts"
	@rm -rf .build
	@python -c 'import ape; from scripts._artefacts import load_artefacts; load_artefacts(ape.project)' >/dev/null
	@touch $@
