package inproc

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
)

// callOptions are the call options that mean something without a wire. Sizes,
// codecs, compressors and connection states do not.
type callOptions struct {
	header   *metadata.MD
	trailer  *metadata.MD
	creds    credentials.PerRPCCredentials
	onFinish []func(error)
	turns    *takingTurns
}

func readOptions(opts []grpc.CallOption) callOptions {
	var c callOptions
	for _, o := range opts {
		switch o := o.(type) {
		case grpc.HeaderCallOption:
			c.header = o.HeaderAddr
		case grpc.TrailerCallOption:
			c.trailer = o.TrailerAddr
		case grpc.PerRPCCredsCallOption:
			c.creds = o.Creds
		case grpc.PeerCallOption:
			*o.PeerAddr = *here
		case takingTurns:
			c.turns = &o
		case grpc.OnFinishCallOption:
			c.onFinish = append(c.onFinish, o.OnFinish)
		}
	}
	return c
}

func (c *callOptions) finish(header, trailer metadata.MD, err error) {
	if c.header != nil {
		*c.header = header
	}
	if c.trailer != nil {
		*c.trailer = trailer
	}
	for _, f := range c.onFinish {
		f(err)
	}
}
