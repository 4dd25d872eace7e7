package admin_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"ringpost/relay/api"
	"ringpost/relay/callback"
	"ringpost/relay/store"
)

func TestTheAPISaysWhoCalledOrWhatIsWaitedFor(t *testing.T) {
	svc, url := newAdmin(t)
	if _, err := svc.store.Add(t.Context(), &callback.Callback{AccountSid: "a", RecordingSid: "rec-2", RecordingStatus: "completed",
		CallSid: "CA1", ReceivedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Minute)
	if _, err := svc.store.RouteBy(t.Context(), 1, time.Hour, 0, func(r *store.Routed) { r.LookUpUntil = until }); err != nil {
		t.Fatal(err)
	}
	trace := func() (got api.Trace, body string) {
		t.Helper()
		_, body = ask(t, "GET", url+"/api/callbacks/2")
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		return got, body
	}
	got, body := trace()
	if got.Lookup == nil || got.Lookup.Attempts != 0 || got.Lookup.Deadline.Sub(until).Abs() > time.Second || got.RoutedAt != nil || got.CallDetails != nil ||
		!strings.HasPrefix(got.Note, "it waits for SignalWire to say who called: not asked yet; it goes on without that at ") {
		t.Errorf("GET /api/callbacks/2 = %s, want what it waits for", body)
	}
	claimed, err := svc.store.ClaimLookups(t.Context(), 1)
	if err != nil || len(claimed) != 1 {
		t.Fatalf("ClaimLookups = %v, %v", claimed, err)
	}
	call := &callback.Call{Known: true, From: "+15550100099", To: "+15550100001", Direction: "inbound", StartTime: time.Unix(1_700_000_000, 0).UTC()}
	if _, done, err := svc.store.EndLookup(t.Context(), &claimed[0], call, time.Hour, 0, func(*store.Routed) {}); !done || err != nil {
		t.Fatalf("EndLookup = %v, %v", done, err)
	}
	got, body = trace()
	if c := got.Parsed().Call; got.Lookup != nil || got.RoutedAt == nil || c == nil || *c != *call {
		t.Errorf("GET /api/callbacks/2 = %s, want the call, and that nothing is waited for", body)
	}
	_, list := ask(t, "GET", url+"/api/callbacks")
	for _, want := range []string{`"call_details":{"known":true,"from":"+15550100099","to":"+15550100001","direction":"inbound","start_time":"2023-11-14T22:13:20Z"}`,
		`"call_details":null`} {
		if !strings.Contains(list, want) {
			t.Errorf("GET /api/callbacks = %s, want %s", list, want)
		}
	}
}
