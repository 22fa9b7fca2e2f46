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
	flags Flags
}

var table = func() (t [256]byteInfo) {
	for b := byte('a'); b <= 'z'; b++ {
		t[b] = byteInfo{classToken, HasLetter}
		t[b-'a'+'A'] = byteInfo{classToken, HasLetter}
	}
	for b := byte('0'); b <= '9'; b++ {
		t[b].class = classDigit
	}
	for _, b := range []byte("!#$&'*+-/=?^_~()") {
		t[b].class = classToken
	}
	t['@'] = byteInfo{classToken, HasAt}
	t['.'] = byteInfo{classToken, HasDot}
	t[':'] = byteInfo{classToken, HasColon}
	t['%'] = byteInfo{classToken, HasPercent}
	t[' '].class = classSpace
	t['\t'].class = classSpace
	// Two-byte letters (Latin, Greek, Cyrillic) belong to tokens; other scripts
	// are written without spaces and flow on their own.
	for b := 0xC3; b <= 0xD3; b++ {
		t[b] = byteInfo{classToken, HasLetter}
	}
	return t
}()

func isDigit(b byte) bool { return table[b].class == classDigit }

func isAlnum(b byte) bool {
	return isDigit(b) || b < 0x80 && table[b].flags&HasLetter != 0
}
