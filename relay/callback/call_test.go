package callback_test

import (
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
)

func TestACallIsMadeOfItsFields(t *testing.T) {
	got, err := callback.NewCall(map[string]string{"From": "+15550100002", "To": "sip:alice@example.com", "Direction": "inbound",
		"StartTime": "2026-11-24T16:09:26+01:00"})
	want := callback.Call{Known: true, From: "+15550100002", To: "sip:alice@example.com", Direction: "inbound",
		StartTime: time.Date(2026, time.November, 24, 15, 9, 26, 0, time.UTC)}
	if err != nil || *got != want {
		t.Errorf("NewCall = %+v, %v, want %+v", got, err, want)
	}
}

func TestWhatIsNoCallSaysWhy(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"Form", "+1", "Form: there is no such field of a call (have Direction, From, StartTime, To)"},
		{"From", strings.Repeat("1", 257), "From: longer than 256 bytes"},
		{"To", "+1\n", "To: holds what does not print"},
		{"To", "\xff", "To: holds what does not print"},
		{"Direction", strings.Repeat("x", 65), "Direction: longer than 64 bytes"},
		{"StartTime", "yesterday", "StartTime: want a time such as 2006-01-02T15:04:05Z"},
		{"StartTime", "0000-01-01T00:00:00+23:00", "StartTime: in no year of telephones"},
	} {
		if got, err := callback.NewCall(map[string]string{test.name: test.value}); err == nil || err.Error() != test.want {
			t.Errorf("NewCall of %s=%q = %+v, %v, want %s", test.name, test.value, got, err, test.want)
		}
	}
}
