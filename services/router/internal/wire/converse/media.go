package converse

import (
	"path"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// Formats of media by their names in this format, with their media types. The
// first name of a type is the one that is written.
type format struct{ name, media string }

var (
	imageFormats = []format{{"png", "image/png"}, {"jpeg", "image/jpeg"}, {"gif", "image/gif"}, {"webp", "image/webp"}, {"jpeg", "image/jpg"}}
	soundFormats = []format{
		{"mp3", "audio/mpeg"},
		{"wav", "audio/wav"},
		{"flac", "audio/flac"},
		{"ogg", "audio/ogg"},
		{"opus", "audio/opus"},
		{"aac", "audio/aac"},
		{"mp4", "audio/mp4"},
		{"webm", "audio/webm"},
		{"mka", "audio/x-matroska"},
		{"m4a", "audio/x-m4a"},
		{"mp3", "audio/mp3"},
		{"wav", "audio/x-wav"},
		{"mpeg", "audio/mpeg"},
		{"mpga", "audio/mpeg"},
		{"x-aac", "audio/aac"},
		{"pcm", "audio/pcm"},
		{"mkv", "audio/x-matroska"},
	}
	fileFormats = []format{
		{"pdf", "application/pdf"},
		{"csv", "text/csv"},
		{"doc", "application/msword"},
		{"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
		{"xls", "application/vnd.ms-excel"},
		{"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
		{"html", "text/html"},
		{"txt", "text/plain"},
		{"md", "text/markdown"},
	}
)

// mediaOf is the media type of a format; empty if there is none of that name.
func mediaOf(known []format, name string) string {
	for _, f := range known {
		if f.name == name {
			return f.media
		}
	}
	return ""
}

// formatOf names the format of a blob: by its media type, or else by the end of
// its address. Without either it is the first that is known.
func formatOf(known []format, b *llmv1.Blob) string {
	media, _, _ := strings.Cut(b.GetMediaType(), ";")
	for _, f := range known {
		if media == f.media {
			return f.name
		}
	}
	if media != "" {
		return ""
	}
	if b.GetUri() == "" {
		return known[0].name
	}
	end := strings.ToLower(strings.TrimPrefix(path.Ext(b.GetUri()), "."))
	if end == "jpg" {
		end = "jpeg"
	}
	for _, f := range known {
		if end == f.name {
			return f.name
		}
	}
	return ""
}
