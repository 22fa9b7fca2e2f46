.DEFAULT_GOAL := help
BIN := $(CURDIR)/.bin
GO ?= go
export PATH := $(BIN):$(PATH)

help: ## Show this list.
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

proto: third_party $(BIN)/.tools ## Lint the contracts and generate Go and OpenAPI from them.
	buf lint
	buf generate
	@mv gen/openapi/tollgate.swagger.json gen/openapi/openapi.json

third_party: ; @./scripts/third-party-protos

.PHONY: help proto third_party
