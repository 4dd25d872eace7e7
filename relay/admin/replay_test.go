package admin_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"ringpost/relay/api"
)

func TestAReplaySaysWhatTheRulesInForceMakeOfTheLastCallbacks(t *testing.T) {
	svc, url := newAdmin(t)
	_, body := ask(t, "GET", url+"/api/replay")
	var got api.Replay
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if len(got.Callbacks) != 1 || got.Callbacks[0].Callback.Recording != "rec-1" || len(got.Callbacks[0].Messages) != 1 ||
		got.Callbacks[0].Messages[0].To != "alice@example.com" || got.Callbacks[0].Messages[0].Digest == "" {
		t.Errorf("GET /api/replay = %s, want the callback with an email to alice@example.com", body)
	}
	if strings.Contains(body, "A call was recorded") {
		t.Errorf("GET /api/replay holds what the message says: %s", body)
	}
	again := svc.plan.Outcomes(got.Callbacks[0].Callback.Parsed())
	if len(again) != 1 || again[0] != got.Callbacks[0].Messages[0] {
		t.Errorf("the callback in JSON leads to %+v, want %+v", again, got.Callbacks[0].Messages)
	}
	for _, query := range []string{"limit=0", "limit=1001", "recording=rec-1"} {
		if status, body := ask(t, "GET", url+"/api/replay?"+query); status != http.StatusBadRequest {
			t.Errorf("GET /api/replay?%s = %d %s, want 400", query, status, body)
		}
	}
}
