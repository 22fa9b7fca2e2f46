package segment

// Flags say which bytes a segment holds, so that a check that needs others
// need not look.
type Flags uint16

// What a segment may hold.
const (
	HasAt Flags = 1 << iota
	HasDot
	HasColon
	HasPercent
	HasLetter
	// HasPEM marks a private key block, which spans lines.
	HasPEM
)

const (
	classDelim uint8 = iota
	classSpace
	classToken
	classDigit
)

type byteInfo struct {
	class uint8
	// esc marks n, r and t, which after a backslash are a break.
	esc   bool
	flags Flags
}

var table = func() (t [256]byteInfo) {
	for b := byte('a'); b <= 'z'; b++ {
		t[b] = byteInfo{class: classToken, flags: HasLetter}
		t[b-'a'+'A'] = byteInfo{class: classToken, flags: HasLetter}
	}
	for b := byte('0'); b <= '9'; b++ {
		t[b].class = classDigit
	}
	for _, b := range []byte("!#$&'*+-/=?^_~()") {
		t[b].class = classToken
	}
	t['@'] = byteInfo{class: classToken, flags: HasAt}
	t['.'] = byteInfo{class: classToken, flags: HasDot}
	t[':'] = byteInfo{class: classToken, flags: HasColon}
	t['%'] = byteInfo{class: classToken, flags: HasPercent}
	t[' '].class = classSpace
	t['\t'].class = classSpace
	// Two-byte letters (Latin, Greek, Cyrillic) belong to tokens; other scripts
	// are written without spaces and flow on their own.
	for b := 0xC3; b <= 0xD3; b++ {
		t[b] = byteInfo{class: classToken, flags: HasLetter}
	}
	for _, b := range []byte("nrt") {
		t[b].esc = true
	}
	return t
}()

func isDigit(b byte) bool { return table[b].class == classDigit }

func isAlnum(b byte) bool {
	return isDigit(b) || b < 0x80 && table[b].flags&HasLetter != 0
}
