package route

// note tells the meters of provisioned targets where a request went.
func (d *Decision) note() {
	now, first := d.question.Time, d.Order[0]
	if meter := first.Target.Capacity; meter != nil {
		meter.Chosen(now, first.Cost)
		return
	}
	for _, c := range d.Order {
		if c.rank == full {
			c.Target.Capacity.Spilled(now, c.Cost)
			return
		}
	}
}

// advice is what an operator should know of the targets in question.
func (d *Decision) advice() []string {
	var all []string
	for i := range d.Order {
		t := d.Order[i].Target
		if text := t.Capacity.Advice(t.Name, d.question.Time); text != "" {
			all = append(all, text)
		}
	}
	return all
}
