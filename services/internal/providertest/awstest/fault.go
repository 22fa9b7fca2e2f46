package awstest

import (
	"maps"
	"net/http"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// Fault is a typed error.
type Fault struct {
	Status  int
	Kind    string
	Message string
	// Members are what the error says besides.
	Members map[string]any
}

func (f *Fault) Error() string { return f.Kind + ": " + f.Message }

// Write answers with the error. AWS puts the type into a header, and behind it
// an address that clients must cut off.
func (f *Fault) Write(w http.ResponseWriter) {
	w.Header().Set("X-Amzn-Requestid", "fake-request")
	w.Header().Set("X-Amzn-Errortype", f.Kind+":http://internal.amazon.com/coral/com.amazon.fake/")
	body := map[string]any{"message": f.Message}
	maps.Copy(body, f.Members)
	providertest.WriteJSON(w, f.Status, body)
}

// Leaking is the error with a text that a gateway must not show.
func (f Fault) Leaking() *Fault {
	f.Message += " " + providertest.LeakyText
	return &f
}
