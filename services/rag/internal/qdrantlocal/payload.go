package qdrantlocal

import (
	"maps"
	"slices"
	"strings"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"
)

// A payload is stored as the bytes of field 2 of a qdrant.RetrievedPoint, which
// is where a qdrant.ScoredPoint has its payload too. An answer that holds the
// whole payload takes these bytes as they are, without decoding them first.
func encodePayload(payload map[string]*qdrant.Value) ([]byte, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	return proto.Marshal(&qdrant.RetrievedPoint{Payload: payload})
}

func decodePayload(raw []byte) (map[string]*qdrant.Value, error) {
	if len(raw) == 0 {
		return map[string]*qdrant.Value{}, nil
	}
	var p qdrant.RetrievedPoint
	if err := proto.Unmarshal(raw, &p); err != nil {
		return nil, err
	}
	return p.GetPayload(), nil
}

// lookup finds a value by key; a dotted key walks into nested structures.
func lookup(fields map[string]*qdrant.Value, key string) *qdrant.Value {
	if v, ok := fields[key]; ok {
		return v
	}
	head, rest, dotted := strings.Cut(key, ".")
	if !dotted {
		return nil
	}
	return lookup(fields[head].GetStructValue().GetFields(), rest)
}

// anyValue reports whether the value, or an element of it where it is a list,
// satisfies the test. Qdrant matches lists the same way.
func anyValue(v *qdrant.Value, test func(*qdrant.Value) bool) bool {
	if list := v.GetListValue(); list != nil {
		for _, e := range list.GetValues() {
			if test(e) {
				return true
			}
		}
		return false
	}
	return v != nil && test(v)
}

// wholePayload reports whether a selector asks for everything.
func wholePayload(sel *qdrant.WithPayloadSelector) bool { return sel.GetEnable() }

// selectPayload applies a selector that names fields; a nil selector, or one
// that asks for all or nothing, gives nothing.
func selectPayload(raw []byte, sel *qdrant.WithPayloadSelector) (map[string]*qdrant.Value, error) {
	include, exclude := sel.GetInclude(), sel.GetExclude()
	if include == nil && exclude == nil {
		return nil, nil
	}
	fields, err := decodePayload(raw)
	if err != nil {
		return nil, err
	}
	if include != nil {
		maps.DeleteFunc(fields, func(k string, _ *qdrant.Value) bool { return !slices.Contains(include.GetFields(), k) })
	} else {
		maps.DeleteFunc(fields, func(k string, _ *qdrant.Value) bool { return slices.Contains(exclude.GetFields(), k) })
	}
	return fields, nil
}

// attachPayload puts what a selector asks for into an answer whose payload is
// field 2. A stored payload goes in as bytes that the sender does not look at.
func attachPayload(m proto.Message, payload *map[string]*qdrant.Value, raw []byte, sel *qdrant.WithPayloadSelector) error {
	if wholePayload(sel) {
		m.ProtoReflect().SetUnknown(raw)
		return nil
	}
	fields, err := selectPayload(raw, sel)
	*payload = fields
	return err
}
