package admin_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"ringpost/relay/api"
	"ringpost/relay/callback"
	"ringpost/relay/store"
)

func TestADeliverySaysWhyAndWhatPeopleDid(t *testing.T) {
	_, url := newAdmin(t)
	if status, body := ask(t, "POST", url+"/api/deliveries/1/cancel"); status != http.StatusOK {
		t.Fatalf("cancel = %d %s", status, body)
	}
	if status, body := ask(t, "POST", url+"/api/deliveries/2/retry"); status != http.StatusOK {
		t.Fatalf("retry = %d %s", status, body)
	}
	for id, want := range map[string][]string{
		"1": {`"why":"not sent: cancelled by admin at `, `"by":"admin","what":"cancelled"`},
		"2": {`"why":"waits: channel email is down since `, `(connection refused); it goes out by itself once the channel is up"`, `"what":"retried"`},
		"3": {`"why":"accepted by the SMS provider at `},
		"4": {`"why":"nobody was told: the recipient is empty"`},
	} {
		_, body := ask(t, "GET", url+"/api/deliveries/"+id)
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("GET /api/deliveries/%s = %s, want %s", id, body, w)
			}
		}
	}
	if _, body := ask(t, "GET", url+"/api/deliveries?state=dead"); !strings.Contains(body, `"why":"nobody was told: the recipient is empty"`) {
		t.Errorf("GET /api/deliveries?state=dead = %s, want each with its why", body)
	}
}

func TestManyAreRetriedByAFilterAndNeverWithoutOne(t *testing.T) {
	_, url := newAdmin(t)
	for _, test := range []struct {
		query  string
		status int
		want   string
	}{
		{"", http.StatusBadRequest, "a filter is required: recording, state, channel, to or since"},
		{"?channel=", http.StatusBadRequest, "a filter is required"},
		{"?limit=5", http.StatusBadRequest, "limit: unknown parameter"},
		{"?channel=sms", http.StatusOK, `{"retried":0}`},
		{"?channel=email&since=1h", http.StatusOK, `{"retried":1}`},
		{"?channel=email&since=1h", http.StatusOK, `{"retried":0}`},
		{"?channel=console", http.StatusOK, `{"retried":0}`}, // it is for nobody
	} {
		if status, body := ask(t, "POST", url+"/api/deliveries/retry"+test.query); status != test.status || !strings.Contains(body, test.want) {
			t.Errorf("POST /api/deliveries/retry%s = %d %s, want %d with %s", test.query, status, body, test.status, test.want)
		}
	}
	if status, _ := ask(t, "POST", url+"/api/deliveries/2"); status != http.StatusNotFound {
		t.Errorf("POST /api/deliveries/2 = %d, want 404", status)
	}
}

func TestWhatADeliverySaysIsSentOnToSomeoneElse(t *testing.T) {
	_, address := newAdmin(t)
	to := "?to=" + url.QueryEscape("dora@example.com")
	status, body := ask(t, "POST", address+"/api/deliveries/1/forward"+to)
	if status != http.StatusOK || !strings.Contains(body, `"to":"dora@example.com","subject":"hello"`) ||
		!strings.Contains(body, `"what":"sent on from delivery 1"`) {
		t.Errorf("POST /api/deliveries/1/forward = %d %s, want the new delivery", status, body)
	}
	for path, want := range map[string]int{
		"/api/deliveries/1/forward":       http.StatusBadRequest,
		"/api/deliveries/99/forward" + to: http.StatusNotFound,
		"/api/deliveries/4/forward" + to:  http.StatusConflict,
		"/api/deliveries/x/forward" + to:  http.StatusNotFound,
	} {
		if status, body := ask(t, "POST", address+path); status != want {
			t.Errorf("POST %s = %d %s, want %d", path, status, body, want)
		}
	}
}

func TestChannelsAreListedPausedResumedAndTested(t *testing.T) {
	svc, url := newAdmin(t)
	_, body := ask(t, "GET", url+"/api/channels")
	var list api.Channels
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Channels) != 2 {
		t.Fatalf("GET /api/channels = %s, %v; want two", body, err)
	}
	email, sms := list.Channels[0], list.Channels[1]
	if email.Name != "email" || email.Kind != "email" || email.Rate != "4/s" || email.State != "down" || email.Waiting != 1 || email.OldestAt == nil ||
		email.LastError != "connection refused" || email.LastErrorAt == nil || !strings.HasPrefix(email.Why, "down since ") {
		t.Errorf("GET /api/channels: email = %+v, want it down, and one waiting", email)
	}
	if sms.State != "up" || sms.Waiting != 0 || sms.OldestAt != nil || sms.LastErrorAt != nil || !strings.HasPrefix(sms.Why, "up since ") {
		t.Errorf("GET /api/channels: sms = %+v, want it up, and nothing waiting", sms)
	}
	svc.sendErr = nil
	for _, test := range []struct {
		path   string
		status int
		want   string
	}{
		{"/api/channels/email/pause", http.StatusOK, `"why":"paused by admin since `},
		{"/api/channels/email/resume", http.StatusOK, `"state":"down"`},
		{"/api/channels/fax/pause", http.StatusBadRequest, "no channel fax"},
		{"/api/channels/email/test", http.StatusBadRequest, "to: missing"},
		{"/api/channels/email/test?to=alice", http.StatusOK, `{"provider_id":"id-1"}`},
	} {
		if status, body := ask(t, "POST", url+test.path); status != test.status || !strings.Contains(body, test.want) {
			t.Errorf("POST %s = %d %s, want %d with %s", test.path, status, body, test.status, test.want)
		}
	}
	if len(svc.sent) != 1 || svc.sent[0] != "email to alice" {
		t.Errorf("test messages went to %q, want one to alice", svc.sent)
	}
	svc.sendErr = &api.ProviderError{Text: "535 no: check the password"}
	if status, body := ask(t, "POST", url+"/api/channels/email/test?to=alice"); status != http.StatusBadGateway || !strings.Contains(body, "535 no: check the password") {
		t.Errorf("POST /api/channels/email/test = %d %s, want 502 with what the provider said", status, body)
	}
}

// TestACallbackIsToldWithTheRulesOfThen keeps a plan, and puts another one into
// force.
func TestACallbackIsToldWithTheRulesOfThen(t *testing.T) {
	svc, url := newAdmin(t)
	definition, err := newPlan(t, "absent").Definition()
	if err != nil {
		t.Fatal(err)
	}
	id, err := svc.store.KeepPlan(t.Context(), definition)
	if err != nil {
		t.Fatal(err)
	}
	unreadable, err := svc.store.KeepPlan(t.Context(), []byte("{"))
	if err != nil {
		t.Fatal(err)
	}
	plans := map[string]int64{"rec-2": id, "rec-3": unreadable, "rec-4": 0}
	for _, recording := range []string{"rec-2", "rec-3", "rec-4"} {
		_, err := svc.store.Add(t.Context(), &callback.Callback{AccountSid: "a", RecordingSid: recording, RecordingStatus: "completed", ReceivedAt: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		if plan := plans[recording]; plan != 0 {
			if _, err := svc.store.Route(t.Context(), 1, time.Hour, plan, func(store.Stored) []*store.Delivery { return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
	trace := func(id string) (got api.Trace) {
		t.Helper()
		_, body := ask(t, "GET", url+"/api/callbacks/"+id)
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		return got
	}
	if got := trace("1"); got.Recording != "rec-1" || got.Rules != nil || !strings.Contains(got.Note, "it came before that was kept") ||
		len(got.Deliveries) != 4 || got.Deliveries[3].Why != "nobody was told: the recipient is empty" {
		t.Errorf("GET /api/callbacks/1 = %+v, want its deliveries, and no rules", got)
	}
	if got := trace("2"); got.Note != "" || len(got.Rules) != 1 || got.Rules[0].Line != 7 ||
		got.Rules[0].Reason != "the recording's status is completed; this rule wants absent" || len(got.Deliveries) != 0 {
		t.Errorf("GET /api/callbacks/2 = %+v, want how the rules of then decided", got)
	}
	if got := trace("3"); got.Rules != nil || !strings.HasSuffix(got.Note, "the log says why") || got.Recording != "rec-3" {
		t.Errorf("GET /api/callbacks/3 = %+v, want that its rules cannot be read", got)
	}
	if got := trace("4"); got.Rules != nil || got.Note != "it is about to be taken through the rules" || got.RoutedAt != nil {
		t.Errorf("GET /api/callbacks/4 = %+v, want that it is not routed", got)
	}
	for _, id := range []string{"99", "x", "-1"} {
		if status, body := ask(t, "GET", url+"/api/callbacks/"+id); status != http.StatusNotFound {
			t.Errorf("GET /api/callbacks/%s = %d %s, want 404", id, status, body)
		}
	}
}

func TestCatchUpAsksForRecordingsSinceThen(t *testing.T) {
	svc, url := newAdmin(t)
	for _, test := range []struct {
		path   string
		err    error
		status int
		want   string
	}{
		{"/api/catch-up?since=24h", nil, http.StatusOK, `{"found":40,"new":5}`},
		{"/api/catch-up?since=1d12h", nil, http.StatusOK, `{"found":40,"new":5}`},
		{"/api/catch-up", nil, http.StatusBadRequest, "since: missing: want a time"},
		{"/api/catch-up?since=", nil, http.StatusBadRequest, "since: missing: want a time"},
		{"/api/catch-up?since=yesterday", nil, http.StatusBadRequest, "since: want a time"},
		{"/api/catch-up?since=2999-01-01T00:00:00Z", nil, http.StatusBadRequest, "since: is yet to come"},
		{"/api/catch-up?since=1h&until=2h", nil, http.StatusBadRequest, "until: unknown parameter"},
		{"/api/catch-up?since=24h", &api.ProviderError{Text: "HTTP status 401"}, http.StatusBadGateway, "HTTP status 401"},
		{"/api/catch-up?since=24h", &api.RequestError{Text: "nobody to ask"}, http.StatusBadRequest, "nobody to ask"},
	} {
		svc.askErr = test.err
		if status, body := ask(t, "POST", url+test.path); status != test.status || !strings.Contains(body, test.want) {
			t.Errorf("POST %s = %d %s, want %d with %s", test.path, status, body, test.status, test.want)
		}
	}
	if svc.caughtUp != 24*time.Hour {
		t.Errorf("recordings were asked for %v back, want 24 h", svc.caughtUp)
	}
	if status, body := ask(t, "GET", url+"/api/catch-up?since=24h"); status != http.StatusMethodNotAllowed {
		t.Errorf("GET /api/catch-up = %d %s, want 405", status, body)
	}
}
