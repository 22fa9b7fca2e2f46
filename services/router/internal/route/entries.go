package route

// Entries lists the routes, in the order of the configuration.
func (t *Table) Entries() []*Entry { return t.entries }
