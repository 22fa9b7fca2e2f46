package cli

import "fmt"

// dollars writes nano-USD for people, exactly: only zeros at the end are left out.
func dollars(nano int64) string {
	sign := ""
	if nano < 0 {
		sign, nano = "-", -nano
	}
	text := fmt.Sprintf("%s$%d.%09d", sign, nano/1e9, nano%1e9)
	for text[len(text)-1] == '0' && text[len(text)-3] != '.' { // two decimals stay
		text = text[:len(text)-1]
	}
	return text
}
