package route

// finding is what a request is for, and how sure that is.
type finding struct {
	name string
	sure float64
}
