package recording_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"ringpost/relay/peers"
	"ringpost/relay/recording"
)

// logged collects a log that several goroutines write.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// player is somebody who wants to hear the recording at url.
type player struct {
	t      *testing.T
	server *httptest.Server
	log    *logged

	mu  sync.Mutex
	url string
}

// newPlayer serves recordings that are fetched by config.
func newPlayer(t *testing.T, config recording.Config) *player {
	t.Helper()
	p := &player{t: t, log: new(logged)}
	config.Project, config.Token, config.Log = "project-1", "PTsecrettoken", slog.New(slog.NewTextHandler(p.log, nil))
	fetcher, err := recording.New(config)
	if err != nil {
		t.Fatal(err)
	}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		url := p.url
		p.mu.Unlock()
		fetcher.ServeAudio(w, r, url)
	}))
	t.Cleanup(func() {
		p.server.Close()
		fetcher.Close()
	})
	return p
}

// ask asks for the recording at url, with those headers, name after value.
func (p *player) ask(ctx context.Context, url string, headers ...string) (*http.Response, error) {
	p.t.Helper()
	p.mu.Lock()
	p.url = url
	p.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.server.URL, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return p.server.Client().Do(req)
}

// hear returns the whole answer.
func (p *player) hear(url string, headers ...string) (*http.Response, string) {
	p.t.Helper()
	resp, err := p.ask(p.t.Context(), url, headers...)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp, string(body)
}

// mustRefuse checks that there is no audio at url, and that a sentence with the
// words in why says so.
func (p *player) mustRefuse(url string, status int, why string) {
	p.t.Helper()
	resp, body := p.hear(url)
	if resp.StatusCode != status || !strings.Contains(body, why) || resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		p.t.Errorf("answer = %s, %s, %q; want %d and %q", resp.Status, resp.Header.Get("Content-Type"), body, status, why)
	}
	for _, said := range []string{body, p.log.String()} {
		if strings.Contains(said, "://") || strings.Contains(said, "private-id") || strings.Contains(said, "secrettoken") {
			p.t.Errorf("a URL or a secret is told: %s", said)
		}
	}
}

// newProvider serves h as the API of a provider.
func newProvider(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// audio answers with something to play.
func audio(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "audio/mpeg")
	io.WriteString(w, "tone")
}

func TestProtectedRecordingsArePlayed(t *testing.T) {
	api, err := peers.NewSignalWire(peers.SignalWireConfig{Project: "project-1", Token: "PTsecrettoken", ProtectMedia: true})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	api.Record("RE1", 10*time.Second)
	p := newPlayer(t, recording.Config{APIURL: api.URL})

	resp, whole := p.hear(api.RecordingURL("RE1"))
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "audio/mpeg" || len(whole) != 278*72 {
		t.Fatalf("answer = %s, %s, %d bytes; want ten seconds of MP3", resp.Status, resp.Header.Get("Content-Type"), len(whole))
	}
	tag := resp.Header.Get("ETag")
	for name, want := range map[string]string{
		"Content-Length": "20016", "Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff",
		"Cache-Control": "private, no-store", "Cross-Origin-Resource-Policy": "same-origin", "ETag": `"10s"`,
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for _, test := range []struct {
		name    string
		headers []string
		status  int
		span    string
		body    string
	}{
		{"the middle", []string{"Range", "bytes=72-143"}, 206, "bytes 72-143/20016", whole[72:144]},
		{"the end", []string{"Range", "bytes=-72"}, 206, "bytes 19944-20015/20016", whole[len(whole)-72:]},
		{"the rest of the same", []string{"Range", "bytes=72-", "If-Range", tag}, 206, "bytes 72-20015/20016", whole[72:]},
		{"the rest of another", []string{"Range", "bytes=72-", "If-Range", `"other"`}, 200, "", whole},
		{"beyond the end", []string{"Range", "bytes=30000-"}, 416, "bytes */20016", ""},
		{"several parts", []string{"Range", "bytes=0-1,5-6"}, 200, "", whole},
		{"nonsense", []string{"Range", "pages=1"}, 200, "", whole},
	} {
		resp, body := p.hear(api.RecordingURL("RE1"), test.headers...)
		if resp.StatusCode != test.status || resp.Header.Get("Content-Range") != test.span || body != test.body {
			t.Errorf("%s: answer = %s, %q, %d bytes; want %d, %q, %d bytes", test.name,
				resp.Status, resp.Header.Get("Content-Range"), len(body), test.status, test.span, len(test.body))
		}
	}
	p.mustRefuse(api.RecordingURL("private-id"), 404, "no such recording")
	p.mustRefuse("", 404, "has not said where")
}

func TestACredentialThatTheProviderRefusesIsSaid(t *testing.T) {
	api, err := peers.NewSignalWire(peers.SignalWireConfig{Project: "project-1", Token: "another", ProtectMedia: true})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	newPlayer(t, recording.Config{APIURL: api.URL}).mustRefuse(api.RecordingURL("private-id"), 502, "refuses the project and token")
}

func TestOnlyAudioIsPassedOn(t *testing.T) {
	answer := func(http.ResponseWriter) {}
	provider := newProvider(t, func(w http.ResponseWriter, _ *http.Request) { answer(w) })
	p := newPlayer(t, recording.Config{APIURL: provider.URL})
	with := func(status int, headers ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			io.WriteString(w, "<script>alert(1)</script>")
		}
	}
	for _, kind := range []string{"text/html", "image/svg+xml", "application/json", "audio/x-mpegurl", "audio/", "nonsense", "; audio/mpeg"} {
		answer = with(200, "Content-Type", kind)
		p.mustRefuse(provider.URL+"/private-id", 502, "something else than audio")
	}
	for _, test := range []struct {
		name   string
		answer func(http.ResponseWriter)
		status int
		why    string
	}{
		{"compressed", with(200, "Content-Type", "audio/mpeg", "Content-Encoding", "gzip"), 502, "something else than audio"},
		{"a part unasked", with(206, "Content-Type", "audio/mpeg", "Content-Range", "bytes 0-1/2"), 502, "part that nobody asked for"},
		{"no longer there", with(410), 404, "no such recording"},
		{"an error", with(500), 502, "answers with an error"},
		{"not modified", with(304), 502, "answers with an error"},
		{"a redirect to nowhere", with(302), 502, ""},
	} {
		answer = test.answer
		t.Log(test.name)
		p.mustRefuse(provider.URL+"/private-id", test.status, test.why)
	}
	answer = with(200, "Content-Type", "Audio/X-WAV; codecs=1", "Set-Cookie", "a=b", "Location", "https://x", "Link", "<https://x>",
		"Refresh", "0;url=https://x", "ETag", "no tag", "Last-Modified", "never", "Content-Security-Policy", "x", "X-Content-Type-Options", "x")
	resp, _ := p.hear(provider.URL + "/private-id")
	resp.Header.Del("Date")
	want := http.Header{"Content-Type": {"audio/x-wav; codecs=1"}, "X-Content-Type-Options": {"nosniff"}, "Content-Length": {"25"},
		"Cache-Control": {"private, no-store"}, "Cross-Origin-Resource-Policy": {"same-origin"}}
	if len(resp.Header) != len(want) {
		t.Errorf("headers = %v, want %v", resp.Header, want)
	}
	for name := range want {
		if resp.Header.Get(name) != want.Get(name) {
			t.Errorf("%s = %q, want %q", name, resp.Header.Get(name), want.Get(name))
		}
	}
}

func TestNewRefusesWhatIsNoURL(t *testing.T) {
	for _, url := range []string{"example.signalwire.com", "ftp://example.com", "https://", "https://x:y"} {
		if _, err := recording.New(recording.Config{APIURL: url}); err == nil {
			t.Errorf("New with the URL %q succeeded, want an error", url)
		}
	}
}
