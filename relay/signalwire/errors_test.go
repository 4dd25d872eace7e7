package signalwire_test

import (
	"testing"

	"ringpost/relay/signalwire"
)

func TestAnErrorSaysInPlainWordsWhatItsCodeMeans(t *testing.T) {
	for _, test := range []struct {
		err  signalwire.Error
		want string
	}{
		{signalwire.Error{Status: 400, Code: 21610, Message: "blacklist rule"},
			"the recipient has opted out of SMS (answered STOP): HTTP status 400, code 21610: blacklist rule"},
		{signalwire.Error{Status: 401, Code: 20003}, "the project or the token is wrong: HTTP status 401, code 20003"},
		{signalwire.Error{Status: 400, Code: 99999, Message: "what"}, "HTTP status 400, code 99999: what"},
		{signalwire.Error{Status: 502}, "HTTP status 502"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("Error() = %s\nwant %s", got, test.want)
		}
	}
}

func TestUndeliveredSaysWhyInPlainWords(t *testing.T) {
	for _, test := range []struct {
		status string
		code   int
		want   string
	}{
		{"undelivered", 30003, "the carrier did not deliver it: the phone is switched off or out of reach (code 30003)"},
		{"failed", 21610, "the provider could not pass it on: the recipient has opted out of SMS (answered STOP) (code 21610)"},
		{"undelivered", 39999, "the carrier did not deliver it: code 39999"},
		{"undelivered", 0, "the carrier did not deliver it, and gave no reason"},
	} {
		if got := signalwire.Undelivered(test.status, test.code); got != test.want {
			t.Errorf("Undelivered(%s, %d) = %q, want %q", test.status, test.code, got, test.want)
		}
	}
}
