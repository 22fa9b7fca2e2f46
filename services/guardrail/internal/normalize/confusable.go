package normalize

// The table below lists letters of other scripts, and Latin letters that have
// no compatibility decomposition, which are read as an ASCII letter. It follows
// the idea of UTS #39 (https://www.unicode.org/reports/tr39/): single letters
// only, towards ASCII only.
var confusableSets = []struct{ to, from string }{
	{"A", "АΑᎪᗅꓮ"},
	{"B", "ВΒᏴᗷꓐ"},
	{"C", "СϹᏟꓚ"},
	{"D", "ᎠᗞꓓĐ"},
	{"E", "ЕΕᎬꓰ"},
	{"F", "ϜᖴꓝҒ"},
	{"G", "ԌᏀꓖ"},
	{"H", "НΗᎻꓧ"},
	{"I", "ІΙӀꓲ"},
	{"J", "ЈᎫꓙ"},
	{"K", "КΚᏦꓗ"},
	{"L", "ᏞᒪꓡŁ"},
	{"M", "МΜᎷꓟ"},
	{"N", "ΝꓠŊ"},
	{"O", "ОΟՕꓳØ"},
	{"P", "РΡᏢꓑ"},
	{"Q", "Ԛ"},
	{"R", "ᏒᖇꓣЯ"},
	{"S", "ЅᏚՏꓢ"},
	{"T", "ТΤᎢꓔ"},
	{"U", "Սᑌꓴ"},
	{"V", "ѴᏙᐯꓦ"},
	{"W", "ԜᎳꓪ"},
	{"X", "ХΧꓫ"},
	{"Y", "ΥҮУᎩꓬ"},
	{"Z", "ΖᏃꓜ"},
	{"a", "аαɑᴀ"},
	{"b", "ƄЬʙɓ"},
	{"c", "сϲᴄ"},
	{"d", "ԁɗᴅđ"},
	{"e", "еεҽᴇ"},
	{"f", "ƒꞙſꜰ"},
	{"g", "ɡɢց"},
	{"h", "һհʜ"},
	{"i", "іιıɩɪ"},
	{"j", "јϳᴊ"},
	{"k", "кκᴋ"},
	{"l", "ӏʟłɭ"},
	{"m", "мᴍ"},
	{"n", "пηոռɴŋ"},
	{"o", "оοօᴏσø"},
	{"p", "рρᴘ"},
	{"q", "ԛզ"},
	{"r", "гᴦʀ"},
	{"s", "ѕꜱʂ"},
	{"t", "тτᴛŧ"},
	{"u", "υսᴜʋ"},
	{"v", "ѵνᴠ"},
	{"w", "ԝωѡաᴡ"},
	{"x", "хχ"},
	{"y", "уγүʏ"},
	{"z", "ᴢʐ"},
	{"ss", "ß"},
	{"ae", "æ"},
	{"AE", "Æ"},
	{"oe", "œ"},
	{"OE", "Œ"},
	{"-", "‐‑‒–—―−﹘⁃"},
	{"'", "‘’‛′ʼ"},
	{"\"", "“”„‟″"},
	{"/", "⁄∕"},
	{".", "․。"},
	{":", "։ː∶"},
	{" ", "\u2800\u1680"},
	{"\n", "\u2028\u2029\u0085"},
}

var confusables = buildConfusables()

func buildConfusables() map[rune]string {
	m := make(map[rune]string, 256)
	for _, set := range confusableSets {
		for _, r := range set.from {
			m[r] = set.to
		}
	}
	// Squared, circled-negative and regional letters have no decomposition.
	for i := range rune(26) {
		up := string('A' + i)
		for _, block := range []rune{0x1F130, 0x1F150, 0x1F170, 0x1F1E6} {
			m[block+i] = up
		}
	}
	return m
}

func confusable(r rune) (string, bool) {
	s, ok := confusables[r]
	return s, ok
}
