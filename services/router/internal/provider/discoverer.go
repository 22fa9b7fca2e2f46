package provider

// Discoverer is an Adapter whose provider says which models it offers where the
// target computes.
type Discoverer interface {
	// Offers says whether the target's region offers a model, by the target's own
	// name of it. Known is false if the provider has not said so: it could not be
	// asked, or the name does not say which model it is.
	Offers(model string) (known, offered bool)
	// Offerings lists what is offered, by name; nil if it is not known.
	Offerings() []Offering
}

// Offering is a model that a provider offers in a region.
type Offering struct {
	// Model is the name that a target asks for; Title is the one for people.
	Model, Title string
	// Region is where it is offered.
	Region string
	// Inputs and Outputs are what it reads and writes, for example "TEXT".
	Inputs, Outputs []string
	// Streams is true if it answers in a stream.
	Streams bool
	// Inference says how it can be asked, for example "ON_DEMAND".
	Inference []string
	// Lifecycle is "ACTIVE", or "LEGACY" if it will be withdrawn.
	Lifecycle string
}
