package player

import (
	"encoding/binary"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func network(n int) netip.Prefix {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(n))
	return netip.PrefixFrom(netip.AddrFrom4(b), 32)
}

func TestAnAddressMayGuessAgainAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g guesses
		for i := range maxMisses {
			if g.tooMany(network(1)) || !g.note(network(1)) {
				t.Fatalf("refused after %d misses, want %d", i, maxMisses)
			}
		}
		if !g.tooMany(network(1)) || g.note(network(1)) {
			t.Error("nothing is refused after the last miss that is allowed")
		}
		time.Sleep(missEvery)
		if g.tooMany(network(1)) || !g.note(network(1)) || g.note(network(1)) {
			t.Errorf("after %v want one more miss", missEvery)
		}
	})
}

func TestTheAddressesThatAreRememberedAreBounded(t *testing.T) {
	var g guesses
	for range maxMisses {
		g.note(network(0))
	}
	for n := range 10 * maxAddresses {
		g.note(network(n + 1))
		if n%1000 == 0 && !g.tooMany(network(0)) { // who keeps asking is not forgotten
			t.Fatalf("after %d other addresses one that guesses is forgotten", n)
		}
		if all := len(g.recent) + len(g.earlier); all > 2*maxAddresses {
			t.Fatalf("%d addresses are remembered, want at most %d", all, 2*maxAddresses)
		}
	}
}

func TestOnlyAProxyOnThisMachineSaysWhoAsks(t *testing.T) {
	for _, test := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"203.0.113.7:4711", nil, "203.0.113.7/32"},
		{"203.0.113.7:4711", []string{"198.51.100.1"}, "203.0.113.7/32"},
		{"10.0.0.1:4711", []string{"198.51.100.1"}, "10.0.0.1/32"},
		{"127.0.0.1:4711", nil, "127.0.0.1/32"},
		{"127.0.0.1:4711", []string{"198.51.100.1"}, "198.51.100.1/32"},
		{"[::1]:4711", []string{"evil, 198.51.100.1"}, "198.51.100.1/32"},
		{"127.0.0.1:4711", []string{"198.51.100.2", "198.51.100.3,198.51.100.1 "}, "198.51.100.1/32"},
		{"127.0.0.1:4711", []string{"198.51.100.1:4712"}, "198.51.100.1/32"},
		{"127.0.0.1:4711", []string{"[2001:db8::1]:4712"}, "2001:db8::/64"},
		{"127.0.0.1:4711", []string{"::ffff:198.51.100.1"}, "198.51.100.1/32"},
		{"127.0.0.1:4711", []string{"unknown"}, "127.0.0.1/32"},
		{"127.0.0.1:4711", []string{""}, "127.0.0.1/32"},
		{"[2001:db8:1:2:3:4:5:6]:4711", nil, "2001:db8:1:2::/64"},
		{"[fe80::1%eth0]:4711", nil, "fe80::/64"},
		{"[::ffff:203.0.113.7]:4711", nil, "203.0.113.7/32"},
	} {
		r := &http.Request{RemoteAddr: test.peer, Header: http.Header{"X-Forwarded-For": test.forwarded}}
		if got := client(r).String(); got != test.want {
			t.Errorf("client of %s, forwarded for %q = %s, want %s", test.peer, test.forwarded, got, test.want)
		}
	}
}
