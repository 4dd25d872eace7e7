package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"ringpost/relay/admin"
	"ringpost/relay/api"
	"ringpost/relay/callback"
	"ringpost/relay/deliver"
	"ringpost/relay/metrics"
	"ringpost/relay/render"
	"ringpost/relay/route"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

// service is a service whose answers a test sets.
type service struct {
	store    *store.Store
	notReady error
	problems []string
	plan     *route.Plan
	status   []deliver.Status
	sent     []string // what test messages went where
	sendErr  error
	caughtUp time.Duration // how long before now recordings were asked for
	askErr   error
}

func (s *service) CatchUp(_ context.Context, since time.Time, by string) (api.CaughtUp, error) {
	s.caughtUp = time.Since(since).Round(time.Minute)
	return api.CaughtUp{Found: 40, New: len(by)}, s.askErr
}

func (s *service) Plan() *route.Plan               { return s.plan }
func (s *service) Ready(context.Context) error     { return s.notReady }
func (s *service) Reload(context.Context) []string { return s.problems }
func (s *service) Retry(ctx context.Context, id int64, by string) error {
	return s.store.Retry(ctx, id, by, time.Hour)
}
func (s *service) Cancel(ctx context.Context, id int64, by string) error {
	return s.store.Cancel(ctx, id, by)
}

func (s *service) RetryAll(ctx context.Context, f store.Filter, by string) (int, error) {
	return s.store.RetryAll(ctx, f, by, time.Hour)
}
func (s *service) Revoke(ctx context.Context, id int64, by string) error {
	return s.store.Revoke(ctx, id, by)
}
func (s *service) Forward(ctx context.Context, id int64, to, by string) (int64, error) {
	return s.store.Forward(ctx, id, to, by, time.Hour)
}
func (s *service) Status() []deliver.Status { return s.status }
func (s *service) Channels(ctx context.Context) (all []deliver.Overview, err error) {
	for _, status := range s.status {
		o := deliver.Overview{Status: status, Kind: status.Channel, Rate: "4/s"}
		if o.Waiting, o.Oldest, err = s.store.Waiting(ctx, status.Channel, 10); err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}
func (s *service) Pause(_ context.Context, channel, by string) error {
	if channel != "email" {
		return &api.RequestError{Text: "no channel " + channel}
	}
	s.status[0].Pause = &store.Pause{Channel: channel, By: by, At: s.store.Now()}
	return nil
}
func (s *service) Resume(context.Context, string, string) error {
	s.status[0].Pause = nil
	return nil
}
func (s *service) SendTest(_ context.Context, channel, to string) (string, error) {
	s.sent = append(s.sent, channel+" to "+to)
	return "id-1", s.sendErr
}

// greeting is a page that says who asks for what.
type greeting struct{}

func (greeting) Serve(w http.ResponseWriter, r *http.Request, by string) {
	fmt.Fprintf(w, "hello %s at %s", by, r.URL.Path)
}

// newAdmin serves the admin handler over a store with one callback and four
// deliveries: 1 waits, 2 is dead, 3 is delivered, 4 is for nobody.
func newAdmin(t *testing.T, users ...admin.User) (*service, string) {
	t.Helper()
	s, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "ringpost.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	_, err = s.Add(t.Context(), &callback.Callback{AccountSid: "a", RecordingSid: "rec-1", RecordingStatus: "completed",
		Query: map[string]string{"agent": "alice"}, ReceivedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	third := &store.Delivery{Channel: "sms", Kind: "sms", To: "+15550100001", State: store.Sending}
	deliveries := []*store.Delivery{
		{Rule: "r", Channel: "email", Kind: "email", To: "alice@example.com", Subject: "hello", Text: "secret words", State: store.Queued},
		{Rule: "r", Channel: "email", Kind: "email", To: "bob@example.com", Text: "words", State: store.Dead, LastError: "550 no such user"},
		third,
		{Rule: "r", Channel: "console", Kind: "log", State: store.Dead, LastError: "the recipient is empty"},
	}
	_, err = s.Route(t.Context(), 1, time.Hour, 0, func(store.Stored) []*store.Delivery { return deliveries })
	if err != nil {
		t.Fatal(err)
	}
	err = s.Finish(t.Context(), third, store.Outcome{StartedAt: time.Now(), Took: time.Second, State: store.Delivered, ProviderID: "SM1"})
	if err != nil {
		t.Fatal(err)
	}
	svc := &service{store: s, plan: newPlan(t, "completed"), status: []deliver.Status{
		{Channel: "email", Down: true, Since: s.Now(), LastError: "connection refused", LastErrorAt: s.Now()},
		{Channel: "sms", Since: s.Now()},
	}}
	m := metrics.New("test")
	h := admin.New(svc, s, greeting{}, m.Registry, users, slog.New(slog.NewTextHandler(io.Discard, nil)))
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return svc, server.URL
}

// newPlan returns a plan of one rule that emails the agent of calls in a status.
func newPlan(t *testing.T, status string) *route.Plan {
	t.Helper()
	templates, errs := render.Load("")
	set, problems := rules.Compile([]rules.Rule{{Name: "r", Line: 7, Conditions: rules.Conditions{Status: rules.Patterns{status}},
		Send: []rules.Send{{Via: "email", To: rules.Patterns{"{{.Query.agent}}@example.com"}, Template: "recording"}}}},
		rules.Book{Channels: map[string]string{"email": render.Email, "sms": render.SMS}})
	if len(errs) > 0 || len(problems) > 0 {
		t.Fatal(errs, problems)
	}
	return &route.Plan{Rules: set, Templates: templates}
}

// ask returns the answer's status and body.
func ask(t *testing.T, method, url string, change ...func(*http.Request)) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestHealthSaysAliveAndReadySaysWhyNot(t *testing.T) {
	svc, url := newAdmin(t)
	if status, _ := ask(t, "GET", url+"/healthz"); status != http.StatusOK {
		t.Errorf("GET /healthz = %d, want 200", status)
	}
	if status, _ := ask(t, "GET", url+"/readyz"); status != http.StatusOK {
		t.Errorf("GET /readyz = %d, want 200", status)
	}
	svc.notReady = errors.New("the disk is full")
	if status, body := ask(t, "GET", url+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "the disk is full") {
		t.Errorf("GET /readyz = %d %s, want 503 with the reason", status, body)
	}
}

func TestReloadAnswers204Or422WithTheProblems(t *testing.T) {
	svc, url := newAdmin(t)
	if status, _ := ask(t, "POST", url+"/-/reload"); status != http.StatusNoContent {
		t.Errorf("POST /-/reload = %d, want 204", status)
	}
	svc.problems = []string{"ringpost.toml:3: no"}
	if status, body := ask(t, "POST", url+"/-/reload"); status != http.StatusUnprocessableEntity || !strings.Contains(body, "ringpost.toml:3: no") {
		t.Errorf("POST /-/reload = %d %s, want 422 with the problem", status, body)
	}
	if status, _ := ask(t, "GET", url+"/-/reload"); status != http.StatusMethodNotAllowed {
		t.Errorf("GET /-/reload = %d, want 405", status)
	}
}

func TestADeliveryHasTheFieldsThatArePromisedAndNotWhatItSays(t *testing.T) {
	_, url := newAdmin(t)
	_, body := ask(t, "GET", url+"/api/deliveries/1")
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"id", "recording", "callback", "rule", "channel", "kind", "to", "subject", "state", "attempts",
		"next_attempt_at", "last_error", "provider_id", "created_at", "finished_at"} {
		if _, ok := got[name]; !ok {
			t.Errorf("GET /api/deliveries/1 has no %q: %s", name, body)
		}
	}
	if got["recording"] != "rec-1" || got["state"] != "queued" || got["to"] != "alice@example.com" || got["finished_at"] != nil {
		t.Errorf("GET /api/deliveries/1 = %s", body)
	}
	if strings.Contains(body, "secret words") {
		t.Errorf("GET /api/deliveries/1 holds the message's text: %s", body)
	}
	if _, body = ask(t, "GET", url+"/api/deliveries/3"); !strings.Contains(body, `"history":[{"number":1,`) {
		t.Errorf("GET /api/deliveries/3 = %s, want its attempt", body)
	}
}

func TestListsAreFilteredAndPaged(t *testing.T) {
	_, url := newAdmin(t)
	for _, test := range []struct {
		query string
		want  []int64
	}{
		{"", []int64{4, 3, 2, 1}},
		{"?limit=2", []int64{4, 3}},
		{"?limit=2&after=3", []int64{2, 1}},
		{"?state=dead", []int64{4, 2}},
		{"?channel=email", []int64{2, 1}},
		{"?to=bob@example.com", []int64{2}},
		{"?recording=rec-1&channel=sms", []int64{3}},
		{"?recording=other", []int64{}},
		{"?since=1h", []int64{4, 3, 2, 1}},
		{"?since=7d", []int64{4, 3, 2, 1}},
		{"?since=2999-01-01T00:00:00Z", []int64{}},
	} {
		_, body := ask(t, "GET", url+"/api/deliveries"+test.query)
		var page struct {
			Deliveries []struct{ ID int64 }
			Next       string
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatalf("%s: %v: %s", test.query, err, body)
		}
		got := []int64{}
		for _, d := range page.Deliveries {
			got = append(got, d.ID)
		}
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("GET /api/deliveries%s = %v, want %v", test.query, got, test.want)
		}
		if test.query == "?limit=2" && page.Next != "3" {
			t.Errorf("GET /api/deliveries?limit=2: next = %q, want 3", page.Next)
		}
	}
	_, body := ask(t, "GET", url+"/api/callbacks?recording=rec-1")
	if !strings.Contains(body, `"recording":"rec-1"`) || !strings.Contains(body, `"query":{"agent":"alice"}`) {
		t.Errorf("GET /api/callbacks?recording=rec-1 = %s", body)
	}
}

func TestABadQueryIsA400ThatSaysWhatWouldBeRight(t *testing.T) {
	_, url := newAdmin(t)
	for query, want := range map[string]string{
		"state=sent":     `state: no state \"sent\"`,
		"limit=0":        "limit: want a number from 1 to 1000",
		"limit=5000":     "limit: want a number from 1 to 1000",
		"since=tomorrow": "since: want a time such as",
		"after=x":        "after: want what",
		"colour=red":     "colour: unknown parameter (have recording, state,",
		"to=a&to=b":      "to: given more than once",
	} {
		if status, body := ask(t, "GET", url+"/api/deliveries?"+query); status != http.StatusBadRequest || !strings.Contains(body, want) {
			t.Errorf("GET /api/deliveries?%s = %d %s, want 400 with %s", query, status, body, want)
		}
	}
}

func TestRetryAndCancelDoWhatTheStateAllows(t *testing.T) {
	_, url := newAdmin(t)
	for _, test := range []struct {
		path   string
		status int
		want   string
	}{
		{"/api/deliveries/2/retry", http.StatusOK, `"state":"queued"`},
		{"/api/deliveries/2/cancel", http.StatusOK, `"state":"cancelled"`},
		{"/api/deliveries/3/cancel", http.StatusConflict, "delivery 3 is delivered: cannot cancel it"},
		{"/api/deliveries/3/retry", http.StatusConflict, "delivery 3 is delivered: cannot retry it"},
		{"/api/deliveries/4/retry", http.StatusConflict, "delivery 4 is dead: cannot retry it: there is nobody"},
		{"/api/deliveries/99/retry", http.StatusNotFound, "delivery 99: not found"},
		{"/api/deliveries/x/retry", http.StatusNotFound, "not found"},
	} {
		if status, body := ask(t, "POST", url+test.path); status != test.status || !strings.Contains(body, test.want) {
			t.Errorf("POST %s = %d %s, want %d with %s", test.path, status, body, test.status, test.want)
		}
	}
}

func TestWithoutUsersOnlyLocalNamesAreAnswered(t *testing.T) {
	_, url := newAdmin(t)
	rebound := func(r *http.Request) { r.Host = "evil.example.com" }
	if status, _ := ask(t, "GET", url+"/api/deliveries", rebound); status != http.StatusForbidden {
		t.Errorf("GET /api/deliveries of host evil.example.com = %d, want 403", status)
	}
	for _, host := range []string{"localhost:8081", "127.0.0.1", "[::1]:8081"} {
		if status, _ := ask(t, "GET", url+"/api/deliveries", func(r *http.Request) { r.Host = host }); status != http.StatusOK {
			t.Errorf("GET /api/deliveries of host %s = %d, want 200", host, status)
		}
	}
}

func TestAChangeAskedForByAnotherSiteIsRefused(t *testing.T) {
	_, url := newAdmin(t)
	foreign := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }
	if status, _ := ask(t, "POST", url+"/api/deliveries/2/retry", foreign); status != http.StatusForbidden {
		t.Errorf("POST from another site = %d, want 403", status)
	}
}

func TestUsersNeedTheirPassword(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("correct"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	_, url := newAdmin(t, admin.User{Name: "kim", PasswordHash: string(hash)})
	login := func(name, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(name, password) }
	}
	for _, test := range []struct {
		name   string
		change func(*http.Request)
		want   int
	}{
		{"nobody", func(*http.Request) {}, http.StatusUnauthorized},
		{"a wrong password", login("kim", "wrong"), http.StatusUnauthorized},
		{"an unknown name", login("lee", "correct"), http.StatusUnauthorized},
		{"the right one", login("kim", "correct"), http.StatusOK},
		{"the right one again", login("kim", "correct"), http.StatusOK},
		{"a wrong one after the right one", login("kim", "wrong"), http.StatusUnauthorized},
	} {
		for _, path := range []string{"/api/deliveries", "/metrics", "/recordings"} {
			if status, _ := ask(t, "GET", url+path, test.change); status != test.want {
				t.Errorf("GET %s as %s = %d, want %d", path, test.name, status, test.want)
			}
		}
	}
	if status, _ := ask(t, "GET", url+"/readyz"); status != http.StatusOK {
		t.Errorf("GET /readyz without a password = %d, want 200", status)
	}
	if _, body := ask(t, "GET", url+"/recordings", login("kim", "correct")); body != "hello kim at /recordings" {
		t.Errorf("GET /recordings as kim = %q, want the page to know who asks", body)
	}
}

func TestThePageAnswersWhatIsNotTheAPIs(t *testing.T) {
	_, url := newAdmin(t)
	// Without users, nobody's word for a name is taken.
	if _, body := ask(t, "GET", url+"/recordings", func(r *http.Request) { r.SetBasicAuth("kim", "") }); body != "hello admin at /recordings" {
		t.Errorf("GET /recordings = %q, want the page, asked for by admin", body)
	}
	if status, body := ask(t, "GET", url+"/api/nothing"); status != http.StatusNotFound || strings.Contains(body, "hello") {
		t.Errorf("GET /api/nothing = %d %s, want 404 without the page", status, body)
	}
	if status, _ := ask(t, "POST", url+"/recordings", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }); status != http.StatusForbidden {
		t.Errorf("POST to the page from another site = %d, want 403", status)
	}
}

func TestMetricsHaveTheirNames(t *testing.T) {
	_, url := newAdmin(t)
	_, body := ask(t, "GET", url+"/metrics")
	for _, name := range []string{"ringpost_build_info{", "ringpost_config_last_reload_successful 1"} {
		if !strings.Contains(body, name) {
			t.Errorf("GET /metrics has no %s", name)
		}
	}
}
