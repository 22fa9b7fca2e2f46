package cache

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

func keyOf(t testing.TB, m Material) Key {
	t.Helper()
	q, err := NewQuestion(m)
	if err != nil {
		t.Fatal(err)
	}
	return q.Key()
}

// Every field of the conversation, at any depth, is part of the key.
func TestEveryFieldOfTheConversationCounts(t *testing.T) {
	full := &llmv1.Conversation{}
	variants := fillMessage(full.ProtoReflect(), 6)
	base := keyOf(t, Material{Conversation: full})
	if again := keyOf(t, Material{Conversation: proto.Clone(full).(*llmv1.Conversation)}); again != base {
		t.Fatal("the same conversation has two keys")
	}
	fields := 0
	check := func(m *llmv1.Conversation, path string) {
		fields++
		if keyOf(t, Material{Conversation: m}) == base {
			t.Errorf("%s does not change the key", path)
		}
	}
	flip(full, full.ProtoReflect(), "conversation", check)
	for _, v := range variants {
		if v.Descriptor().FullName() == "" {
			t.Error("unnamed")
		}
	}
	if fields < 60 {
		t.Errorf("only %d fields were looked at", fields)
	}
}

// fillMessage sets every field; of a choice every member in turn, as elements
// of the list that holds it.
func fillMessage(m protoreflect.Message, depth int) (made []protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.ContainingOneof() != nil && !f.ContainingOneof().IsSynthetic() {
			continue // fillChoices does
		}
		made = append(made, fillField(m, f, depth)...)
	}
	for i := range m.Descriptor().Oneofs().Len() {
		if one := m.Descriptor().Oneofs().Get(i); !one.IsSynthetic() && m.WhichOneof(one) == nil {
			made = append(made, fillField(m, one.Fields().Get(0), depth)...)
		}
	}
	return made
}

func fillField(m protoreflect.Message, f protoreflect.FieldDescriptor, depth int) (made []protoreflect.Message) {
	switch {
	case f.IsMap():
		m.Mutable(f).Map().Set(protoreflect.ValueOfString("label").MapKey(), protoreflect.ValueOfString("value"))
	case f.IsList() && f.Kind() == protoreflect.MessageKind:
		list := m.Mutable(f).List()
		if depth <= 0 {
			return nil
		}
		for _, variant := range choices(f.Message()) {
			element := list.AppendMutable().Message()
			if variant != nil {
				made = append(made, fillField(element, variant, depth-1)...)
			}
			made = append(append(made, element), fillMessage(element, depth-1)...)
		}
	case f.IsList():
		m.Mutable(f).List().Append(scalar(f))
	case f.Kind() == protoreflect.MessageKind:
		if depth > 0 {
			made = append(made, fillMessage(m.Mutable(f).Message(), depth-1)...)
		}
	default:
		m.Set(f, scalar(f))
	}
	return made
}

// choices are the members of a message's first choice; a nil one if it has none.
func choices(d protoreflect.MessageDescriptor) (out []protoreflect.FieldDescriptor) {
	for i := range d.Oneofs().Len() {
		if one := d.Oneofs().Get(i); !one.IsSynthetic() {
			for j := range one.Fields().Len() {
				out = append(out, one.Fields().Get(j))
			}
			return out
		}
	}
	return []protoreflect.FieldDescriptor{nil}
}

func scalar(f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString("x")
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte("x"))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(1)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(1)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(1)
	default:
		panic("a kind that the test does not know: " + f.Kind().String())
	}
}

// flip changes one value after the other, and puts it back.
func flip(root *llmv1.Conversation, m protoreflect.Message, path string, check func(*llmv1.Conversation, string)) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		at := path + "." + string(f.Name())
		switch {
		case f.IsMap():
			key := protoreflect.ValueOfString("label").MapKey()
			v.Map().Set(key, protoreflect.ValueOfString("other"))
			check(root, at+"[value]")
			v.Map().Set(key, protoreflect.ValueOfString("value"))
		case f.IsList():
			flipList(root, f, v.List(), at, check)
		case f.Kind() == protoreflect.MessageKind:
			flip(root, v.Message(), at, check)
		default:
			m.Set(f, other(f, v))
			check(root, at)
			m.Set(f, v)
			m.Clear(f)
			check(root, at+" cleared")
			m.Set(f, v)
			return true
		}
		saved := proto.Clone(m.Interface()).ProtoReflect().Get(f)
		m.Clear(f)
		check(root, at+" cleared")
		m.Set(f, saved)
		return true
	})
}

func flipList(root *llmv1.Conversation, f protoreflect.FieldDescriptor, list protoreflect.List, at string, check func(*llmv1.Conversation, string)) {
	for i := range list.Len() {
		each := fmt.Sprintf("%s[%d]", at, i)
		if f.Kind() == protoreflect.MessageKind {
			flip(root, list.Get(i).Message(), each, check)
			continue
		}
		saved := list.Get(i)
		list.Set(i, other(f, saved))
		check(root, each)
		list.Set(i, saved)
	}
}

func other(f protoreflect.FieldDescriptor, v protoreflect.Value) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(v.String() + "y")
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte("y"))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(!v.Bool())
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(v.Enum() + 1)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(v.Int()) + 1)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(v.Int() + 1)
	default:
		return protoreflect.ValueOfFloat64(v.Float() + 0.5)
	}
}

// Every field of the material is part of the key.
func TestEveryFieldOfTheMaterialCounts(t *testing.T) {
	base := Material{}
	seen := map[Key]string{keyOf(t, base): "nothing"}
	change := func(name string, m Material) {
		key := keyOf(t, m)
		if before, ok := seen[key]; ok {
			t.Errorf("%s has the key of %s", name, before)
		}
		seen[key] = name
	}
	kind := reflect.TypeFor[Material]()
	for i := range kind.NumField() {
		m := Material{}
		field := reflect.ValueOf(&m).Elem().Field(i)
		switch kind.Field(i).Name {
		case "Conversation":
			m.Conversation = &llmv1.Conversation{Model: "x"}
		case "Defaults":
			m.Defaults = &llmv1.Sampling{Seed: proto.Int64(0)}
		case "Targets":
			m.Targets = []Target{{}}
			change("an empty target", m)
			for j := range 3 {
				m.Targets = []Target{{}}
				reflect.ValueOf(&m.Targets[0]).Elem().Field(j).SetString("x")
				change(fmt.Sprint("target field ", j), m)
			}
			continue
		default:
			if field.Kind() == reflect.Slice {
				field.Set(reflect.ValueOf([]string{"x"}))
			} else {
				field.SetString("x")
			}
		}
		change(kind.Field(i).Name, m)
	}
	if reflect.TypeFor[Target]().NumField() != 3 {
		t.Error("a field of Target is not tested")
	}
}

// No shift of a border between two fields makes the same key, and no two
// tenants ever have one.
func TestKeysAreApart(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("ab\x00\x01/"))).Draw(rt, "text")
		i, j := rapid.IntRange(0, len(text)).Draw(rt, "i"), rapid.IntRange(0, len(text)).Draw(rt, "j")
		one := Material{Tenant: text[:i], Owner: text[i:], Demands: []string{text[:j], text[j:]}}
		two := Material{Tenant: text[:j], Owner: text[j:], Demands: []string{text[:i], text[i:]}}
		if (keyOf(t, one) == keyOf(t, two)) != (i == j) {
			rt.Errorf("borders %d and %d of %q", i, j, text)
		}
	})
}

func TestWhatCannotBeWrittenHasNoKey(t *testing.T) {
	for _, text := range []string{"\xff a", "\xff b"} {
		if _, err := NewQuestion(Material{Conversation: &llmv1.Conversation{Model: text}}); err == nil {
			t.Error("half a question has a key")
		}
	}
}

// chat is a usual request.
func chat() Material {
	text := func(s string) []*llmv1.Part {
		return []*llmv1.Part{{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: s}}}}
	}
	return Material{
		Tenant: "acme", Owner: "organization/acme", Route: "gpt-*", Policy: "policies/default", PolicyVersion: "7",
		Demands: make([]string, 6), Targets: []Target{{"east", "gpt-4o-mini", ""}, {"west", "gpt-4o-mini", ""}},
		Conversation: &llmv1.Conversation{
			Model: "gpt-4o-mini", Sampling: &llmv1.Sampling{Temperature: proto.Float64(0.2)},
			Messages: []*llmv1.Message{
				{Role: llmv1.Role_ROLE_SYSTEM, Parts: text(strings.Repeat("You answer for the service desk. ", 20))},
				{Role: llmv1.Role_ROLE_USER, Parts: text(strings.Repeat("How do I reset my password? ", 10))},
			},
		},
	}
}

func TestKeyAllocations(t *testing.T) {
	m := chat()
	if n := testing.AllocsPerRun(100, func() { keyOf(t, m) }); n > 4 { // 1, but for pools that are emptied meanwhile
		t.Errorf("%v allocations for a key", n)
	}
}

func BenchmarkKey(b *testing.B) {
	m := chat()
	b.ReportAllocs()
	for b.Loop() {
		keyOf(b, m)
	}
}
