package gemini

// EncodeModels writes the list of models.
func EncodeModels(ids []string) []byte {
	e := &encoder{}
	e.raw(`{"models":[`)
	for _, id := range ids {
		e.comma()
		e.modelResource(id)
	}
	e.raw(`]}`)
	return e.buf
}

// EncodeModel writes one model.
func EncodeModel(id string) []byte {
	e := &encoder{}
	e.modelResource(id)
	return e.buf
}

func (e *encoder) modelResource(id string) {
	e.raw(`{`)
	e.textMember("name", "models/"+id)
	e.textMember("displayName", id)
	e.raw(`,"supportedGenerationMethods":["generateContent","streamGenerateContent","countTokens","embedContent","batchEmbedContents"]}`)
}
