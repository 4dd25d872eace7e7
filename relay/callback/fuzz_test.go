package callback_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"ringpost/relay/callback"
)

// FuzzParse reads whatever comes in: what Parse accepts is what [callback.Callback] promises.
func FuzzParse(f *testing.F) {
	for _, v := range vectors(f) {
		r := v.request(f)
		f.Add(r.Method == http.MethodGet, r.Target, r.ContentType, v.Body)
	}
	f.Add(false, target, jsonType, jsonBody)
	f.Add(false, callback.Path, jsonType, `{"a":{"b":[1,null]},"c":"\ud800","d":1e9,"e":false}`)
	f.Add(false, callback.Path, formType+"; charset=utf-8", formBody+"&Tag=a&Tag=b&&=&x")
	f.Add(true, callback.Path+"?"+formBody+"&RecordingUrl=/x", "", "")
	f.Fuzz(func(t *testing.T, get bool, target, contentType, body string) {
		method := http.MethodPost
		if get {
			method = http.MethodGet
		}
		cb, err := parse(method, target, contentType, body)
		if err != nil {
			return
		}
		for name, id := range map[string]string{"AccountSid": cb.AccountSid, "RecordingSid": cb.RecordingSid, "CallSid": cb.CallSid} {
			if id == "" && name != "CallSid" || len(id) > 128 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
				t.Errorf("%s = %q, want an id", name, id)
			}
		}
		if !slices.Contains(callback.Statuses, cb.RecordingStatus) {
			t.Errorf("RecordingStatus = %q, want one of %q", cb.RecordingStatus, callback.Statuses)
		}
		if cb.RecordingDuration < 0 || cb.RecordingDuration > 10*366*24*3600 {
			t.Errorf("RecordingDuration = %d, want what a call can last", cb.RecordingDuration)
		}
		if cb.RecordingUrl != "" || cb.RecordingStatus == "completed" {
			u, err := url.Parse(cb.RecordingUrl)
			if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
				t.Errorf("RecordingUrl = %q, want an absolute http(s) URL: %v", cb.RecordingUrl, err)
			}
		}
		texts := []string{cb.RecordingUrl, cb.RecordingSource, cb.RecordingChannels}
		for _, m := range []map[string]string{cb.Fields, cb.Query} {
			for name, value := range m {
				texts = append(texts, name, value)
			}
		}
		for _, text := range texts {
			if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
				t.Errorf("%q is no text that a database keeps", text)
			}
		}
	})
}

// FuzzVerify signs whatever comes in: only the right key verifies it.
func FuzzVerify(f *testing.F) {
	f.Add("PSK_other", callback.Path, formBody)
	f.Add(signKey+"x", target, formBody+"&Tag=b&Tag=a&Tag=b")
	f.Add("", target, "")
	f.Add("PSK_other", callback.Path+"?a=%zz", "%41=%42&=&&c")
	f.Fuzz(func(t *testing.T, otherKey, target, body string) {
		if strings.TrimRight(otherKey, "\x00") == signKey {
			return // HMAC fills keys up with zeros
		}
		for key, want := range map[string]bool{signKey: true, otherKey: false} {
			header, signature, err := callback.Sign(key, publicURL+target, body)
			if err != nil {
				continue
			}
			r := post(target, formType, body, header, signature)
			if r.Decode() != nil {
				continue
			}
			if err := callback.NewVerifier(publicURL, []string{signKey}).Verify(r); (err == nil) != want {
				t.Errorf("signed with %q: Verify() = %v, want accepted %t", key, err, want)
			}
		}
	})
}
