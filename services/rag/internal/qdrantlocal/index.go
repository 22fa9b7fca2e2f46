package qdrantlocal

import (
	"slices"

	"github.com/qdrant/go-client/qdrant"
)

// point is one stored point. Its payload stays encoded until it is asked for.
type point struct {
	key     pointKey
	payload []byte
	vectors vectors
	version uint64
}

// index is a collection in memory. A point lives in a slot; a replaced or
// deleted point leaves its slot empty for good, and every list of slots skips
// empty ones, so a delete costs what the point holds and not what the lists
// hold. Compaction builds a fresh index without the gaps.
type index struct {
	slots    []*point
	byKey    map[pointKey]uint32
	inverted map[string]*invertedIndex
	keywords map[string]*keywordIndex
	fields   map[string]*qdrant.CreateFieldIndexCollection
}

func newIndex(s schema) *index {
	x := &index{
		byKey:    map[pointKey]uint32{},
		inverted: map[string]*invertedIndex{},
		keywords: map[string]*keywordIndex{},
		fields:   map[string]*qdrant.CreateFieldIndexCollection{},
	}
	for name, idf := range s.sparse {
		x.inverted[name] = newInvertedIndex(idf)
	}
	return x
}

func (x *index) len() int { return len(x.byKey) }

// put stores a point in place of any other with its id.
func (x *index) put(p *point) error {
	x.remove(p.key)
	slot := uint32(len(x.slots)) // far below 2^32 by memory
	x.slots = append(x.slots, p)
	x.byKey[p.key] = slot
	for name, v := range p.vectors.sparse {
		x.inverted[name].add(slot, v)
	}
	if len(x.keywords) == 0 {
		return nil
	}
	fields, err := decodePayload(p.payload)
	if err != nil {
		return err
	}
	for name, k := range x.keywords {
		k.add(slot, lookup(fields, name))
	}
	return nil
}

func (x *index) remove(key pointKey) bool {
	slot, ok := x.byKey[key]
	if !ok {
		return false
	}
	p := x.slots[slot]
	x.slots[slot] = nil
	delete(x.byKey, key)
	alive := func(s uint32) bool { return x.slots[s] != nil }
	for name, v := range p.vectors.sparse {
		x.inverted[name].drop(v, alive)
	}
	for _, k := range x.keywords {
		k.drop(slot, alive)
	}
	return true
}

// addField indexes a payload field. Keyword fields get an index; of other
// types the definition is kept and filters read the payload.
func (x *index) addField(def *qdrant.CreateFieldIndexCollection) error {
	name := def.GetFieldName()
	x.fields[name] = def
	if def.GetFieldType() != qdrant.FieldType_FieldTypeKeyword || x.keywords[name] != nil {
		return nil
	}
	k := newKeywordIndex()
	for slot, p := range x.slots {
		if p == nil {
			continue
		}
		fields, err := decodePayload(p.payload)
		if err != nil {
			return err
		}
		k.add(uint32(slot), lookup(fields, name)) // a slot number
	}
	x.keywords[name] = k
	return nil
}

// rebuilt is a copy without empty slots.
func (x *index) rebuilt(s schema) (*index, error) {
	out := newIndex(s)
	out.slots = make([]*point, 0, len(x.byKey))
	for _, def := range x.fields {
		if err := out.addField(def); err != nil {
			return nil, err
		}
	}
	for _, p := range x.slots {
		if p == nil {
			continue
		}
		if err := out.put(p); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// matching lists the slots that satisfy the filter, in no set order.
func (x *index) matching(f *filter) ([]uint32, error) {
	var out []uint32
	visit := func(slot uint32) error {
		ok, err := f.matches(slot)
		if ok {
			out = append(out, slot)
		}
		return err
	}
	if candidates, narrowed := f.candidates(); narrowed {
		for _, slot := range candidates {
			if err := visit(slot); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	for slot, p := range x.slots {
		if p == nil {
			continue
		}
		if err := visit(uint32(slot)); err != nil { // a slot number
			return nil, err
		}
	}
	return out, nil
}

func (x *index) sortByKey(slots []uint32) {
	slices.SortFunc(slots, func(a, b uint32) int { return x.slots[a].key.compare(x.slots[b].key) })
}

// keywordIndex maps the values of a string field to slots and back.
type keywordIndex struct {
	ids    map[string]uint32
	lists  []slotList
	bySlot map[uint32][]uint32
}

// slotList is a list of slots of which some may be empty by now.
type slotList struct {
	slots []uint32
	live  int
}

func newKeywordIndex() *keywordIndex {
	return &keywordIndex{ids: map[string]uint32{}, bySlot: map[uint32][]uint32{}}
}

func (k *keywordIndex) add(slot uint32, v *qdrant.Value) {
	anyValue(v, func(e *qdrant.Value) bool {
		s, ok := e.GetKind().(*qdrant.Value_StringValue)
		if !ok {
			return false
		}
		id, known := k.ids[s.StringValue]
		if !known {
			id = uint32(len(k.lists)) // far below 2^32 by memory
			k.ids[s.StringValue] = id
			k.lists = append(k.lists, slotList{})
		}
		if slices.Contains(k.bySlot[slot], id) {
			return false
		}
		k.bySlot[slot] = append(k.bySlot[slot], id)
		k.lists[id].slots = append(k.lists[id].slots, slot)
		k.lists[id].live++
		return false
	})
}

func (k *keywordIndex) drop(slot uint32, alive func(uint32) bool) {
	for _, id := range k.bySlot[slot] {
		l := &k.lists[id]
		l.live--
		if len(l.slots) > 2*l.live+16 {
			l.slots = slices.DeleteFunc(l.slots, func(s uint32) bool { return !alive(s) })
		}
	}
	delete(k.bySlot, slot)
}

func (k *keywordIndex) has(slot, id uint32) bool {
	return slices.Contains(k.bySlot[slot], id)
}
