package recording

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// origin is a scheme, a host and a port (RFC 6454).
type origin struct{ scheme, host, port string }

func originOf(u *url.URL) origin {
	o := origin{strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()}
	if o.port == "" {
		o.port = map[string]string{"http": "80", "https": "443"}[o.scheme]
	}
	return o
}

// gate lets only requests out that go where recordings are, with headers of its
// own. A redirect comes by again.
type gate struct {
	api            origin // zero without one
	space          string // host name; may be empty
	allowed        []string
	project, token string
	transport      http.RoundTripper
}

func newGate(config Config) (*gate, error) {
	g := &gate{space: strings.ToLower(config.Space), allowed: config.AllowHosts, project: config.Project, token: config.Token, transport: config.Transport}
	if config.APIURL != "" {
		u, err := url.Parse(config.APIURL)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
			return nil, errors.New("the API's URL must be like https://example.signalwire.com")
		}
		g.api = originOf(u)
	}
	if g.transport == nil {
		g.transport = newTransport(g.private())
	}
	return g, nil
}

// private returns the one origin whose address need not be public: the API's,
// where the administrator has named one beside the space.
func (g *gate) private() origin {
	if g.api.host == g.space {
		return origin{}
	}
	return g.api
}

// RoundTrip makes a request, if it may be made.
func (g *gate) RoundTrip(req *http.Request) (*http.Response, error) {
	known, err := g.admit(req.URL)
	if err != nil {
		return nil, err
	}
	out := req.Clone(req.Context())
	// What is there comes from http.Client, which would take credentials to
	// subdomains, and name the URL before a redirect in Referer.
	out.Header = http.Header{
		"Accept":          {"audio/*, application/octet-stream;q=0.5"},
		"Accept-Encoding": {"identity"}, // ranges are of what is encoded
		"User-Agent":      {"ringpost"},
	}
	for _, name := range []string{"Range", "If-Range"} {
		if value := req.Header.Get(name); value != "" {
			out.Header.Set(name, value)
		}
	}
	if known && g.token != "" {
		out.SetBasicAuth(g.project, g.token)
	}
	return g.transport.RoundTrip(out)
}

// admit reports whether the project's credentials are for the host of u, or why
// nothing is fetched from there.
func (g *gate) admit(u *url.URL) (known bool, err error) {
	o := originOf(u)
	if g.api.host != "" && o == g.api {
		return true, nil
	}
	if o.scheme != "https" || o.port != "443" || u.User != nil {
		return false, refused("recordings are fetched by https from the usual port only, and this one's URL is another", nil)
	}
	switch {
	case g.space != "" && o.host == g.space:
		return true, nil
	case documented(o.host), slices.Contains(g.allowed, o.host):
		return false, nil
	}
	return false, refused("recordings are fetched from SignalWire's and Twilio's hosts and allow_hosts of [links] only, and this one is elsewhere", nil)
}

// documented reports whether the providers say that recordings are at host:
//
//   - every space, for the resource Recordings/ID (SignalWire's documentation,
//     "Retrieve a Recording"), and files.signalwire.com, where the recordings of
//     newer calls are ("Recording status callback");
//   - api.twilio.com, for the same resource ("Fetch a recording's media file").
func documented(host string) bool {
	return strings.HasSuffix(host, ".signalwire.com") || host == "api.twilio.com"
}
