package recording

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// connectTime bounds a connection's making, and the TLS handshake after it.
const connectTime = 5 * time.Second

var errNotPublic = errors.New("its address is not a public one")

// newTransport returns a transport that connects to public addresses only, and
// to any that private has.
func newTransport(private origin) *http.Transport {
	anywhere := &net.Dialer{Timeout: connectTime}
	// A name may lead to another address each time: what counts is the one that
	// is connected to.
	outside := &net.Dialer{Timeout: connectTime, Control: func(_, address string, _ syscall.RawConn) error {
		if to, err := netip.ParseAddrPort(address); err != nil || !public(to.Addr()) {
			return errNotPublic
		}
		return nil
	}}
	t := &http.Transport{
		// No proxy: it would look up the name, and connect, by its own rules.
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if private.host != "" && strings.EqualFold(address, net.JoinHostPort(private.host, private.port)) {
				return anywhere.DialContext(ctx, network, address)
			}
			return outside.DialContext(ctx, network, address)
		},
		TLSHandshakeTimeout:    connectTime,
		IdleConnTimeout:        20 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	return t
}

// special are the IPv4 addresses that are not public, or that lead back into a
// network where some metadata service listens (IANA's special-purpose registry,
// RFC 6890).
var special = prefixes(
	"0.0.0.0/8",        // this network
	"10.0.0.0/8",       // private
	"100.64.0.0/10",    // behind carriers' NAT, and Alibaba's metadata
	"127.0.0.0/8",      // loopback
	"168.63.129.16/32", // Azure's metadata
	"169.254.0.0/16",   // link-local, and most clouds' metadata
	"172.16.0.0/12",    // private
	"192.0.0.0/24",     // of protocols, and Oracle's metadata
	"192.0.2.0/24",     // documentation
	"192.88.99.0/24",   // 6to4 relays
	"192.168.0.0/16",   // private
	"198.18.0.0/15",    // benchmarks
	"198.51.100.0/24",  // documentation
	"203.0.113.0/24",   // documentation
	"224.0.0.0/3",      // multicast, reserved, broadcast
	"2001::/23",        // IPv6 of protocols, among them Teredo, which holds IPv4
	"2001:db8::/32",    // documentation
	"2002::/16",        // 6to4, which holds IPv4
	"3fff::/20",        // documentation
)

var (
	global = netip.MustParsePrefix("2000::/3") // all of IPv6 that is given out
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
)

func prefixes(list ...string) (all []netip.Prefix) {
	for _, s := range list {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

// public reports whether anybody may be at a.
func public(a netip.Addr) bool {
	a = a.Unmap()
	if nat64.Contains(a) { // an IPv4 host, seen from a network that has IPv6 only
		bytes := a.As16()
		a = netip.AddrFrom4([4]byte(bytes[12:]))
	}
	if a.Is6() && (!global.Contains(a) || a.Zone() != "") {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
