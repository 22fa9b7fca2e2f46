// Package loopback keeps the benchmark on this machine: a load generator that
// can be pointed at somebody else's server is a weapon.
package loopback

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"syscall"
	"time"
)

// CheckURL refuses an address that is not http on loopback.
func CheckURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("read address %q: %w", raw, err)
	}
	if u.Scheme != "http" || u.User != nil {
		return nil, fmt.Errorf("address %q: want http://127.0.0.1:PORT/…", raw)
	}
	if err := CheckHost(u.Hostname()); err != nil {
		return nil, err
	}
	return u, nil
}

// CheckHost refuses a host that is neither "localhost" nor a loopback address.
// Other names are refused too, even if they resolve to loopback now.
func CheckHost(host string) error {
	if host == "localhost" {
		return nil
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("host %q is not loopback: only 127.0.0.0/8, ::1 and localhost are measured", host)
}

// Listen listens on a loopback address.
func Listen(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("read address %q: %w", addr, err)
	}
	if err := CheckHost(host); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// Dial connects to loopback only: what "localhost" or a redirect resolves to is
// checked again, at the last moment.
func Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return fmt.Errorf("read address %q: %w", address, err)
		}
		return CheckHost(host)
	}}
	return d.DialContext(ctx, network, addr)
}
