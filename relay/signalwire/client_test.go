package signalwire_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ringpost/relay/peers"
	"ringpost/relay/signalwire"
)

// canned is a transport that answers every request with the next of its
// answers, the last one for ever.
type canned struct {
	status  int
	header  http.Header
	answers []string
	targets []string // what was asked for
}

func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	body := c.answers[min(len(c.targets), len(c.answers)-1)]
	c.targets = append(c.targets, r.URL.RequestURI())
	return &http.Response{StatusCode: c.status, Header: c.header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func newClient(t testing.TB, url string, transport http.RoundTripper) *signalwire.Client {
	t.Helper()
	c, err := signalwire.New(signalwire.Config{APIURL: url, Project: "project-1", Token: "PTsecrettoken", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

var message = signalwire.Message{To: "+15550100001", From: "+15550100000", Body: "Your call: https://example.com/r.mp3"}

func TestNewRefusesWhatIsNoURL(t *testing.T) {
	for _, url := range []string{"", "example.signalwire.com", "ftp://example.com", "https://", "https://u:p@example.com", "https://x/?q", "https://x:y"} {
		if _, err := signalwire.New(signalwire.Config{APIURL: url}); err == nil {
			t.Errorf("New with the URL %q succeeded, want an error", url)
		}
	}
}

func TestSendMessageReadsAnswersLoosely(t *testing.T) {
	for _, answer := range []string{
		`{"sid":"SM1","status":"queued","num_segments":1}`,
		`{"sid":"SM1","status":"queued","num_segments":"1","error_code":null}`,
		`{"status":7,"sid":"SM1","body":["what"]}`,
	} {
		sid, err := newClient(t, "https://x", &canned{status: 201, answers: []string{answer}}).SendMessage(t.Context(), message)
		if sid != "SM1" || err != nil {
			t.Errorf("answer %s: SendMessage = %q, %v; want SM1", answer, sid, err)
		}
	}
}

func TestErrorSaysWhatTheAPISaid(t *testing.T) {
	header := http.Header{"Retry-After": {"12"}}
	for answer, want := range map[string]signalwire.Error{
		`{"code":21610,"message":"opted out","status":400}`:   {Status: 409, Code: 21610, Message: "opted out", RetryAfter: 12 * time.Second},
		`{"code":"21610","message":"opted out","status":"x"}`: {Status: 409, Code: 21610, Message: "opted out", RetryAfter: 12 * time.Second},
		`{"code":{},"message":null}`:                          {Status: 409, RetryAfter: 12 * time.Second},
		`{"code":1e99}`:                                       {Status: 409, RetryAfter: 12 * time.Second},
		`<html>Conflict`:                                      {Status: 409, RetryAfter: 12 * time.Second},
		``:                                                    {Status: 409, RetryAfter: 12 * time.Second},
	} {
		_, err := newClient(t, "https://x", &canned{409, header, []string{answer}, nil}).SendMessage(t.Context(), message)
		got, ok := errors.AsType[*signalwire.Error](err)
		if !ok || *got != want {
			t.Errorf("answer %q: error %+v, want %+v", answer, got, want)
		}
	}
}

func TestRetryAfterMayBeADate(t *testing.T) {
	for _, tt := range []struct {
		header   string
		min, max time.Duration
	}{
		{time.Now().Add(time.Minute).UTC().Format(http.TimeFormat), 55 * time.Second, time.Minute},
		{time.Now().Add(48 * time.Hour).UTC().Format(http.TimeFormat), time.Hour, time.Hour},
		{time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat), 0, 0},
		{"-5", 0, 0},
		{"soon", 0, 0},
	} {
		transport := &canned{429, http.Header{"Retry-After": {tt.header}}, []string{""}, nil}
		_, err := newClient(t, "https://x", transport).SendMessage(t.Context(), message)
		got, ok := errors.AsType[*signalwire.Error](err)
		if !ok || got.RetryAfter < tt.min || got.RetryAfter > tt.max {
			t.Errorf("Retry-After %q: %+v, want a wait of %v to %v", tt.header, got, tt.min, tt.max)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	followed := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
	defer elsewhere.Close()
	api := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer api.Close()
	_, err := newClient(t, api.URL, nil).SendMessage(t.Context(), message)
	if e, ok := errors.AsType[*signalwire.Error](err); !ok || e.Status != http.StatusTemporaryRedirect || followed {
		t.Errorf("SendMessage = %v, followed %v; want the status 307, not followed", err, followed)
	}
}

func TestNoAnswerErrorSaysWhetherTheRequestLeft(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var requests atomic.Int32
	api, err := peers.NewSignalWire(peers.SignalWireConfig{
		Project: "project-1",
		Token:   "PTsecrettoken",
		Hook: func(ctx context.Context, _ peers.Step, _ string) error {
			if requests.Add(1) == 1 {
				return peers.ErrCut
			}
			cancel()
			<-ctx.Done()
			return ctx.Err()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	c := newClient(t, api.URL, nil)
	send := func(name string, ctx context.Context, sent bool) {
		t.Helper()
		_, err := c.SendMessage(ctx, message)
		if e, ok := errors.AsType[*signalwire.NoAnswerError](err); !ok || e.Sent != sent {
			t.Errorf("%s: SendMessage = %v, %+v; want sent %v", name, err, e, sent)
		}
	}
	send("cut", t.Context(), true)
	send("not awaited", ctx, true)
	send("ended before it began", ctx, false)
	api.Close()
	send("nobody listens", t.Context(), false)
}

func TestConnectionsAreKept(t *testing.T) {
	clients := make(map[string]bool)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		clients[r.RemoteAddr] = true
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"sid":"SM1"}`)
	}))
	defer api.Close()
	c := newClient(t, api.URL, nil)
	for range 10 {
		if _, err := c.SendMessage(t.Context(), message); err != nil {
			t.Fatal(err)
		}
	}
	if len(clients) != 1 {
		t.Errorf("10 messages took %d connections, want 1", len(clients))
	}
}

func TestAnswersAreBounded(t *testing.T) {
	transport := &canned{status: 201, answers: []string{`{"sid":"` + strings.Repeat("x", 2<<20) + `"}`}}
	_, err := newClient(t, "https://x", transport).SendMessage(t.Context(), message)
	if _, ok := errors.AsType[*signalwire.NoAnswerError](err); !ok {
		t.Errorf("SendMessage with an answer of 2 MiB = %v, want a NoAnswerError", err)
	}
}

func TestErrorsNameNoSecrets(t *testing.T) {
	words := "PTsecrettoken +15550100001 " + message.Body
	answer := `{"code":1,"message":"` + words + `"}`
	_, refused := newClient(t, "https://x", &canned{status: 400, answers: []string{answer}}).SendMessage(t.Context(), message)
	_, unreached := newClient(t, "http://127.0.0.1:1", nil).SendMessage(t.Context(), message)
	_, unlisted := newClient(t, "http://127.0.0.1:1", nil).Messages(t.Context(), message.To, message.From, time.Hour)
	for _, err := range []error{refused, unreached, unlisted} {
		if err == nil {
			t.Fatal("no error")
		}
		for _, secret := range []string{"PTsecrettoken", "5550100001", "example.com", "Your call", "project-1"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("error %q contains %q", err, secret)
			}
		}
	}
}

// FuzzAnswer feeds the client answers of all kinds: it must neither panic, nor
// take a refusal for a success, nor repeat control characters.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"sid":"SM1","status":"queued"}`,
		`{"code":21610,"message":"no","status":400}`,
		`{"messages":[{"sid":"SM1","body":"x","date_created":"Thu, 19 Nov 2026 10:00:00 +0000"}],"next_page_uri":"/api/laml/x?Page=1"}`,
		`{"messages":[],"next_page_uri":"https://x/../../"}`,
		`{"messages":[{}],"next_page_uri":"//evil/api/"}`,
	} {
		f.Add(201, seed)
		f.Add(400, seed)
	}
	f.Fuzz(func(t *testing.T, status int, answer string) {
		if status < 100 || status > 999 {
			return
		}
		transport := &canned{status: status, answers: []string{answer}}
		c := newClient(t, "https://x", transport)
		sid, err := c.SendMessage(t.Context(), message)
		if (err == nil) != (sid != "") || err == nil && status/100 != 2 {
			t.Errorf("status %d: SendMessage = %q, %v", status, sid, err)
		}
		if err != nil && strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
			t.Errorf("error %q has control characters", err)
		}
		if _, err := c.Messages(t.Context(), message.To, message.From, time.Hour); err == nil && status/100 != 2 {
			t.Errorf("status %d: Messages succeeded", status)
		}
		for _, target := range transport.targets {
			if !strings.HasPrefix(target, "/api/") {
				t.Errorf("the client asked for %q", target)
			}
		}
	})
}
