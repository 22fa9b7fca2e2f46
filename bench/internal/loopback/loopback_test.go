package loopback

import "testing"

func TestCheckURL(t *testing.T) {
	for _, good := range []string{"http://127.0.0.1:8080/v1", "http://localhost:1", "http://[::1]:9/v1", "http://127.9.9.9"} {
		if _, err := CheckURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"https://api.openai.com/v1", "http://10.0.0.1:80", "http://0.0.0.0:80", "http://example.localhost", "http://127.0.0.1.example.com",
		"http://user:pw@127.0.0.1", "127.0.0.1:80", "http://", "http://localhost.:80", "http://[::]:80",
	} {
		if _, err := CheckURL(bad); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func TestDialAndListenRefuse(t *testing.T) {
	if c, err := Dial(t.Context(), "tcp", "192.0.2.1:80"); err == nil {
		_ = c.Close()
		t.Error("dialled beyond loopback")
	}
	if l, err := Listen("0.0.0.0:0"); err == nil {
		_ = l.Close()
		t.Error("listens on every address")
	}
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := Dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}
