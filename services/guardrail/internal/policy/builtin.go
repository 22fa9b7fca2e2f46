package policy

// DefaultName is the policy that applies when a request names none.
const DefaultName = "default"

// Default returns the policy that is there without configuration: personal
// data and keys are masked on both sides, addresses of machines only flagged,
// prompt injection is blocked before the model.
func Default() Policy {
	return Policy{
		Name:        DefaultName,
		Description: "Masks personal data and keys on both sides; blocks prompt injection before the model.",
		FailMode:    FailClosed,
		Rules: []Rule{
			{Check: "injection", Action: "block", Direction: "input"},
			{Check: "api_key", Action: "mask", Direction: "both"},
			{Check: "payment_card", Action: "mask", Direction: "both"},
			{Check: "iban", Action: "mask", Direction: "both"},
			{Check: "us_ssn", Action: "mask", Direction: "both"},
			{Check: "email", Action: "mask", Direction: "both"},
			{Check: "phone", Action: "mask", Direction: "both"},
			{Check: "ip_address", Action: "flag", Direction: "input"},
		},
	}
}
