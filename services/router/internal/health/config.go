package health

// Config says how the models of a target are judged. The zero value takes the
// defaults.
type Config struct{}
