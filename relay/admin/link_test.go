package admin_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/store"
)

func TestALinkIsToldOfAndRevokedAndNeverShown(t *testing.T) {
	svc, url := newAdmin(t)
	_, err := svc.store.Add(t.Context(), &callback.Callback{AccountSid: "a", RecordingSid: "rec-2", RecordingStatus: "completed", ReceivedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	d := &store.Delivery{Channel: "sms", Kind: "sms", To: "+15550100001", Text: "x", State: store.Queued,
		Link: &store.Link{Token: store.NewToken(), TTL: time.Hour}}
	if _, err := svc.store.Route(t.Context(), 1, time.Hour, 0, func(store.Stored) []*store.Delivery { return []*store.Delivery{d} }); err != nil {
		t.Fatal(err)
	}
	if err := svc.store.Opened(t.Context(), d.Link.Token); err != nil {
		t.Fatal(err)
	}
	_, body := ask(t, "GET", url+"/api/deliveries/5")
	if !strings.Contains(body, `"link":{"opens":1,"opened_at":"2`) || !strings.Contains(body, `"revoked_at":null`) || strings.Contains(body, d.Link.Token) {
		t.Errorf("GET /api/deliveries/5 = %s, want how its link stands, and not the link", body)
	}
	if _, body := ask(t, "GET", url+"/api/deliveries/1"); strings.Contains(body, `"link"`) {
		t.Errorf("GET /api/deliveries/1 = %s, want nothing about a link", body)
	}
	for range 2 {
		status, body := ask(t, "POST", url+"/api/deliveries/5/revoke")
		if status != http.StatusOK || !strings.Contains(body, `"revoked_at":"2`) || strings.Count(body, `"what":"revoked the link"`) != 1 {
			t.Errorf("revoke = %d %s, want 200, and that it was revoked once", status, body)
		}
	}
	for path, want := range map[string]int{"1": http.StatusConflict, "99": http.StatusNotFound, "x": http.StatusNotFound} {
		if status, body := ask(t, "POST", url+"/api/deliveries/"+path+"/revoke"); status != want {
			t.Errorf("revoke of %s = %d %s, want %d", path, status, body, want)
		}
	}
}
