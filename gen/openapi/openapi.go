// Package openapi holds the description of the REST API.
package openapi

import _ "embed"

// JSON is the OpenAPI 2.0 document, generated from the contracts.
//
//go:embed openapi.json
var JSON []byte
