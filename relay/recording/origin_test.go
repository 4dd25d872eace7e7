package recording_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"ringpost/relay/recording"
)

// world is the internet: a server that answers for every host.
type world struct {
	mu     sync.Mutex
	asked  []string          // host, path, and the user of each request
	answer map[string]string // where a request for that host and path is sent on to
}

// newWorld returns it with a transport that leads there.
func newWorld(t *testing.T) (*world, http.RoundTripper) {
	t.Helper()
	w := &world{answer: make(map[string]string)}
	return w, newInternet(t, w)
}

// newInternet returns a transport that leads to h, whatever the host.
func newInternet(t *testing.T, h http.Handler) http.RoundTripper {
	t.Helper()
	server := httptest.NewTLSServer(h)
	t.Cleanup(server.Close)
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	user, _, _ := r.BasicAuth()
	w.mu.Lock()
	w.asked = append(w.asked, fmt.Sprintf("%s%s %s%s%s", r.Host, r.URL.Path, user, r.Header.Get("Referer"), r.Header.Get("Cookie")))
	to := w.answer[r.Host+r.URL.Path]
	w.mu.Unlock()
	if to != "" {
		http.SetCookie(rw, &http.Cookie{Name: "a", Value: "b"})
		http.Redirect(rw, r, to, http.StatusFound)
		return
	}
	audio(rw, r)
}

// requests returns what was asked for since the last call.
func (w *world) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := w.asked
	w.asked = nil
	return asked
}

func TestCredentialsAreForTheProjectsOwnHostsOnly(t *testing.T) {
	w, transport := newWorld(t)
	p := newPlayer(t, recording.Config{Space: "Example.SignalWire.com", APIURL: "https://api.example.net", Transport: transport})
	for _, test := range []struct{ url, want string }{
		{"https://example.signalwire.com/private-id.wav", "example.signalwire.com/private-id.wav project-1"},
		{"https://EXAMPLE.signalwire.com:443/private-id", "EXAMPLE.signalwire.com:443/private-id project-1"},
		{"https://api.example.net/private-id", "api.example.net/private-id project-1"},
		{"https://other.signalwire.com/private-id", "other.signalwire.com/private-id "},
		{"https://files.signalwire.com/private-id", "files.signalwire.com/private-id "},
		{"https://api.twilio.com/2010-04-01/Accounts/A/Recordings/R", "api.twilio.com/2010-04-01/Accounts/A/Recordings/R.mp3 "},
	} {
		resp, body := p.hear(test.url)
		if got := w.requests(); resp.StatusCode != http.StatusOK || body != "tone" || !slices.Equal(got, []string{test.want}) {
			t.Errorf("%s: answer = %s, requests %q; want %q", test.url, resp.Status, got, test.want)
		}
	}
}

func TestHostsThatAreAllowedAreAskedWithoutCredentials(t *testing.T) {
	w, transport := newWorld(t)
	p := newPlayer(t, recording.Config{Space: "example.signalwire.com", AllowHosts: []string{"bucket.example.net"}, Transport: transport})
	for _, test := range []struct{ url, want string }{
		{"https://bucket.example.net/private-id.wav?signature=1", "bucket.example.net/private-id.wav "},
		{"https://BUCKET.example.net:443/private-id", "BUCKET.example.net:443/private-id "},
	} {
		resp, body := p.hear(test.url)
		if got := w.requests(); resp.StatusCode != http.StatusOK || body != "tone" || !slices.Equal(got, []string{test.want}) {
			t.Errorf("%s: answer = %s, requests %q; want %q", test.url, resp.Status, got, test.want)
		}
	}
	for _, url := range []string{
		"https://other.bucket.example.net/private-id",
		"https://bucket.example.net.evil.example/private-id",
		"http://bucket.example.net/private-id",
		"https://bucket.example.net:8443/private-id",
	} {
		t.Log(url)
		p.mustRefuse(url, 502, "")
		if got := w.requests(); len(got) > 0 {
			t.Errorf("%s: %q were asked", url, got)
		}
	}
}

// Its name may lead anywhere: what counts is the address that is connected to.
func TestAHostThatIsAllowedMustHaveAPublicAddress(t *testing.T) {
	p := newPlayer(t, recording.Config{AllowHosts: []string{"localhost"}})
	p.mustRefuse("https://localhost/private-id", 502, "from public addresses only")
	if said := p.log.String(); !strings.Contains(said, "recording not fetched") {
		t.Errorf("logged %q, want the refusal", said)
	}
}

func TestOnlyHostsWhereRecordingsAreAreAsked(t *testing.T) {
	w, transport := newWorld(t)
	p := newPlayer(t, recording.Config{Space: "example.signalwire.com", APIURL: "https://example.signalwire.com", Transport: transport})
	for _, url := range []string{
		"https://evil.example/private-id",
		"https://signalwire.com.evil.example/private-id",
		"https://evilsignalwire.com/private-id",
		"https://example.signalwire.com./private-id",
		"https://203.0.113.7/private-id",
		"https://[::1]/private-id",
		"http://example.signalwire.com/private-id",
		"http://files.signalwire.com:443/private-id",
		"https://files.signalwire.com:8443/private-id",
		"https://me:secrettoken@files.signalwire.com/private-id",
		"https://me@example.signalwire.com@evil.example/private-id",
		"file:///etc/private-id",
		"//files.signalwire.com/private-id",
		"https://files.signalwire.com:x/private-id",
		"\x00",
	} {
		t.Log(url)
		p.mustRefuse(url, 502, "")
		if got := w.requests(); len(got) > 0 {
			t.Errorf("%s: %q were asked", url, got)
		}
	}
}

func TestAHostThatAsksForAPasswordIsNotGivenTheProjects(t *testing.T) {
	guarded := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, _, ok := r.BasicAuth(); ok {
			t.Errorf("the credentials of %s were sent to %s", user, r.Host)
		}
		w.WriteHeader(http.StatusUnauthorized)
	})
	p := newPlayer(t, recording.Config{Space: "example.signalwire.com", Transport: newInternet(t, guarded)})
	p.mustRefuse("https://files.signalwire.com/private-id", 502, "asks for a password at a host that the project's is not for")
}

func TestARedirectIsJudgedLikeAFirstRequest(t *testing.T) {
	w, transport := newWorld(t)
	p := newPlayer(t, recording.Config{Space: "example.signalwire.com", Transport: transport})
	const first, asked = "https://example.signalwire.com/private-id", "example.signalwire.com/private-id project-1"
	for _, test := range []struct {
		to, want string // second request; empty for none
	}{
		{"https://files.signalwire.com/tone", "files.signalwire.com/tone "},
		{"https://sub.example.signalwire.com/tone", "sub.example.signalwire.com/tone "},
		{"/elsewhere", "example.signalwire.com/elsewhere project-1"},
		{"http://files.signalwire.com/tone", ""},
		{"https://evil.example/tone", ""},
		{"https://127.0.0.1/tone", ""},
		{"https://169.254.169.254/latest/meta-data", ""},
		{"https://10.1.2.3/tone", ""},
		{"file:///etc/passwd", ""},
		{"://private-id", ""},
	} {
		w.answer["example.signalwire.com/private-id"] = test.to
		want := []string{asked}
		if test.want == "" {
			p.mustRefuse(first, 502, "")
		} else {
			want = append(want, test.want)
			if resp, body := p.hear(first); resp.StatusCode != http.StatusOK || body != "tone" {
				t.Errorf("sent on to %s: answer = %s, %q", test.to, resp.Status, body)
			}
		}
		if got := w.requests(); !slices.Equal(got, want) {
			t.Errorf("sent on to %s: requests %q, want %q", test.to, got, want)
		}
	}
	w.answer["example.signalwire.com/private-id"] = first
	p.mustRefuse(first, 502, "again and again")
	if got := w.requests(); len(got) != 6 {
		t.Errorf("an endless redirect was followed %d times, want 5", len(got)-1)
	}
}
