package callback_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"

	"ringpost/relay/callback"
)

const (
	publicURL = "https://hooks.example.com"
	signKey   = "PSK_test"
	target    = callback.Path + "?agent=alice"

	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"

	formBody = "AccountSid=b3877c40-da60&CallSid=43bb71ee-553f&RecordingSid=19e436af-5688" +
		"&RecordingUrl=https%3A%2F%2Ffiles.example.com%2F19e436af.wav" +
		"&RecordingStatus=completed&RecordingDuration=94&RecordingChannels=1&RecordingSource=RecordVerb"
	jsonBody = `{"AccountSid":"b3877c40-da60","CallSid":"43bb71ee-553f","RecordingSid":"19e436af-5688",` +
		`"RecordingUrl":"https://files.example.com/19e436af.wav","RecordingStatus":"completed",` +
		`"RecordingDuration":94,"RecordingChannels":1,"RecordingSource":"RecordVerb"}`
)

// post is a request that carries signature in header.
func post(target, contentType, body, header, signature string) *callback.Request {
	r := &callback.Request{
		Method: http.MethodPost, Target: target, ContentType: contentType, Body: []byte(body),
		Header: http.Header{},
	}
	r.Header.Set(header, signature)
	return r
}

// signed is a form that its sender signed.
func signed(t testing.TB, target, body string) *callback.Request {
	t.Helper()
	header, signature, err := callback.Sign(signKey, publicURL+target, body)
	if err != nil {
		t.Fatalf("Sign() = %v, want no error", err)
	}
	return post(target, formType, body, header, signature)
}

// receive decodes and verifies r with the test's key.
func receive(r *callback.Request) error {
	if err := r.Decode(); err != nil {
		return err
	}
	return callback.NewVerifier(publicURL, []string{signKey}).Verify(r)
}

func code(h func() hash.Hash, text string) []byte {
	mac := hmac.New(h, []byte(signKey))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func codeBase64(text string) string { return base64.StdEncoding.EncodeToString(code(sha1.New, text)) }

func TestVerifyRefusesABodyWithAnyByteChanged(t *testing.T) {
	original, err := url.ParseQuery(formBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(formBody) {
		for _, change := range []byte{0x01, 0x02, 0x10, 0x20, 0x80} {
			r := signed(t, target, formBody)
			r.Body[i] ^= change
			if changed, err := url.ParseQuery(string(r.Body)); err == nil && reflect.DeepEqual(changed, original) {
				continue // %2F and %2f are the same
			}
			if err := receive(r); err == nil {
				t.Errorf("byte %d changed: Verify(%q) = nil, want an error", i, r.Body)
			}
		}
	}
}

func TestVerifyRefusesWhatWasChanged(t *testing.T) {
	tests := []struct {
		name   string
		change func(r *callback.Request)
	}{
		{"parameter dropped", func(r *callback.Request) {
			r.Body = []byte(strings.Replace(formBody, "&RecordingChannels=1", "", 1))
		}},
		{"parameter added", func(r *callback.Request) { r.Body = append(r.Body, "&To=x"...) }},
		{"empty parameter added", func(r *callback.Request) { r.Body = append(r.Body, "&To"...) }},
		{"parameter given again", func(r *callback.Request) { r.Body = append(r.Body, "&RecordingChannels=2"...) }},
		{"parameter renamed", func(r *callback.Request) {
			r.Body = []byte(strings.Replace(formBody, "CallSid", "Callsid", 1))
		}},
		{"values swapped", func(r *callback.Request) {
			r.Body = []byte(strings.NewReplacer("=94", "=1", "=1", "=94").Replace(formBody))
		}},
		{"body dropped", func(r *callback.Request) { r.Body = nil }},
		{"query changed", func(r *callback.Request) { r.Target = callback.Path + "?agent=carol" }},
		{"query spelled otherwise", func(r *callback.Request) { r.Target = callback.Path + "?agent=%61lice" }},
		{"query added to", func(r *callback.Request) { r.Target += "&x=1" }},
		{"query dropped", func(r *callback.Request) { r.Target = callback.Path }},
		{"path changed", func(r *callback.Request) { r.Target = "/callbacks/Recording?agent=alice" }},
		{"form sent as GET", func(r *callback.Request) { r.Method = http.MethodGet }},
		{"signature dropped", func(r *callback.Request) { r.Header = http.Header{} }},
		{"signature cut off", func(r *callback.Request) {
			signature := r.Header.Get("X-SignalWire-Signature")
			r.Header.Set("X-SignalWire-Signature", signature[:len(signature)-4])
		}},
		{"signature in hex", func(r *callback.Request) {
			b, _ := base64.StdEncoding.DecodeString(r.Header.Get("X-SignalWire-Signature"))
			r.Header.Set("X-SignalWire-Signature", hex.EncodeToString(b))
		}},
		{"signature in the SHA-256 header", func(r *callback.Request) {
			r.Header.Set("X-SignalWire-SHA256-Signature", r.Header.Get("X-SignalWire-Signature"))
			r.Header.Del("X-SignalWire-Signature")
		}},
		{"signature in an unknown header", func(r *callback.Request) {
			r.Header.Set("X-Signature", r.Header.Get("X-SignalWire-Signature"))
			r.Header.Del("X-SignalWire-Signature")
		}},
		{"Twilio's header beside a wrong one of SignalWire", func(r *callback.Request) {
			r.Header.Set("X-Twilio-Signature", r.Header.Get("X-SignalWire-Signature"))
			r.Header.Set("X-SignalWire-Signature", codeBase64("something else"))
		}},
	}
	if err := receive(signed(t, target, formBody)); err != nil {
		t.Fatalf("nothing changed: Verify() = %v, want no error", err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := signed(t, target, formBody)
			test.change(r)
			if err := receive(r); err == nil {
				t.Error("Verify() = nil, want an error")
			}
		})
	}
}

func TestVerifyRefusesASignatureWithAnyCharacterChanged(t *testing.T) {
	good := signed(t, target, formBody).Header.Get("X-SignalWire-Signature")
	for i := range len(good) {
		for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") {
			changed := []byte(good)
			if changed[i] == c {
				continue
			}
			changed[i] = c
			if err := receive(post(target, formType, formBody, "X-SignalWire-Signature", string(changed))); err == nil {
				t.Errorf("Verify() with signature %q = nil, want an error; %q is right", changed, good)
			}
		}
	}
}

func TestVerifyRefusesOtherURLs(t *testing.T) {
	for _, other := range []string{
		"http://hooks.example.com", "https://hooks.example.org", "https://hooks.example.com/sub", "https://example.com", "",
	} {
		r := signed(t, target, formBody)
		if err := r.Decode(); err != nil {
			t.Fatal(err)
		}
		if err := callback.NewVerifier(other, []string{signKey}).Verify(r); err == nil {
			t.Errorf("public URL %q: Verify() = nil, want an error; %s was signed", other, publicURL)
		}
	}
}

func TestVerifyRefusesASignatureOverTheURLAloneForAForm(t *testing.T) {
	r := post(target, formType, formBody, "X-SignalWire-Signature", codeBase64(publicURL+target))
	if err := receive(r); err == nil {
		t.Error("Verify() = nil, want an error: the body is not signed")
	}
}

func TestVerifyNamesTheURLAndNoSignature(t *testing.T) {
	right := signed(t, target, formBody).Header.Get("X-SignalWire-Signature")
	for signature, missing := range map[string]bool{"": true, codeBase64("other"): false} {
		err := receive(post(target, formType, formBody, "X-SignalWire-Signature", signature))
		got, ok := errors.AsType[*callback.SignatureError](err)
		if !ok || got.Missing != missing || got.URL != publicURL+target {
			t.Errorf("signature %q: Verify() = %#v, want Missing %t, URL %s", signature, err, missing, publicURL+target)
			continue
		}
		if text := got.Error() + got.URL; strings.Contains(text, right) {
			t.Errorf("Verify() = %s, which holds the expected signature", text)
		}
	}
}

func TestVerifyAcceptsAnyOfItsKeys(t *testing.T) {
	for _, test := range []struct {
		keys []string
		want bool
	}{
		{[]string{"old", signKey}, true},
		{[]string{signKey, "new"}, true},
		{[]string{"old", "new"}, false},
		{[]string{signKey + "x"}, false},
		{[]string{""}, false},
		{nil, false},
	} {
		r := signed(t, target, formBody)
		if err := r.Decode(); err != nil {
			t.Fatal(err)
		}
		if err := callback.NewVerifier(publicURL, test.keys).Verify(r); (err == nil) != test.want {
			t.Errorf("keys %q: Verify() = %v, want accepted %t", test.keys, err, test.want)
		}
	}
}

func TestVerifyTakesAnEmptyKeyForNone(t *testing.T) {
	header, signature, err := callback.Sign("", publicURL+target, formBody)
	if err != nil {
		t.Fatal(err)
	}
	r := post(target, formType, formBody, header, signature)
	if err := r.Decode(); err != nil {
		t.Fatal(err)
	}
	if err := callback.NewVerifier(publicURL, []string{"", signKey}).Verify(r); err == nil {
		t.Error("Verify() = nil, want an error: everyone knows the empty key")
	}
}

func TestVerifyKnowsThePortsThatSendersSign(t *testing.T) {
	for _, test := range []struct {
		public, signed string
		want           bool
	}{
		{"https://a.example", "https://a.example", true},
		{"https://a.example/", "https://a.example", true},
		{"https://a.example", "https://a.example:443", true},
		{"https://a.example:443", "https://a.example", true},
		{"https://a.example:8443", "https://a.example:8443", true},
		{"https://a.example:8443", "https://a.example", true},
		{"https://a.example:8443", "https://a.example:443", true},
		{"http://a.example", "http://a.example:80", true},
		{"https://[2001:db8::1]:8443", "https://[2001:db8::1]", true},
		{"https://[2001:db8::1]", "https://[2001:db8::1]:443", true},
		{"https://a.example/proxied", "https://a.example:443/proxied", true},
		{"https://a.example", "https://a.example:8443", false},
		{"https://a.example", "https://a.example:80", false},
		{"https://a.example", "http://a.example", false},
	} {
		header, signature, err := callback.Sign(signKey, test.signed+target, formBody)
		if err != nil {
			t.Fatal(err)
		}
		r := post(target, formType, formBody, header, signature)
		if err := r.Decode(); err != nil {
			t.Fatal(err)
		}
		if err := callback.NewVerifier(test.public, []string{signKey}).Verify(r); (err == nil) != test.want {
			t.Errorf("public URL %s, signed %s: Verify() = %v, want accepted %t", test.public, test.signed, err, test.want)
		}
	}
}

func TestVerifyAcceptsBothWaysToSignARepeatedName(t *testing.T) {
	const body = "Tag=b&Other=1&Tag=a&Tag=b"
	for _, test := range []struct {
		name, fields string
		want         bool
	}{
		{"SignalWire, in wire order", "Other1TagbTagaTagb", true},
		{"Twilio, unique and sorted", "Other1TagaTagb", true},
		{"sorted", "Other1TagaTagbTagb", false},
		{"the first", "Other1Tagb", false},
		{"unsorted names", "TagbOther1TagaTagb", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := post(target, formType, body, "X-Twilio-Signature", codeBase64(publicURL+target+test.fields))
			if err := receive(r); (err == nil) != test.want {
				t.Errorf("Verify() = %v, want accepted %t", err, test.want)
			}
		})
	}
}

func TestVerifyKeepsManyRepeatedNamesInWireOrder(t *testing.T) {
	var body, fields strings.Builder
	for i := range 30 {
		fmt.Fprintf(&body, "Tag=%d&", 99-i)
		fmt.Fprintf(&fields, "Tag%d", 99-i)
	}
	body.WriteString("A=1")
	signature := codeBase64(publicURL + target + "A1" + fields.String())
	if err := receive(post(target, formType, body.String(), "X-SignalWire-Signature", signature)); err != nil {
		t.Errorf("Verify() = %v, want no error", err)
	}
}

func TestVerifyMayBeCalledAtOnce(t *testing.T) {
	verifier := callback.NewVerifier(publicURL, []string{"old", signKey})
	var all sync.WaitGroup
	for i := range 8 {
		good := i%2 == 0
		all.Go(func() {
			for range 50 {
				r := signed(t, target, formBody)
				if !good {
					r.Body[0] = 'B'
				}
				if err := r.Decode(); err != nil {
					t.Errorf("Decode() = %v, want no error", err)
				}
				if err := verifier.Verify(r); (err == nil) != good {
					t.Errorf("Verify() = %v, want accepted %t", err, good)
				}
			}
		})
	}
	all.Wait()
}
