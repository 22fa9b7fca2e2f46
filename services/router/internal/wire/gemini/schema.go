package gemini

import (
	"strings"

	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

var schemaNames = jsonscan.Names{
	"type", "nullable", "properties", "items", "anyOf", "prefixItems", "additionalProperties", "defs", "ref",
	"minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength",
	"format", "example", "propertyOrdering",
}

// jsonSchema turns the format's own kind of schema, a part of OpenAPI's, into
// JSON Schema, which every other format takes. raw has been scanned before.
func jsonSchema(raw []byte) string {
	c := schemaConverter{scanner: newScanner(raw)}
	c.schema()
	return jsonscan.Alias(c.out)
}

type schemaConverter struct {
	scanner
	out []byte
}

// schema writes one schema. The type comes last, for whether null is one of
// its types may stand anywhere.
func (c *schemaConverter) schema() {
	if c.Peek() != '{' {
		c.copyValue()
		return
	}
	c.out = append(c.out, '{')
	var seen uint64
	var kind string
	var nullable, anyOf bool
	for c.Open('{'); c.Next('}'); {
		start := c.At
		key := c.Key()
		name, err := find(schemaNames, key, &seen, nil)
		if err != nil || name == "" { // written as it stands
			c.comma()
			sp := c.Skip()
			c.out = append(c.out, c.Data[start:sp.End]...)
			continue
		}
		switch name {
		case "type":
			kind = strings.ToLower(c.OptionalValue(c.OptionalText()))
		case "nullable":
			nullable, _ = c.Boolean()
		case "anyOf":
			anyOf = true
			c.anyOf(&nullable)
		default:
			c.keyword(name)
		}
	}
	c.writeType(kind, nullable && !anyOf)
	c.out = append(c.out, '}')
}

func (c *schemaConverter) keyword(name string) {
	switch name {
	case "properties", "defs":
		c.name(map[string]string{"properties": "properties", "defs": "$defs"}[name])
		c.schemas()
	case "items", "additionalProperties":
		c.name(name)
		c.schema()
	case "prefixItems":
		c.name(name)
		c.list(nil)
	case "ref":
		c.name("$ref")
		c.copyValue()
	case "example":
		c.name("examples")
		c.out = append(c.out, '[')
		c.copyValue()
		c.out = append(c.out, ']')
	case "propertyOrdering": // JSON Schema has no word for it
		c.Skip()
	case "format":
		if t := c.OptionalText(); t.Start != 0 && c.OptionalValue(t) != "enum" {
			c.name(name)
			c.out = jsonscan.AppendString(c.out, c.Value(t))
		}
	default: // limits, which may be written as strings
		c.name(name)
		if c.Peek() == '"' {
			c.out = append(c.out, c.Inner(c.Text())...)
			return
		}
		c.copyValue()
	}
}

func (c *schemaConverter) writeType(kind string, nullable bool) {
	if kind == "" || kind == "type_unspecified" {
		return
	}
	c.name("type")
	if nullable {
		c.out = append(c.out, '[')
	}
	c.out = jsonscan.AppendString(c.out, kind)
	if nullable {
		c.out = append(c.out, `,"null"]`...)
	}
}

// anyOf writes the alternatives; null becomes one of them.
func (c *schemaConverter) anyOf(nullable *bool) {
	c.name("anyOf")
	c.list(nullable)
}

func (c *schemaConverter) list(nullable *bool) {
	if c.Peek() != '[' {
		c.copyValue()
		return
	}
	c.out = append(c.out, '[')
	for c.Open('['); c.Next(']'); {
		c.comma()
		c.schema()
	}
	if nullable != nil && *nullable {
		c.comma()
		c.out = append(c.out, `{"type":"null"}`...)
	}
	c.out = append(c.out, ']')
}

// schemas writes an object whose members are schemas, under their own names.
func (c *schemaConverter) schemas() {
	if c.Peek() != '{' {
		c.copyValue()
		return
	}
	c.out = append(c.out, '{')
	for c.Open('{'); c.Next('}'); {
		c.comma()
		c.out = jsonscan.AppendString(c.out, c.Key())
		c.out = append(c.out, ':')
		c.schema()
	}
	c.out = append(c.out, '}')
}

func (c *schemaConverter) name(name string) {
	c.comma()
	c.out = jsonscan.AppendString(c.out, name)
	c.out = append(c.out, ':')
}

func (c *schemaConverter) comma() {
	if last := c.out[len(c.out)-1]; last != '{' && last != '[' {
		c.out = append(c.out, ',')
	}
}

func (c *schemaConverter) copyValue() {
	sp := c.Skip()
	c.out = append(c.out, c.Data[sp.Start:sp.End]...)
}
