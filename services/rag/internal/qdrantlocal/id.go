package qdrantlocal

import (
	"cmp"
	"encoding/binary"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"
)

// pointKey is a point id in comparable form: a number, or a UUID in two halves.
type pointKey struct {
	uuid   bool
	hi, lo uint64
}

func keyOf(id *qdrant.PointId) (pointKey, error) {
	switch v := id.GetPointIdOptions().(type) {
	case *qdrant.PointId_Num:
		return pointKey{lo: v.Num}, nil
	case *qdrant.PointId_Uuid:
		u, err := uuid.Parse(v.Uuid)
		if err != nil {
			return pointKey{}, invalid("unable to parse UUID: %s", v.Uuid)
		}
		return pointKey{uuid: true, hi: binary.BigEndian.Uint64(u[:8]), lo: binary.BigEndian.Uint64(u[8:])}, nil
	}
	return pointKey{}, invalid("empty point id")
}

func keysOf(ids []*qdrant.PointId) ([]pointKey, error) {
	keys := make([]pointKey, len(ids))
	for i, id := range ids {
		k, err := keyOf(id)
		if err != nil {
			return nil, err
		}
		keys[i] = k
	}
	return keys, nil
}

func (k pointKey) id() *qdrant.PointId {
	if !k.uuid {
		return qdrant.NewIDNum(k.lo)
	}
	var u uuid.UUID
	binary.BigEndian.PutUint64(u[:8], k.hi)
	binary.BigEndian.PutUint64(u[8:], k.lo)
	return qdrant.NewIDUUID(u.String())
}

// compare orders ids as Qdrant scrolls them: numbers first, then UUIDs.
func (k pointKey) compare(o pointKey) int {
	if k.uuid != o.uuid {
		if o.uuid {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(k.hi, o.hi), cmp.Compare(k.lo, o.lo))
}
