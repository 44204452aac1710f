# One Makefile, nothing else to learn.
#
#   make run     build the program and start the demo: a real shop under load
#   make test    install what the tests need, then run them all with -race
#   make check   formatting, vet, the import law
#   make golden  rewrite golden files after a look at the difference
#   make bench   measure against the peers, side by side in one run; writes docs/benchmarks.md
#   make bench-rows   queries over 100 million log rows, kept in the same file (some 20 minutes, 20 GB)
#   make bench-quick  the same at a small scale, printed only
#   make corpora try the parsers on public data, where it is at hand
#   make tofu    terraform steps with a real OpenTofu, which takes some minutes to build
#   make kube    kube steps with a real Kubernetes, which takes twenty minutes and more to build
#   make volume  a real LVM volume and a real quota are grown, in a small virtual machine
#   make soak    kill -9 and load for longer than a test may last
#   make soak-year  a year of rules in simulated time, beside Prometheus' engine

GO     ?= go
PEERS  ?= $(HOME)/.cache/evenkeel/peers
BINARY := bin/evenkeel

export EVENKEEL_PEERS := $(PEERS)

.PHONY: run build test test-tools tofu kube volume check golden bench bench-rows bench-quick corpora soak soak-year screenshots clean

run: build
	$(BINARY) demo

build:
	$(GO) build -o $(BINARY) ./cmd/evenkeel

test: test-tools
	GO=$(GO) scripts/test

test-tools:
	scripts/test-tools $(PEERS)

tofu:
	scripts/tofu $(PEERS)
	$(GO) test -tags tofu -run OpenTofu ./act/runbook

kube:
	scripts/kube $(PEERS)
	$(GO) test -tags kube -run Kubernetes -timeout 20m ./act/runbook

volume:
	scripts/volume $(PEERS)
	$(GO) test -tags volume -run Volume ./cli

check:
	scripts/check

golden:
	$(GO) test ./app -update

bench: build test-tools
	scripts/bench-tools $(PEERS)
	$(GO) run -tags bench ./bench/run -peers $(PEERS) -evenkeel $(BINARY) -out docs/benchmarks.md

bench-rows: build
	scripts/bench-tools $(PEERS)
	$(GO) run -tags bench ./bench/run -keep -only hundredmillion -peers $(PEERS) -evenkeel $(BINARY) -out docs/benchmarks.md

bench-quick: build test-tools
	scripts/bench-tools $(PEERS)
	$(GO) run -tags bench ./bench/run -quick -peers $(PEERS) -evenkeel $(BINARY)

corpora:
	$(GO) test -tags corpora -run Corpora -v ./... | grep -v 'no test files'

soak: test-tools
	$(GO) test -race -run 'Killed|RealClients' -count=10 -timeout 60m ./cli ./observe/...
	EVENKEEL_STORM=100000 $(GO) test -run StormKilled -v -timeout 30m ./cli

soak-year:
	EVENKEEL_SOAK_DAYS=$${EVENKEEL_SOAK_DAYS:-365} $(GO) test -run TestSoak -v -timeout 4h ./detect/evaluate

screenshots: build
	$(GO) test -tags screenshots -run Screenshots -timeout 10m -v ./cli/...

clean:
	rm -rf bin
