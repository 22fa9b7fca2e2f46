package openai

import "github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"

// scanner reads what is peculiar to the format.
type scanner struct{ jsonscan.Scanner }

func newScanner(data []byte) scanner { return scanner{jsonscan.Scanner{Data: data}} }
