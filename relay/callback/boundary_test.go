package callback_test

import (
	"iter"
	"net/url"
	"strings"
	"testing"

	"ringpost/relay/callback"
)

// field is one parameter of a form.
type field struct{ name, value string }

// sorted are the parameters of a form in the order in which they are signed.
func sorted(t *testing.T, body string) []field {
	t.Helper()
	encoded, err := url.ParseQuery(body)
	if err != nil {
		t.Fatal(err)
	}
	var fields []field
	for pair := range strings.SplitSeq(encoded.Encode(), "&") { // sorted by name
		name, _, _ := strings.Cut(pair, "=")
		fields = append(fields, field{name, encoded.Get(name)})
	}
	return fields
}

func encode(fields []field) string {
	var b strings.Builder
	for _, f := range fields {
		b.WriteString("&" + url.QueryEscape(f.name) + "=" + url.QueryEscape(f.value))
	}
	return strings.TrimPrefix(b.String(), "&")
}

// regrouped yields the other forms that sign like fields, where up to three
// neighbours from an id on become one or two parameters.
func regrouped(fields []field) iter.Seq[[]field] {
	return func(yield func([]field) bool) {
		for i, f := range fields {
			if !strings.HasSuffix(f.name, "Sid") {
				continue
			}
			for j := i + 1; j <= min(i+3, len(fields)); j++ {
				var text string
				for _, f := range fields[i:j] {
					text += f.name + f.value
				}
				for group := range groups(text, len(f.name)) {
					form := append(append(append([]field(nil), fields[:i]...), group...), fields[j:]...)
					if inOrder(form) && !yield(form) {
						return
					}
				}
			}
		}
	}
}

// groups yields text as one parameter with any name, and as two, the first of
// which has a name of the given length.
func groups(text string, name int) iter.Seq[[]field] {
	return func(yield func([]field) bool) {
		for a := range len(text) + 1 {
			if !yield([]field{{text[:a], text[a:]}}) {
				return
			}
		}
		for b := name; b <= len(text); b++ {
			for c := b; c <= len(text); c++ {
				if !yield([]field{{text[:name], text[name:b]}, {text[b:c], text[c:]}}) {
					return
				}
			}
		}
	}
}

func inOrder(fields []field) bool {
	for i := 1; i < len(fields); i++ {
		if fields[i].name < fields[i-1].name {
			return false
		}
	}
	return true
}

// Whoever has seen one signed callback must not be able to make another of it.
func TestParseTakesNoMovedBoundaryForAnotherRecording(t *testing.T) {
	const twilio = "AccountSid=ACb3877c40da604998&CallSid=CA43bb71ee553f4074&RecordingSid=REae436af56884307" +
		"&RecordingUrl=https%3A%2F%2Fapi.twilio.com%2FREae436af56884307" +
		"&RecordingStatus=completed&RecordingDuration=94&RecordingChannels=1&RecordingSource=DialVerb"
	for name, body := range map[string]string{
		"SignalWire":             formBody,
		"Twilio":                 twilio,
		"Twilio's with digits":   strings.NewReplacer("ACb", "AC1", "REa", "RE1").Replace(twilio),
		"with a version":         formBody + "&ApiVersion=2010-04-01",
		"of a conference":        strings.Replace(formBody, "CallSid", "ConferenceSid", 1),
		"without a call":         strings.Replace(formBody, "CallSid=43bb71ee-553f&", "", 1),
		"with an error's number": strings.Replace(formBody, "CallSid=43bb71ee-553f", "ErrorCode=0", 1),
	} {
		t.Run(name, func(t *testing.T) {
			original, err := parseForm(body)
			if err != nil {
				t.Fatalf("Parse() = %v, want no error", err)
			}
			forged := 0
			for form := range regrouped(sorted(t, body)) {
				r := signed(t, target, body)
				r.Body = []byte(encode(form))
				if err := receive(r); err != nil {
					t.Fatalf("Verify(%s) = %v, want no error: the same bytes are signed", r.Body, err)
				}
				forged++
				cb, err := r.Parse(space, received)
				if err == nil && identity(cb) != identity(original) {
					t.Errorf("Parse(%s) = %+v, want an error or recording %v", r.Body, cb, identity(original))
				}
			}
			if forged < 100 {
				t.Errorf("%d forms verify like the original; that is too few for a test", forged)
			}
		})
	}
}

func identity(cb *callback.Callback) [3]string {
	return [3]string{cb.AccountSid, cb.RecordingSid, cb.RecordingStatus}
}

func TestParseRefusesAMovedBoundary(t *testing.T) {
	for _, test := range []struct{ from, to, dropped string }{
		{"RecordingStatus=completed", "RecordingStatu=scompleted", ""},
		{"RecordingStatus=completed", "RecordingStatusc=ompleted", ""},
		{"AccountSid=b3877c40-da60", "AccountSid=b3877c40-da60CallSid43bb71ee-553f", "CallSid=43bb71ee-553f"},
		{"CallSid=43bb71ee-553f", "CallSid=43bb71ee-553fRecordingChannels1", "RecordingChannels=1"},
		{"RecordingSid=19e436af-5688", "RecordingSid=19e436af-5688RecordingSourceRecordVerb", "RecordingSource=RecordVerb"},
	} {
		r := signed(t, target, formBody)
		body := strings.Replace(formBody, "&"+test.dropped, "", min(len(test.dropped), 1))
		r.Body = []byte(strings.Replace(body, test.from, test.to, 1))
		if err := receive(r); err != nil {
			t.Fatalf("%s: Verify() = %v, want no error: the same bytes are signed", test.to, err)
		}
		if cb, err := r.Parse(space, received); err == nil {
			t.Errorf("%s: Parse() = %+v, want an error", test.to, cb)
		}
	}
}
