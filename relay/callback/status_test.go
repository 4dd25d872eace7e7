package callback_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
)

func TestOwnStatusesAreRefusedFromOutside(t *testing.T) {
	for _, status := range []string{callback.Missing, callback.Undelivered, "Missing", "UNDELIVERED"} {
		r := callback.Request{Method: http.MethodPost, Target: callback.Path, ContentType: "application/x-www-form-urlencoded",
			Body: []byte("AccountSid=AC1&RecordingSid=RE1&RecordingStatus=" + status)}
		if err := r.Decode(); err != nil {
			t.Fatal(err)
		}
		_, err := r.Parse("", time.Now())
		e, ok := errors.AsType[*callback.FieldError](err)
		if !ok || e.Field != "RecordingStatus" || strings.Contains(e.Reason, callback.Missing) {
			t.Errorf("a request with the status %s: Parse() = %v, want that the status is none of the sender's", status, err)
		}
		fields := map[string]string{"AccountSid": "AC1", "RecordingSid": "RE1", "RecordingStatus": status}
		if cb, err := callback.New(fields, nil, "", time.Now()); err != nil || cb.RecordingStatus != strings.ToLower(status) {
			t.Errorf("New() with the status %s = %+v, %v; want a callback", status, cb, err)
		}
	}
}

func TestFinalStatusesAreThoseOfRecordingsThatEnded(t *testing.T) {
	for _, status := range callback.AllStatuses {
		want := status == "completed" || status == "absent" || status == "failed"
		if callback.Final(status) != want {
			t.Errorf("Final(%s) = %v, want %v", status, !want, want)
		}
	}
}
