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
