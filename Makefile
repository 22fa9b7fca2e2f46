.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := $(CURDIR)/.bin
GO ?= go
export PATH := $(BIN):$(PATH)

BUF := 1.75.0
PROTOC_GEN_GO := v1.36.12
PROTOC_GEN_GO_GRPC := v1.6.2
GRPC_GATEWAY := v2.32.0
GOFUMPT := v0.12.0
STATICCHECK := v0.8.2
FUZZTIME ?= 30s

.PHONY: help proto build demo serve test check generated format lint vet tidy race fuzz bench conformance

help: ## Show this list.
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build the binary into bin/tollgate.
	$(GO) build -o bin/tollgate ./services/cmd/tollgate

demo: ## Start everything in one process and show one request from end to end.
	$(GO) run ./services/cmd/tollgate demo

serve: ## Run all services on the embedded defaults.
	$(GO) run ./services/cmd/tollgate serve

test: ## Run the tests of all modules.
	$(GO) test -timeout 20m work

check: generated format lint vet tidy race ## All that a change must pass besides the tests: generation, format, lint, vet, tidy, race.

proto: $(BIN)/buf $(BIN)/protoc-gen-go $(BIN)/protoc-gen-go-grpc $(BIN)/protoc-gen-grpc-gateway $(BIN)/protoc-gen-openapiv2 ## Lint the contracts; generate Go and OpenAPI from them.
	@./scripts/third-party-protos
	buf lint
	buf generate
	@mv gen/openapi/tollgate.swagger.json gen/openapi/openapi.json

generated: proto
	@git diff --exit-code --stat -- gen && test -z "$$(git status --porcelain -- gen)" || { echo "gen/ is stale: run make proto and commit it"; exit 1; }

format: $(BIN)/gofumpt
	@unformatted=$$(git ls-files '*.go' ':!gen' | xargs gofumpt -l); test -z "$$unformatted" || { echo "run gofumpt -w on:"; echo "$$unformatted"; exit 1; }

lint: $(BIN)/staticcheck
	cd services && staticcheck ./...
	cd bench && staticcheck ./...

vet:
	$(GO) vet work

tidy:
	@for module in gen docs services bench; do (cd $$module && GOWORK=off $(GO) mod tidy -diff && GOWORK=off $(GO) build ./...) || exit 1; done

race: ## Run the tests with the race detector.
	$(GO) test -race -short -timeout 30m work

fuzz: ## Run each fuzz target for FUZZTIME (30s).
	@./scripts/fuzz $(FUZZTIME)

bench: ## Measure the hot path, then the whole gateway over loopback.
	cd services && $(GO) test -run '^$$' -bench . -benchmem ./router/... ./guardrail/...
	@./bench/run

conformance: build ## Run the official Python and Node SDKs against the binary; print the grid.
	@TOLLGATE_BIN=$(CURDIR)/bin/tollgate ./conformance/run

$(BIN)/buf: ; @npm install --silent --no-save --prefix $(BIN)/npm @bufbuild/buf@$(BUF) >/dev/null && ln -sf npm/node_modules/.bin/buf $@
$(BIN)/protoc-gen-go: ; GOBIN=$(BIN) GOWORK=off $(GO) install google.golang.org/protobuf/cmd/protoc-gen-go@$(PROTOC_GEN_GO)
$(BIN)/protoc-gen-go-grpc: ; GOBIN=$(BIN) GOWORK=off $(GO) install google.golang.org/grpc/cmd/protoc-gen-go-grpc@$(PROTOC_GEN_GO_GRPC)
$(BIN)/protoc-gen-grpc-gateway: ; GOBIN=$(BIN) GOWORK=off $(GO) install github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway@$(GRPC_GATEWAY)
$(BIN)/protoc-gen-openapiv2: ; GOBIN=$(BIN) GOWORK=off $(GO) install github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv2@$(GRPC_GATEWAY)
$(BIN)/gofumpt: ; GOBIN=$(BIN) GOWORK=off $(GO) install mvdan.cc/gofumpt@$(GOFUMPT)
$(BIN)/staticcheck: ; GOBIN=$(BIN) GOWORK=off $(GO) install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK)
