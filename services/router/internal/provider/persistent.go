package provider

import "errors"

// ErrPersistent stands in the chain of a failure that the same target would
// repeat at once: asking it again is of no use, asking another may be.
var ErrPersistent = errors.New("the target would fail so again")

// ErrUnreached stands in the chain of a failure before anything was sent.
var ErrUnreached = errors.New("nothing was sent")
