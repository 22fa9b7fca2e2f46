package anthropic

// EncodeModels writes a page of models that holds all of them.
func EncodeModels(ids []string) []byte {
	e := &encoder{}
	e.raw(`{"data":[`)
	for _, id := range ids {
		e.comma()
		e.model(id)
	}
	e.raw(`],"has_more":false,"first_id":`)
	if len(ids) == 0 {
		e.raw(`null,"last_id":null}`)
		return e.buf
	}
	e.text(ids[0])
	e.raw(`,"last_id":`)
	e.text(ids[len(ids)-1])
	e.raw(`}`)
	return e.buf
}

// EncodeModel writes one model.
func EncodeModel(id string) []byte {
	e := &encoder{}
	e.model(id)
	return e.buf
}

// model writes a model. When it was made is not known, which the format says
// by the beginning of time.
func (e *encoder) model(id string) {
	e.raw(`{"type":"model","id":`)
	e.text(id)
	e.raw(`,"display_name":`)
	e.text(id)
	e.raw(`,"created_at":"1970-01-01T00:00:00Z"}`)
}
