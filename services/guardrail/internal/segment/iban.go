package segment

// groupOfIBAN reports whether the token, at its end, is the first group of an
// IBAN (two letters, two digits) or, once one has begun, a further full group.
func groupOfIBAN(token []byte, open bool) bool {
	n := len(token)
	if n < 4 {
		return false
	}
	tail := token[n-4:]
	if open && n == 4 {
		return isAlnum(tail[0]) && isAlnum(tail[1]) && isAlnum(tail[2]) && isAlnum(tail[3])
	}
	if n > 4 && isAlnum(token[n-5]) {
		return false
	}
	letter := func(b byte) bool { return isAlnum(b) && !isDigit(b) }
	return letter(tail[0]) && letter(tail[1]) && isDigit(tail[2]) && isDigit(tail[3])
}
