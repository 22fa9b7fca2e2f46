// Package gen roots the module of generated contracts.
package gen
