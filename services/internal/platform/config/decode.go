package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Defaulter is implemented by types that fill themselves before they are
// decoded. It is called for elements of lists and maps and for new pointers;
// the root and its plain fields are filled by whoever calls Load.
type Defaulter interface {
	SetDefaults()
}

func decodeInto(n *Node, dst any) {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		n.Fail("cannot be decoded into %T", dst)
		return
	}
	decode(n, v.Elem())
}

// decode fills out from n and reports each fault on the way. Null keeps what
// out holds, except that it clears pointers, lists and maps.
func decode(n *Node, out reflect.Value) {
	if n.IsNull() {
		switch out.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
			out.SetZero()
		}
		return
	}
	if out.Kind() == reflect.Pointer {
		fresh := reflect.New(out.Type().Elem())
		setDefaults(fresh)
		decode(n, fresh.Elem())
		out.Set(fresh)
		return
	}
	if out.CanAddr() && decodeCustom(n, out) {
		return
	}
	switch out.Kind() {
	case reflect.Struct:
		decodeStruct(n, out)
	case reflect.Map:
		decodeMap(n, out)
	case reflect.Slice, reflect.Array:
		decodeList(n, out)
	case reflect.Interface:
		if err := n.tree().Decode(out.Addr().Interface()); err != nil {
			n.Fail("cannot be read")
		}
	default:
		decodeScalar(n, out)
	}
}

// decodeCustom lets a type decode itself, if it can.
func decodeCustom(n *Node, out reflect.Value) bool {
	var err error
	switch u := out.Addr().Interface().(type) {
	case Unmarshaler:
		u.UnmarshalConfig(n)
		return true
	case yaml.Unmarshaler:
		err = u.UnmarshalYAML(n.tree())
	case encoding.TextUnmarshaler:
		if !n.IsScalar() {
			wrongForm(n, out.Type())
			return true
		}
		err = u.UnmarshalText([]byte(n.Text()))
	default:
		return false
	}
	switch {
	case err == nil:
	case n.interpolated && !ownError(err):
		n.Fail("is not a valid %s", typeWord(out.Type())) // the error may quote a secret
	default:
		n.Fail("%v", err)
	}
	return true
}

// ownError says whether an error is known not to quote the value.
func ownError(err error) bool { return err == errDuration || err == errBytes }

func decodeStruct(n *Node, out reflect.Value) {
	if !n.IsMap() {
		wrongForm(n, out.Type())
		return
	}
	fields := fieldsOf(out.Type())
	for _, e := range n.entries {
		index, ok := fields[e.key]
		if !ok {
			f := n.rec.add(&Fault{Path: e.value.path, Line: e.line, Message: "unknown key"})
			f.Help = suggest(e.key, fields)
			continue
		}
		decode(e.value, out.FieldByIndex(index))
	}
}

func decodeMap(n *Node, out reflect.Value) {
	if !n.IsMap() || out.Type().Key().Kind() != reflect.String {
		wrongForm(n, out.Type())
		return
	}
	made := reflect.MakeMapWithSize(out.Type(), len(n.entries))
	for _, e := range n.entries {
		value := reflect.New(out.Type().Elem())
		setDefaults(value)
		decode(e.value, value.Elem())
		made.SetMapIndex(reflect.ValueOf(e.key).Convert(out.Type().Key()), value.Elem())
	}
	out.Set(made)
}

func decodeList(n *Node, out reflect.Value) {
	if !n.IsList() {
		wrongForm(n, out.Type())
		return
	}
	if out.Kind() == reflect.Array {
		if len(n.items) != out.Len() {
			n.Fail("needs exactly %d elements", out.Len())
			return
		}
	} else {
		out.Set(reflect.MakeSlice(out.Type(), len(n.items), len(n.items)))
	}
	for i, item := range n.items {
		setDefaults(out.Index(i).Addr())
		decode(item, out.Index(i))
	}
}

func decodeScalar(n *Node, out reflect.Value) {
	if !n.IsScalar() || n.yaml.Decode(out.Addr().Interface()) != nil {
		wrongForm(n, out.Type())
	}
}

func setDefaults(ptr reflect.Value) {
	if d, ok := ptr.Interface().(Defaulter); ok {
		d.SetDefaults()
	}
}

func wrongForm(n *Node, want reflect.Type) {
	n.Fail("needs %s, found %s", typeWord(want), n.describe())
}

// typeWord names a type in an operator's words.
func typeWord(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Duration]():
		return "a duration such as 3s"
	case reflect.TypeFor[Bytes]():
		return "a size such as 10MiB"
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return "text"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Struct, reflect.Map:
		return "a mapping"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return fmt.Sprintf("a whole number from 0 that fits %d bits", t.Bits())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return fmt.Sprintf("a whole number that fits %d bits", t.Bits())
	}
	return t.String()
}

// fieldsOf maps the keys of a struct to its fields, by the same tags as the
// YAML library: `yaml:"name"`, `yaml:",inline"`, `yaml:"-"`; without a tag
// the lower-cased name of the field.
func fieldsOf(t reflect.Type) map[string][]int {
	fields := make(map[string][]int, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-":
			continue
		case slices.Contains(strings.Split(options, ","), "inline"):
			for inner, index := range fieldsOf(f.Type) {
				fields[inner] = append([]int{i}, index...)
			}
			continue
		case name == "":
			name = strings.ToLower(f.Name)
		}
		fields[name] = []int{i}
	}
	return fields
}
