# `make help` lists what there is; `make check` is what CI runs.

CARGO  ?= cargo
TARGET ?= $(or $(CARGO_TARGET_DIR),target)
BINARY ?= $(TARGET)/debug/scopegate
SECONDS ?= 600
OUTPUT ?= $(TARGET)/soak
PEERS  ?= scopegate,nginx,nginx+token,haproxy,envoy,envoy+cache,tcp
SCENARIOS ?= S1,S2,S5,S7h1t,S8-10,S8-1000,S8-20000
REPETITIONS ?= 11
FUZZ   ?= $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))
FILES  := routes.yaml deploy/example/scopegate.yaml deploy/example/authorization-server.yaml

# What stands in the binary for the builder's own folders; of two that fit a path the last one counts.
PATHS := $(CURDIR)=scopegate $(abspath $(TARGET))=target $(or $(CARGO_HOME),$(HOME)/.cargo)=cargo

.DEFAULT_GOAL := help
.PHONY: help check fmt lint docs test clients edge-clients browser soak alerts watching deploy-check examples dependencies notices sbom sbom-check demo bench counts dist fuzz clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

check: lint docs test examples dependencies ## everything that CI asks for

fmt: ## format the code
	$(CARGO) fmt

lint: ## format and lints, no warning allowed
	$(CARGO) fmt --check
	rustfmt --check fuzz/fuzz_targets/*.rs
	$(CARGO) clippy --all-targets --all-features --locked -- -D warnings

docs: ## the code's documentation, no warning allowed
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --no-deps --all-features --locked

test: ## every test
	$(CARGO) test --all-features --locked

clients: ## real OAuth clients (npm) against BINARY's authorization server; needs Node 20
	npm ci --silent --no-audit --no-fund --prefix tests/clients
	node tests/clients/run.mjs --binary $(abspath $(BINARY))

edge-clients: ## curl, h2load, openssl, Node, Python and Chromium through BINARY's gateway; needs Node 20, h2load, Chromium
	npm ci --silent --no-audit --no-fund --prefix tests/clients
	python3 -m venv $(TARGET)/edge-venv
	$(TARGET)/edge-venv/bin/pip install --quiet --disable-pip-version-check --requirement tests/clients/requirements.txt
	node tests/clients/edge.mjs --binary $(abspath $(BINARY)) --python $(abspath $(TARGET)/edge-venv/bin/python)

browser: ## the pages of BINARY's authorization server and demo in Chromium; needs Node 20
	npm ci --silent --no-audit --no-fund --prefix tests/browser
	node tests/browser/run.mjs --binary $(abspath $(BINARY))

soak: ## SECONDS (600) of everything at once through a release build, with reloads and deaths; the result goes to OUTPUT
	$(CARGO) build --release --locked
	tests/soak/run --binary $(TARGET)/release/scopegate --seconds $(SECONDS) --output $(OUTPUT)

alerts: ## the rules for Prometheus, checked and tested by Debian's promtool
	promtool check config deploy/prometheus/prometheus.yaml
	promtool test rules tests/watching/rules.yaml

watching: ## each alert is made to fire and to clear in a running Prometheus, by BINARY; needs Debian's prometheus
	tests/watching/run --binary $(abspath $(BINARY)) --output $(TARGET)/watching

examples: ## the policies and files that are shipped, checked by the command itself
	$(CARGO) build --all-features --locked
	export SCOPEGATE_GATEWAY_TOKEN=the-gateway-token-of-the-example; for file in $(FILES); do $(TARGET)/debug/scopegate check $$file || exit 1; done

deploy-check: ## the chart, the compose file and the units, with BINARY; needs Node 20 and Python 3.11 (tests/deploy/systemd runs the units, as root)
	npm ci --silent --no-audit --no-fund --prefix tests/deploy
	python3 -m venv $(TARGET)/deploy-venv
	$(TARGET)/deploy-venv/bin/pip install --quiet --disable-pip-version-check --requirement tests/deploy/requirements.txt
	$(TARGET)/deploy-venv/bin/python tests/deploy/check.py --binary $(abspath $(BINARY))

dependencies: ## licences, bans, sources and yanked versions of what is linked, by deny.toml; whether THIRD-PARTY-NOTICES is up to date
	python3 .ci/test_dependencies.py
	python3 .ci/dependencies.py
	python3 .ci/notices.py --check

notices: ## write THIRD-PARTY-NOTICES
	python3 .ci/notices.py

sbom: ## write the software bill of materials, CycloneDX, to TARGET/scopegate.cdx.json
	python3 .ci/sbom.py $(TARGET)/scopegate.cdx.json

sbom-check: sbom ## hold it to the schema of CycloneDX, which comes from PyPI
	python3 -m venv $(TARGET)/sbom-venv
	$(TARGET)/sbom-venv/bin/pip install --quiet --disable-pip-version-check --requirement .ci/requirements.txt
	$(TARGET)/sbom-venv/bin/python .ci/check_sbom.py $(TARGET)/scopegate.cdx.json

demo: ## gateway, authorization server and an API on loopback, and a page that walks through them
	$(CARGO) run --release --locked -- demo

bench: ## measured figures: times of the parts, counts of whole requests; with HARNESS=FOLDER also beside peers, as in the README
	$(CARGO) bench --locked
	$(CARGO) build --release --locked
	benches/counts.py --parts --scopegate $(TARGET)/release/scopegate
ifdef HARNESS
	rm -f $(TARGET)/peers.jsonl
	$(HARNESS)/bench.py run --scopegate $(abspath $(TARGET)/release/scopegate) -c $(PEERS) -s $(SCENARIOS) -r $(REPETITIONS) --out $(TARGET)/peers.jsonl
	$(HARNESS)/bench.py table $(TARGET)/peers.jsonl
	$(HARNESS)/bench.py plot $(TARGET)/peers.jsonl
endif

counts: ## instructions, system calls and allocations of a request, held to benches/baseline.json; needs valgrind, libc6-dbg, strace
	$(CARGO) build --release --locked
	benches/counts.py --check --scopegate $(TARGET)/release/scopegate

dist: ## the smallest and fastest binary, in target/dist; the same bytes wherever it is built
	CARGO_INCREMENTAL=0 RUSTFLAGS='$(foreach map,$(PATHS),--remap-path-prefix=$(map))' CFLAGS='$(foreach map,$(PATHS),-ffile-prefix-map=$(map))' \
		$(CARGO) build --profile dist --locked --bin scopegate

fuzz: ## fuzz each target for SECONDS (600), or those that FUZZ names; needs nightly Rust and cargo-fuzz
	cp Cargo.lock fuzz/Cargo.lock
	for target in $(FUZZ); do \
		mkdir -p fuzz/found/$$target; \
		$(CARGO) +nightly fuzz run --sanitizer none $$target fuzz/found/$$target fuzz/corpus/$$target -- \
			-max_total_time=$(SECONDS) -timeout=10 -print_final_stats=1 || exit 1; \
	done

clean: ## take away everything that was built
	$(CARGO) clean
