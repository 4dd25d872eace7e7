package page_test

import (
	"context"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringpost/relay/api"
	"ringpost/relay/callback"
	"ringpost/relay/config"
	"ringpost/relay/deliver"
	"ringpost/relay/page"
	"ringpost/relay/render"
	"ringpost/relay/route"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

// fixture is a page over a store of its own, with the rules that README's cook
// book begins with.
type fixture struct {
	*service
	*testing.T
	page    *page.Page
	handler http.Handler // of the page, for kim
	url     string
}

// service is a service that does to its store what the real one does.
type service struct {
	store *store.Store
	plan  *route.Plan

	notReady error
	problems []string
	channels []deliver.Status
}

func (s *service) Ready(context.Context) error     { return s.notReady }
func (s *service) Reload(context.Context) []string { return s.problems }
func (s *service) Plan() *route.Plan               { return s.plan }

func (s *service) Retry(ctx context.Context, id int64, by string) error {
	return s.store.Retry(ctx, id, by, time.Hour)
}

func (s *service) RetryAll(ctx context.Context, f store.Filter, by string) (int, error) {
	return s.store.RetryAll(ctx, f, by, time.Hour)
}

func (s *service) Cancel(ctx context.Context, id int64, by string) error {
	return s.store.Cancel(ctx, id, by)
}

func (s *service) Revoke(ctx context.Context, id int64, by string) error {
	return s.store.Revoke(ctx, id, by)
}

func (s *service) Forward(ctx context.Context, id int64, to, by string) (int64, error) {
	return s.store.Forward(ctx, id, to, by, time.Hour)
}

func (s *service) Pause(ctx context.Context, channel, by string) error {
	return s.store.Pause(ctx, channel, by)
}

func (s *service) Resume(ctx context.Context, channel, by string) error {
	return s.store.Resume(ctx, channel, by)
}

func (s *service) Status() []deliver.Status { return s.channels }

func (s *service) Channels(ctx context.Context) (all []deliver.Overview, err error) {
	for _, status := range s.channels {
		o := deliver.Overview{Status: status, Kind: book.Channels[status.Channel]}
		if o.Waiting, o.Oldest, err = s.store.Waiting(ctx, status.Channel, 10_000); err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

func (s *service) ConfigState() config.State {
	return config.State{File: "/etc/ringpost.toml", LoadedAt: time.Now(), Problems: s.problems, RefusedAt: time.Now()}
}

func (s *service) SendTest(_ context.Context, _, to string) (string, error) {
	if to == "refused@example.com" {
		return "", &api.ProviderError{Text: "550 no such user: the provider refuses this recipient"}
	}
	return "SM-test", nil
}

func (s *service) Diagnose(*callback.Request) callback.Diagnosis {
	return callback.Diagnosis{Findings: []string{"the API token is in place of the signing key"}}
}

func (s *service) ServeAudio(w http.ResponseWriter, _ *http.Request, of *callback.Callback) {
	_, _ = io.WriteString(w, "audio of "+of.RecordingUrl)
}

var book = rules.Book{
	Contacts: map[string]rules.Contact{
		"alice": {Email: "alice@example.com", Phone: "+15550100001"},
		"bob":   {Phone: "+15550100002"},
	},
	Groups:   map[string][]string{"managers": {"alice", "carol@example.com"}},
	Channels: map[string]string{"email": render.Email, "sms": render.SMS},
}

func newPlan(t *testing.T, list ...rules.Rule) *route.Plan {
	t.Helper()
	templates, errs := render.Load("")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if list == nil {
		list = []rules.Rule{
			{Name: "managers get every finished recording", Line: 40,
				Conditions: rules.Conditions{Status: rules.Patterns{"completed"}},
				Send:       []rules.Send{{Via: "email", To: rules.Patterns{"managers"}, Template: "recording"}}},
			{Name: "agents get a link to their own calls", Line: 45,
				Conditions: rules.Conditions{Status: rules.Patterns{"completed"}, MinDuration: "5s",
					Query: map[string]rules.Patterns{"agent": {"*"}}},
				Send: []rules.Send{{Via: "sms", To: rules.Patterns{"{{.Query.agent}}"}, Template: "recording"}}},
		}
	}
	set, problems := rules.Compile(list, book)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return &route.Plan{Rules: set, Templates: templates}
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	s, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "ringpost.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	now := time.Now()
	f := &fixture{T: t, service: &service{store: s, channels: []deliver.Status{
		{Channel: "email", Since: now.Add(-time.Hour)}, {Channel: "sms", Since: now.Add(-time.Hour)}}}}
	f.follow(newPlan(t))
	f.page, err = page.New(f.service, s, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	f.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.page.Serve(w, r, "kim") })
	server := httptest.NewServer(f.handler)
	t.Cleanup(server.Close)
	t.Cleanup(f.page.Close) // before the server, which waits for streams
	f.url = server.URL
	return f
}

// follow keeps plan and puts it into force.
func (f *fixture) follow(plan *route.Plan) {
	f.Helper()
	definition, err := plan.Definition()
	if err != nil {
		f.Fatal(err)
	}
	if plan.ID, err = f.store.KeepPlan(f.Context(), definition); err != nil {
		f.Fatal(err)
	}
	f.plan = plan
}

// call returns the callback of a finished call; change may alter it.
func call(id string, change ...func(*callback.Callback)) *callback.Callback {
	cb := &callback.Callback{AccountSid: "account-1", CallSid: "call-of-" + id, RecordingSid: id, RecordingStatus: "completed",
		RecordingUrl: "https://example.signalwire.com/recordings/" + id, RecordingDuration: 94, RecordingSource: "DialVerb",
		Query: map[string]string{"agent": "alice"}, ReceivedAt: time.Now()}
	for _, c := range change {
		c(cb)
	}
	return cb
}

// receive stores a callback and routes it by the plan in force. It returns the
// callback with its deliveries, which are being sent.
func (f *fixture) receive(cb *callback.Callback) store.Routed {
	f.Helper()
	if _, err := f.store.Add(f.Context(), cb); err != nil {
		f.Fatal(err)
	}
	routed, err := f.store.Route(f.Context(), 10, time.Hour, f.plan.ID, func(cb store.Stored) []*store.Delivery {
		deliveries, _ := f.plan.Deliveries(cb.Callback)
		for _, d := range deliveries {
			if d.State == store.Queued {
				d.State = store.Sending
			}
		}
		return deliveries
	})
	if err != nil || len(routed) != 1 {
		f.Fatalf("Route = %v, %v; want one callback", routed, err)
	}
	return routed[0]
}

// finish records what came of an attempt at a delivery.
func (f *fixture) finish(d *store.Delivery, state store.State, words string) {
	f.Helper()
	o := store.Outcome{StartedAt: time.Now(), Took: 120 * time.Millisecond, Err: words, State: state}
	if state == store.Retrying {
		o.NextAttemptAt = time.Now().Add(time.Minute)
	}
	if state == store.Delivered {
		o.ProviderID = "SM-1"
	}
	if err := f.store.Finish(f.Context(), d, o); err != nil {
		f.Fatal(err)
	}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// get asks for a page.
func (f *fixture) get(path string) answer {
	f.Helper()
	return f.do(http.MethodGet, path, nil)
}

// post sends a form, and does not follow where it leads.
func (f *fixture) post(path string, form url.Values) answer {
	f.Helper()
	return f.do(http.MethodPost, path, form)
}

func (f *fixture) do(method, path string, form url.Values) answer {
	f.Helper()
	req, err := http.NewRequestWithContext(f.Context(), method, f.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		f.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		f.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		f.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// must fails the test unless the answer has that status and holds those words,
// as they are in it or as a browser shows them.
func (f *fixture) must(a answer, status int, words ...string) {
	f.Helper()
	if a.status != status {
		f.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	for _, w := range words {
		if !strings.Contains(a.body, w) && !strings.Contains(html.UnescapeString(a.body), w) {
			f.Errorf("the page does not say %q: %s", w, a.body)
		}
	}
}
