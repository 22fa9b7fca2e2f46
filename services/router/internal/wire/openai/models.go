package openai

// owner is who offers the models, as far as a client can see.
const owner = "tollgate"

// EncodeModels writes the list of models.
func EncodeModels(ids []string) []byte {
	e := &encoder{}
	e.raw(`{"object":"list","data":[`)
	for _, id := range ids {
		e.comma()
		e.model(id)
	}
	e.raw(`]}`)
	return e.buf
}

// EncodeModel writes one model.
func EncodeModel(id string) []byte {
	e := &encoder{}
	e.model(id)
	return e.buf
}

func (e *encoder) model(id string) {
	e.raw(`{"id":`)
	e.text(id)
	e.raw(`,"object":"model","created":0,"owned_by":"` + owner + `"}`)
}
