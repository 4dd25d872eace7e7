package player_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/player"
	"ringpost/relay/store"
)

const secretURL = "https://files.signalwire.com/private-id?signature=secret"

// fixture is a player of the links in a store, on a real socket.
type fixture struct {
	*testing.T
	store  *store.Store
	links  *links
	player *player.Player
	url    string // without a slash at the end
	client *http.Client
	audio  func(http.ResponseWriter, *http.Request, string)
}

// links are the store's, unless they fail.
type links struct {
	*store.Store
	fail    error // of finding
	uncount error // of counting
}

func (l *links) Linked(ctx context.Context, token string) ([]store.Stored, error) {
	if l.fail != nil {
		return nil, l.fail
	}
	return l.Store.Linked(ctx, token)
}

func (l *links) Opened(ctx context.Context, token string) error {
	if l.uncount != nil {
		return l.uncount
	}
	return l.Store.Opened(ctx, token)
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "ringpost.db"), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	f := &fixture{T: t, store: s, links: &links{Store: s}}
	f.audio = func(w http.ResponseWriter, _ *http.Request, url string) { fmt.Fprint(w, "audio of "+url) }
	f.player, err = player.New(f.links, func(w http.ResponseWriter, r *http.Request, of *callback.Callback) {
		f.audio(w, r, of.RecordingUrl)
	}, log)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(f.player)
	t.Cleanup(server.Close)
	f.url, f.client = server.URL, server.Client()
	return f
}

// finished is a callback for a dialled call of a minute and a half.
func finished(recording string) *callback.Callback {
	return &callback.Callback{AccountSid: "a", RecordingSid: recording, RecordingStatus: "completed", CallSid: "call-of-" + recording,
		RecordingUrl: secretURL, RecordingDuration: 94, RecordingSource: "DialVerb", Fields: map[string]string{"From": "+15550100001"},
		Query: map[string]string{"agent": "alice"}, ReceivedAt: time.Date(2026, time.March, 14, 15, 9, 26, 0, time.UTC)}
}

// link stores a callback and a delivery with a link that lasts for so long.
func (f *fixture) link(cb *callback.Callback, ttl time.Duration) *store.Delivery {
	f.Helper()
	if _, err := f.store.Add(f.Context(), cb); err != nil {
		f.Fatal(err)
	}
	d := &store.Delivery{Rule: "r", Channel: "sms", Kind: "sms", To: "+15550100001", Text: "x", State: store.Queued,
		Link: &store.Link{Token: store.NewToken(), TTL: ttl}}
	_, err := f.store.Route(f.Context(), 1, time.Hour, 0, func(store.Stored) []*store.Delivery { return []*store.Delivery{d} })
	if err != nil {
		f.Fatal(err)
	}
	return d
}

// answer is what a request came to.
type answer struct {
	status int
	header http.Header // without the date
	body   string
}

// ask asks for a path, with headers, name before value.
func (f *fixture) ask(method, path string, headers ...string) answer {
	f.Helper()
	req, err := http.NewRequestWithContext(f.Context(), method, f.url+path, nil)
	if err != nil {
		f.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := f.client.Do(req)
	if err != nil {
		f.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		f.Fatal(err)
	}
	resp.Header.Del("Date")
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// opens returns how often the link of a delivery was opened.
func (f *fixture) opens(d *store.Delivery) int {
	f.Helper()
	l, err := f.store.Link(f.Context(), d.ID)
	if err != nil {
		f.Fatal(err)
	}
	return l.Opens
}

func TestALinkOpensAPageThatSaysWhatItIsAndNothingElse(t *testing.T) {
	f := newFixture(t)
	d := f.link(finished("rec-1"), time.Hour)
	page := f.ask("GET", "/r/"+d.Link.Token)
	for _, want := range []string{"Call recording, 1m34s", "Dialled call", "14 March 2026, 15:09 UTC", `src="` + d.Link.Token + `/audio"`, `<html lang="en">`} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page has no %q: %s", want, page.body)
		}
	}
	if page.status != http.StatusOK || len(page.body) > 4096 || page.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("the page is answered with %d, %d bytes, %v", page.status, len(page.body), page.header)
	}
	if audio := f.ask("GET", "/r/"+d.Link.Token+"/audio"); audio.status != http.StatusOK || audio.body != "audio of "+secretURL {
		t.Errorf("the audio is answered with %+v", audio)
	}
	for _, secret := range []string{"signalwire", "private-id", "secret", "5550100001", "alice", "rec-1", "call-of", "<script"} {
		if strings.Contains(strings.ToLower(page.body+fmt.Sprint(page.header)), secret) {
			t.Errorf("the page tells of %q: %v %s", secret, page.header, page.body)
		}
	}
}

func TestWhatALinkAnswersIsForItsReaderAlone(t *testing.T) {
	f := newFixture(t)
	d := f.link(finished("rec-1"), time.Hour)
	for _, path := range []string{"/r/" + d.Link.Token, "/r/" + d.Link.Token + "/audio", "/r/AAAAAAAAAAA", "/r/"} {
		h := f.ask("GET", path).header
		for name, want := range map[string]string{
			"X-Robots-Tag": "noindex, nofollow, noarchive", "Referrer-Policy": "no-referrer", "Cache-Control": "private, no-store",
			"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s = %q, want %q", path, name, got, want)
			}
		}
		policy := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; media-src 'self'") || strings.Contains(policy, "script") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy is %q, want one without scripts", path, policy)
		}
	}
}

// Nobody who tries can tell whether there ever was such a link.
func TestUnknownExpiredAndRevokedLinksLookTheSame(t *testing.T) {
	f := newFixture(t)
	expired, revoked := f.link(finished("rec-1"), 0), f.link(finished("rec-2"), time.Hour)
	if got := f.ask("GET", "/r/"+revoked.Link.Token); got.status != http.StatusOK {
		t.Fatalf("before it is revoked: %d, want 200", got.status)
	}
	if err := f.store.Revoke(t.Context(), revoked.ID, "kim"); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"GET", "HEAD"} {
		want := f.ask(method, "/r/"+store.NewToken())
		if want.status != http.StatusNotFound {
			t.Errorf("%s of an unknown link = %d, want 404", method, want.status)
		}
		for _, path := range []string{expired.Link.Token, expired.Link.Token + "/audio", revoked.Link.Token, revoked.Link.Token + "/audio",
			store.NewToken() + "/audio", "", "x", "audio", "/audio"} {
			if got := f.ask(method, "/r/"+path, "Range", "bytes=0-1"); !reflect.DeepEqual(got, want) {
				t.Errorf("%s /r/%s = %+v, want %+v as of an unknown link", method, path, got, want)
			}
		}
	}
	if n := f.opens(expired) + f.opens(revoked); n != 1 {
		t.Errorf("they were opened %d times, want once", n)
	}
}

// hostile are paths that no link has, where TOKEN is one that opens.
var hostile = []string{
	"/r/TOKEN/", "/r/TOKEN//audio", "/r/TOKEN/audio/", "/r/TOKEN/audio/audio", "/r/TOKEN/../TOKEN", "/r//TOKEN", "/r/./TOKEN", "/r/%2e/TOKEN",
	"/r/TOKEN%00", "/r/TOKEN%20", "/r/TOKEN%0d%0aX: y", "/r/TOKEN.", "/r/TOKEN%2faudio", "/r/TOKEN;x", "/r/%00", "/r/'%20OR%201=1--",
	"/r/<script>alert(1)</script>", "/r/%F0%9F%98%80", "/r/%ff%fe", "/r/..%2f..%2fetc%2fpasswd", "/r/\\TOKEN", "/r/TOKE%4e", "/r/" + strings.Repeat("A", 4000),
	"/r/TOKEN/audio.mp3", "/r/TOKEN/AUDIO", "/r/TOKEN%09", "/r/%54OKEN",
}

func TestHostilePathsOpenNothing(t *testing.T) {
	f := newFixture(t)
	d := f.link(finished("rec-1"), time.Hour)
	for i, path := range hostile {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", i)
		r.URL.Path, r.URL.RawPath = strings.ReplaceAll(path, "TOKEN", d.Link.Token), ""
		if u, err := r.URL.Parse(strings.ReplaceAll(path, "TOKEN", d.Link.Token)); err == nil && strings.Contains(path, "%") {
			r.URL.Path, r.URL.RawPath = u.Path, u.RawPath
		}
		w := httptest.NewRecorder()
		f.player.ServeHTTP(w, r)
		if w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "<script") {
			t.Errorf("%s: %d %s, want 404", path, w.Code, w.Body)
		}
	}
	// What people's apps add behind a link does no harm.
	for _, query := range []string{"?", "?utm_source=sms", "?fbclid=x%00"} {
		if got := f.ask("GET", "/r/"+d.Link.Token+query); got.status != http.StatusOK {
			t.Errorf("with %s: %d, want 200", query, got.status)
		}
	}
}

func FuzzPathsOpenNothingButTheLink(f *testing.F) {
	const token = "0123456789A"
	for _, path := range hostile {
		f.Add(strings.ReplaceAll(strings.TrimPrefix(path, "/r/"), "TOKEN", token))
	}
	f.Add(token)
	f.Add(token + "/audio")
	p, err := player.New(only(token), func(http.ResponseWriter, *http.Request, *callback.Callback) {}, slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	n := 0
	f.Fuzz(func(t *testing.T, path string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		n++
		r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", n>>16&255, n>>8&255, n&255)
		r.URL.Path = "/r/" + path
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		want := http.StatusNotFound
		if path == token || path == token+"/audio" {
			want = http.StatusOK
		}
		if w.Code != want || strings.Contains(w.Body.String(), "<script") {
			t.Errorf("/r/%q: %d, want %d", path, w.Code, want)
		}
	})
}

// only is links of which there is one.
type only string

func (o only) Linked(_ context.Context, token string) ([]store.Stored, error) {
	if token != string(o) {
		return nil, store.ErrNotFound
	}
	return []store.Stored{{Callback: finished("rec-1")}}, nil
}

func (only) Opened(context.Context, string) error { return nil }

func TestOpeningThePageIsCountedAndNothingElseIs(t *testing.T) {
	f := newFixture(t)
	d := f.link(finished("rec-1"), time.Hour)
	path := "/r/" + d.Link.Token
	f.ask("HEAD", path)
	f.ask("GET", path+"/audio")
	f.ask("GET", path+"/audio", "Range", "bytes=5-")
	f.ask("GET", path, "Sec-Purpose", "prefetch;prerender")
	f.ask("GET", path, "Purpose", "prefetch")
	if n := f.opens(d); n != 0 {
		t.Errorf("opened %d times, want 0: nobody has looked", n)
	}
	for range 3 {
		f.ask("GET", path, "User-Agent", "WhatsApp/2.23 A") // a preview does not use it up
	}
	if n := f.opens(d); n != 3 {
		t.Errorf("opened %d times, want 3", n)
	}
	if head, get := f.ask("HEAD", path), f.ask("GET", path); head.body != "" || !maps.EqualFunc(head.header, get.header, slices.Equal) {
		t.Errorf("HEAD = %+v, want the headers %v of GET", head, get.header)
	}
}

func TestOtherMethodsAreRefusedWhateverTheLink(t *testing.T) {
	f := newFixture(t)
	d := f.link(finished("rec-1"), time.Hour)
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"} {
		want := f.ask(method, "/r/"+store.NewToken())
		if want.status != http.StatusMethodNotAllowed || want.header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s = %+v, want 405 and what is allowed", method, want)
		}
		for _, path := range []string{d.Link.Token, d.Link.Token + "/audio", ""} {
			if got := f.ask(method, "/r/"+path); !reflect.DeepEqual(got, want) {
				t.Errorf("%s /r/%s = %+v, want %+v", method, path, got, want)
			}
		}
	}
}

func TestThePageSaysWhyThereIsNothingToHear(t *testing.T) {
	f := newFixture(t)
	for i, test := range []struct {
		change func(*callback.Callback)
		want   string
	}{
		{func(cb *callback.Callback) {
			cb.RecordingStatus, cb.RecordingUrl, cb.RecordingDuration = "in-progress", "", 0
		}, "once the call has ended"},
		{func(cb *callback.Callback) { cb.RecordingStatus = "absent" }, "There is nothing to hear"},
		{func(cb *callback.Callback) { cb.RecordingStatus = "failed" }, "There is nothing to hear"},
	} {
		cb := finished(fmt.Sprint("rec-", i))
		test.change(cb)
		d := f.link(cb, time.Hour)
		page := f.ask("GET", "/r/"+d.Link.Token)
		if page.status != http.StatusOK || !strings.Contains(page.body, test.want) || strings.Contains(page.body, "<audio") {
			t.Errorf("%s: %d %s, want %q and no player", cb.RecordingStatus, page.status, page.body, test.want)
		}
		if audio := f.ask("GET", "/r/"+d.Link.Token+"/audio"); audio.status != http.StatusNotFound {
			t.Errorf("%s: the audio is answered with %d, want 404", cb.RecordingStatus, audio.status)
		}
	}
}

// A message that went out when a call began has a link that plays it later.
func TestALinkPlaysWhatALaterCallbackSays(t *testing.T) {
	f := newFixture(t)
	began := finished("rec-1")
	began.RecordingStatus, began.RecordingUrl = "in-progress", ""
	d := f.link(began, time.Hour)
	if _, err := f.store.Add(t.Context(), finished("rec-1")); err != nil {
		t.Fatal(err)
	}
	if audio := f.ask("GET", "/r/"+d.Link.Token+"/audio"); audio.body != "audio of "+secretURL {
		t.Errorf("the audio is answered with %+v", audio)
	}
}

func TestWhatSendersWriteIsNotObeyed(t *testing.T) {
	f := newFixture(t)
	cb := finished("rec-1")
	cb.RecordingSource = `<script>alert(1)</script> +15550100001`
	page := f.ask("GET", "/r/"+f.link(cb, time.Hour).Link.Token)
	if strings.Contains(page.body, "script") || strings.Contains(page.body, "5550100001") {
		t.Errorf("the page has what the sender wrote: %s", page.body)
	}
}

func TestALinkWaitsForAStoreThatFailsAndNotForItsCount(t *testing.T) {
	f := newFixture(t)
	d := f.link(finished("rec-1"), time.Hour)
	f.links.uncount = errors.New("disk full")
	if got := f.ask("GET", "/r/"+d.Link.Token); got.status != http.StatusOK {
		t.Errorf("not counted: %d, want 200", got.status)
	}
	f.links.fail = errors.New("secret of the database")
	got := f.ask("GET", "/r/"+d.Link.Token)
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || strings.Contains(got.body, "secret") {
		t.Errorf("not found out: %+v, want 503 and no detail", got)
	}
}
