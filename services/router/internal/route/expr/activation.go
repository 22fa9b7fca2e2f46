package expr

import "cel.dev/cel-go/cel"

// activation gives the facts of one request to CEL.
type activation struct{ facts *Facts }

// ResolveName implements cel.Activation.
func (a activation) ResolveName(name string) (any, bool) {
	i, ok := indexes[name]
	if !ok {
		return nil, false
	}
	return variables[i].value(a.facts), true
}

// Parent implements cel.Activation.
func (activation) Parent() cel.Activation { return nil }

// large says whether a request is larger than what expressions are costed for.
func (f *Facts) large() bool {
	for _, s := range [...]string{
		f.Model, f.Dialect, f.Task, f.Session, f.Organization, f.Team, f.User, f.Key, f.Country, f.Residency, f.Compliance,
	} {
		if len(s) > maxText {
			return true
		}
	}
	if len(f.Labels) > maxLabels || len(f.Roles) > maxRoles {
		return true
	}
	for k, v := range f.Labels {
		if len(k) > maxLabel || len(v) > maxLabel {
			return true
		}
	}
	for _, role := range f.Roles {
		if len(role) > maxText {
			return true
		}
	}
	return false
}
