package recording_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"ringpost/relay/recording"
)

func TestOnlyPublicAddressesArePublic(t *testing.T) {
	for address, want := range map[string]bool{
		"8.8.8.8": true, "52.1.2.3": true, "100.63.255.255": true, "172.32.0.1": true, "223.255.255.255": true,
		"2600:1f18::1": true, "2a00:1450::1": true, "64:ff9b::808:808": true, "::ffff:8.8.8.8": true,

		"0.0.0.0": false, "0.1.2.3": false, "10.0.0.1": false, "127.0.0.1": false, "127.255.0.1": false,
		"169.254.169.254": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false,
		"100.64.0.1": false, "100.100.100.200": false, "192.0.0.192": false, "168.63.129.16": false,
		"198.18.0.1": false, "203.0.113.9": false, "224.0.0.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "fd00:ec2::254": false,
		"ff02::1": false, "2001:db8::1": false, "2002:7f00:1::": false, "2001::7f00:1": false, "fec0::1": false,
		"::ffff:127.0.0.1": false, "::127.0.0.1": false, "64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false,
		"64:ff9b:1::1": false,
	} {
		if got := recording.Public(netip.MustParseAddr(address)); got != want {
			t.Errorf("Public(%s) = %v, want %v", address, got, want)
		}
	}
}

// A host that is where recordings are may still lead to a private address. The
// name localhost stands for one here.
func TestNoPrivateAddressIsConnectedTo(t *testing.T) {
	const why = "public addresses only"
	newPlayer(t, recording.Config{Space: "localhost"}).mustRefuse("https://localhost/private-id", 502, why)
	newPlayer(t, recording.Config{Space: "localhost", APIURL: "https://localhost"}).mustRefuse("https://localhost/private-id", 502, why)

	provider := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://localhost/private-id", http.StatusFound)
	})
	p := newPlayer(t, recording.Config{Space: "localhost", APIURL: provider.URL})
	p.mustRefuse(provider.URL+"/private-id", 502, why)
	if said := p.log.String(); !strings.Contains(said, "not a public one") {
		t.Errorf("the log does not say why: %s", said)
	}
}

// The address that the administrator has named is asked, whatever it is; another
// port of the same host is not.
func TestTheAPIsOwnAddressMayBePrivate(t *testing.T) {
	provider := newProvider(t, audio)
	other := newProvider(t, audio)
	p := newPlayer(t, recording.Config{Space: "example.signalwire.com", APIURL: provider.URL})
	if resp, body := p.hear(provider.URL + "/private-id"); resp.StatusCode != http.StatusOK || body != "tone" {
		t.Errorf("answer = %s, %q; want the tone", resp.Status, body)
	}
	p.mustRefuse(other.URL+"/private-id", 502, "https")
}
