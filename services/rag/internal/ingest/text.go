package ingest

// parseText takes blank lines as the ends of paragraphs.
func parseText(src []byte) document {
	var doc document
	for _, p := range paragraphs(src, bom(src), len(src)) {
		doc.blocks = append(doc.blocks, block{units: sentences(src, p.start, p.end)})
	}
	return doc
}

// paragraphs are the stretches between blank lines, with what follows them.
func paragraphs(src []byte, start, end int) []unit {
	var out []unit
	from, blank, seen := start, false, false
	for _, l := range lines(src, start, end) {
		a, b := trim(src, l.start, l.end)
		if a == b {
			blank = true
			continue
		}
		if blank && seen {
			out, from = append(out, unit{start: from, end: l.start}), l.start
		}
		blank, seen = false, true
	}
	if seen {
		out = append(out, unit{start: from, end: end})
	}
	return out
}

// bom is the length of a byte order mark at the start.
func bom(src []byte) int {
	if len(src) >= 3 && src[0] == 0xEF && src[1] == 0xBB && src[2] == 0xBF {
		return 3
	}
	return 0
}
