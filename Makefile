# make help says what there is. Every target can be called on its own; .ci/run calls `make test`.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run local-aws build fmt lint vuln template test fuzz e2e cost verify bench bench-once bench-compare screenshot \
  tools clean

GOLANGCI_VERSION := v2.12.2
GOLANGCI := bin/golangci-lint-$(GOLANGCI_VERSION)
GOVULNCHECK_VERSION := v1.9.0
GOVULNCHECK := bin/govulncheck-$(GOVULNCHECK_VERSION)
BENCHSTAT_VERSION := v0.0.0-20260908200009-22c9c6c9d4da
BENCHSTAT := bin/benchstat-$(BENCHSTAT_VERSION)
BENCH_OPTIONS = $(if $(BENCH),--bench '$(BENCH)') $(if $(COUNT),--count $(COUNT)) \
  $(if $(BENCHTIME),--benchtime $(BENCHTIME))
FUZZ_TIME := 2s
# What localdev --version says. Empty before the first tag and outside a clone, where the program finds out by itself.
VERSION = $(shell git describe --tags --match 'v*' --dirty 2>/dev/null)
VERSION_OF := github.com/nonstick-io/nonstick/internal/version
CHAT_CLIENT := internal/apps/chat/client

# The linter keeps the paths of the files it looked at. A cache shared with another checkout reports files
# that are not here, and misses the //nolint comments that are.
export GOLANGCI_LINT_CACHE := $(CURDIR)/.cache/golangci-lint

# A Node that scripts/install-tools fetched because the system's is too old.
export PATH := $(CURDIR)/.cache/node/node_modules/.bin:$(PATH)

help: ## say what there is
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

run: ## serve the chat on http://127.0.0.1:3000/ (ARGS="--help" for the options)
	@scripts/chat-client
	@go build -o bin/localdev ./localdev
	bin/localdev $(ARGS)

local-aws: ## the same from template.yaml: the functions as processes, on DynamoDB Local (ARGS as above)
	@scripts/chat-client
	@go build -o bin/localdev ./localdev
	bin/localdev --template template.yaml $(ARGS)

build: ## build localdev, and the program of the functions as AWS Lambda wants it, into bin/
	go build -trimpath -ldflags "-X $(VERSION_OF).stamped=$(VERSION)" -o bin/localdev ./localdev
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go build -trimpath -tags lambda.norpc \
	  -ldflags "-s -w -X $(VERSION_OF).stamped=$(VERSION)" -o bin/functions/bootstrap ./functions/app

fmt: $(GOLANGCI) ## format the Go code
	$(GOLANGCI) fmt ./...

lint: $(GOLANGCI) ## gofmt, go vet, golangci-lint
	@test -z "$$(gofmt -l .)" || { echo "not formatted, run make fmt:"; gofmt -l .; exit 1; }
	go vet ./...
	$(GOLANGCI) run ./...

vuln: $(GOVULNCHECK) ## look for known vulnerabilities in what is used, where their database can be reached
	go run ./scripts/vulncheck $(GOVULNCHECK) ./...

template: tools ## check template.yaml with the SAM CLI and cfn-lint
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 .cache/sam/bin/sam validate --lint
	.cache/sam/bin/cfn-lint template.yaml infra/edge/template.yaml \
	  examples/app/template.yaml examples/app/infra/edge/template.yaml

test: tools lint vuln template ## install what tests need, lint, run every test; a skipped test fails
	go build ./...
	go run ./scripts/gotest -race -timeout 20m $$(go list ./sessionstore/dynamostore ./... | grep -v /e2e) # the longest first
	go run ./scripts/bench once
	go run ./scripts/fuzz -time $(FUZZ_TIME)
	go run ./scripts/gotest -race -count 1 -parallel 4 -timeout 30m ./e2e

fuzz: ## fuzz every target there is (FUZZ_TIME=2s each)
	go run ./scripts/fuzz -time $(FUZZ_TIME)

e2e: tools ## only the tests from outside: every setup, the official client, a browser
	go run ./scripts/gotest -count 1 -parallel 4 -timeout 30m ./e2e

verify: ## find out what holds at a deployment: STACK=name, or OUTPUTS=file (docs/verify.md; ARGS="--help")
	go run ./scripts/verify $(if $(STACK),--stack $(STACK)) $(if $(OUTPUTS),--outputs $(OUTPUTS)) $(ARGS)

cost: tools ## measure what operations take of the table, and write docs/cost.md
	go run ./scripts/cost page --write

bench: ## run the benchmarks, into bin/bench (BENCH=regexp COUNT=n BENCHTIME=200ms PACKAGES="./adapter ./gateway/...")
	go run ./scripts/bench run $(BENCH_OPTIONS) $(PACKAGES)

bench-once: ## run each benchmark once, so that none can rot
	go run ./scripts/bench once $(PACKAGES)

bench-compare: $(BENCHSTAT) ## compare the benchmarks of two commits (OLD=commit NEW=commit; COUNT=6 and as bench)
	@test -n "$(OLD)" -a -n "$(NEW)" || \
	  { echo "OLD and NEW are needed: make bench-compare OLD=main~1 NEW=main" >&2; exit 2; }
	go run ./scripts/bench compare --benchstat $(BENCHSTAT) $(BENCH_OPTIONS) "$(OLD)" "$(NEW)" $(PACKAGES)

screenshot: tools ## take the pictures of the chat in docs anew
	NONSTICK_SCREENSHOTS=$(CURDIR)/docs go test -count 1 -run '^TestPage$$' ./e2e

tools: ## install what the tests need: Node, Chromium, nginx, Java, DynamoDB Local, the SAM CLI, clients of other languages
	@scripts/install-tools

clean: ## remove what was built or fetched
	rm -rf bin .cache e2e/node_modules e2e/artifacts $(CHAT_CLIENT)/node_modules

# Built by the Go command from the module proxy: the version and its checksums are Go's to verify.
$(GOLANGCI):
	@echo "build golangci-lint $(GOLANGCI_VERSION), which takes some minutes, once"
	GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv bin/golangci-lint $(GOLANGCI)

$(GOVULNCHECK):
	@echo "build govulncheck $(GOVULNCHECK_VERSION), once"
	GOBIN=$(CURDIR)/bin go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	mv bin/govulncheck $(GOVULNCHECK)

$(BENCHSTAT):
	@echo "build benchstat $(BENCHSTAT_VERSION), once"
	GOBIN=$(CURDIR)/bin go install golang.org/x/perf/cmd/benchstat@$(BENCHSTAT_VERSION)
	mv bin/benchstat $(BENCHSTAT)
