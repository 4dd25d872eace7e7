package player

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// maxMisses is how often in a row an address may ask for a link that is not
	// there, and missEvery how soon it may again. A token has 65 bits: this is not
	// what keeps one from being guessed, but what makes trying cheap for us.
	maxMisses = 30
	missEvery = 2 * time.Second
	// maxAddresses bounds the addresses that are remembered, twice.
	maxAddresses = 8192
)

// guesses slows down who asks for links that are not there. The zero value is
// ready for use, at once by many.
type guesses struct {
	mu sync.Mutex
	// What does not fit into recent makes room by becoming earlier, and what was
	// earlier is forgotten: of those who keep asking, none is.
	recent, earlier map[netip.Prefix]*rate.Limiter
}

// tooMany reports whether requests from there are not to be answered for now.
func (g *guesses) tooMany(from netip.Prefix) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	limiter := g.of(from)
	return limiter != nil && limiter.Tokens() < 1
}

// note notes that somebody there has asked for a link that is not there, and
// reports whether they may be told.
func (g *guesses) note(from netip.Prefix) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	limiter := g.of(from)
	if limiter == nil {
		limiter = rate.NewLimiter(rate.Every(missEvery), maxMisses)
		g.keep(from, limiter)
	}
	return limiter.Allow()
}

// of returns the limiter of who has missed before.
func (g *guesses) of(from netip.Prefix) *rate.Limiter {
	if limiter := g.recent[from]; limiter != nil {
		return limiter
	}
	limiter := g.earlier[from]
	if limiter != nil {
		g.keep(from, limiter)
	}
	return limiter
}

func (g *guesses) keep(from netip.Prefix, limiter *rate.Limiter) {
	if g.recent == nil || len(g.recent) >= maxAddresses {
		g.recent, g.earlier = make(map[netip.Prefix]*rate.Limiter), g.recent
	}
	g.recent[from] = limiter
}

// client returns the network that a request comes from: an IPv4 address, or the
// /64 of an IPv6 one, which one person has to choose from. A proxy on this
// machine names its client last in X-Forwarded-For; from anybody else that header
// means nothing.
func client(r *http.Request) netip.Prefix {
	addr := parseAddress(r.RemoteAddr)
	if addr.IsLoopback() {
		if forwarded := r.Header.Values("X-Forwarded-For"); len(forwarded) > 0 {
			last := forwarded[len(forwarded)-1]
			if named := parseAddress(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])); named.IsValid() {
				addr = named
			}
		}
	}
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	network, _ := addr.Prefix(bits) // the zero one of no address
	return network
}

// parseAddress reads an address with or without a port; the zero one where it is
// none.
func parseAddress(s string) netip.Addr {
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	addr, _ := netip.ParseAddr(strings.Trim(s, "[]"))
	return addr.Unmap().WithZone("")
}
