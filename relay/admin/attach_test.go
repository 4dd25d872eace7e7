package admin_test

import (
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/store"
)

func TestWhatGoesWithAnEmailIsToldWithoutItsLink(t *testing.T) {
	svc, url := newAdmin(t)
	_, err := svc.store.Add(t.Context(), &callback.Callback{AccountSid: "a", RecordingSid: "rec-2", RecordingStatus: "completed", ReceivedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	d := &store.Delivery{Channel: "email", Kind: "email", To: "a@example.com", Text: "x", State: store.Sending,
		Attach: store.Attachment{Format: "mp3", MaxBytes: 10_000_000, Link: "https://hooks.example.com/r/0123456789A"}}
	if _, err := svc.store.Route(t.Context(), 1, time.Hour, 0, func(store.Stored) []*store.Delivery { return []*store.Delivery{d} }); err != nil {
		t.Fatal(err)
	}
	_, body := ask(t, "GET", url+"/api/deliveries/5")
	if !strings.Contains(body, `"attachment":{"format":"mp3","max_bytes":10000000,"bytes":0}`) || strings.Contains(body, "0123456789A") {
		t.Errorf("GET /api/deliveries/5 = %s, want what is to go with it, and no link", body)
	}
	if err := svc.store.Finish(t.Context(), d, store.Outcome{State: store.Delivered, LeftOut: "it is too large"}); err != nil {
		t.Fatal(err)
	}
	_, body = ask(t, "GET", url+"/api/deliveries/5")
	if !strings.Contains(body, `"attachment":{"format":"mp3","max_bytes":10000000,"bytes":0,"left_out":"it is too large"}`) ||
		!strings.Contains(body, "with a link in place of the recording: it is too large") {
		t.Errorf("GET /api/deliveries/5 = %s, want why the recording did not go with it", body)
	}
	if _, body := ask(t, "GET", url+"/api/deliveries/1"); strings.Contains(body, `"attachment"`) {
		t.Errorf("GET /api/deliveries/1 = %s, want nothing about an attachment", body)
	}
}
