package qdrantlocal

import (
	"strings"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"
)

func encodePayload(payload map[string]*qdrant.Value) ([]byte, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	return proto.Marshal(&qdrant.Struct{Fields: payload})
}

func decodePayload(raw []byte) (map[string]*qdrant.Value, error) {
	if len(raw) == 0 {
		return map[string]*qdrant.Value{}, nil
	}
	var s qdrant.Struct
	if err := proto.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	return s.GetFields(), nil
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

// selectPayload applies a selector; a nil selector means nothing.
func selectPayload(raw []byte, sel *qdrant.WithPayloadSelector) (map[string]*qdrant.Value, error) {
	switch s := sel.GetSelectorOptions().(type) {
	case *qdrant.WithPayloadSelector_Enable:
		if !s.Enable {
			return nil, nil
		}
		return decodePayload(raw)
	case *qdrant.WithPayloadSelector_Include:
		fields, err := decodePayload(raw)
		if err != nil {
			return nil, err
		}
		out := make(map[string]*qdrant.Value, len(s.Include.GetFields()))
		for _, k := range s.Include.GetFields() {
			if v, ok := fields[k]; ok {
				out[k] = v
			}
		}
		return out, nil
	case *qdrant.WithPayloadSelector_Exclude:
		fields, err := decodePayload(raw)
		if err != nil {
			return nil, err
		}
		for _, k := range s.Exclude.GetFields() {
			delete(fields, k)
		}
		return fields, nil
	}
	return nil, nil
}
