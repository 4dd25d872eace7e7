package intake_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"ringpost/relay/callback"
)

func TestOtherRequestsAreRefused(t *testing.T) {
	over := "Note=" + strings.Repeat("x", 64<<10)
	for _, test := range []struct {
		name, method, target, contentType, body string
		want                                    int
	}{
		{"large body", http.MethodPost, callback.Path, formType, over, 413},
		{"text", http.MethodPost, callback.Path, "text/plain", formBody, 415},
		{"multipart", http.MethodPost, callback.Path, "multipart/form-data; boundary=x", formBody, 415},
		{"no content type", http.MethodPost, callback.Path, "", formBody, 415},
		{"PUT", http.MethodPut, callback.Path, formType, formBody, 405},
		{"DELETE", http.MethodDelete, callback.Path, "", "", 405},
		{"HEAD", http.MethodHead, callback.Path + "?" + formBody, "", "", 405},
		{"OPTIONS", http.MethodOptions, callback.Path, "", "", 405},
		{"root", http.MethodPost, "/", formType, formBody, 404},
		{"other path", http.MethodPost, "/callbacks", formType, formBody, 404},
		{"path below", http.MethodPost, callback.Path + "/x", formType, formBody, 404},
		{"trailing slash", http.MethodPost, callback.Path + "/", formType, formBody, 404},
		{"two slashes", http.MethodPost, "/callbacks//recording", formType, formBody, 404},
		{"dots", http.MethodPost, "/callbacks/./recording", formType, formBody, 404},
		{"upper case", http.MethodPost, "/Callbacks/Recording", formType, formBody, 404},
		{"escaped letter", http.MethodPost, "/callbacks/%72ecording", formType, formBody, 404},
		{"escaped slash", http.MethodPost, "/callbacks%2Frecording", formType, formBody, 404},
		{"other path by other method", http.MethodPut, "/callbacks", formType, formBody, 404},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := listen(t)
			got := s.send(t, request(t, test.method, s.URL, test.target, test.contentType, test.body))
			if got.status != test.want {
				t.Errorf("%s %s = %d %q, want %d", test.method, test.target, got.status, got.body, test.want)
			}
			if allow := got.header.Get("Allow"); test.want == 405 && allow != "GET, POST" {
				t.Errorf("Allow = %q, want GET, POST", allow)
			}
			if n := len(s.store.all()); n != 0 {
				t.Errorf("%d callbacks stored, want none", n)
			}
			if strings.Contains(s.journal.logged(), "files.example.com") {
				t.Errorf("logged %q, which holds the recording's URL", s.journal.logged())
			}
		})
	}
}

func TestABodyOfUnknownLengthIsBounded(t *testing.T) {
	s := listen(t)
	r := request(t, http.MethodPost, s.URL, callback.Path, formType, "")
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", 70_000))), -1
	if got := s.send(t, r); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("POST of 70 kB in chunks = %d %q, want 413", got.status, got.body)
	}
	if got, want := s.journal.counted(), "unknown invalid"; got != want {
		t.Errorf("counted %q, want %q", got, want)
	}
}

func TestABadSignatureIsRefusedAndLoggedWithItsURL(t *testing.T) {
	const target = callback.Path + "?agent=alice"
	for name, spoil := range map[string]func(r *http.Request){
		"missing": func(r *http.Request) { r.Header.Del("X-SignalWire-Signature") },
		"wrong":   func(r *http.Request) { r.Header.Set("X-SignalWire-Signature", "PA0zG5L4AigGNiwS62WBJMTzgic=") },
		"garbage": func(r *http.Request) { r.Header.Set("X-SignalWire-Signature", "?\"x\\n") },
	} {
		t.Run(name, func(t *testing.T) {
			s := listen(t)
			r := request(t, http.MethodPost, s.URL, target, formType, formBody)
			right := r.Header.Get("X-SignalWire-Signature")
			spoil(r)
			got := s.send(t, r)
			if got.status != http.StatusForbidden {
				t.Errorf("POST = %d %q, want 403", got.status, got.body)
			}
			log := s.journal.logged()
			if strings.Count(log, "\n") != 1 || !strings.Contains(log, publicURL+target) {
				t.Errorf("logged %q, want one line with %s", log, publicURL+target)
			}
			if strings.Contains(log+got.body, right) || strings.Contains(log+got.body, signKey) {
				t.Errorf("logged %q, answered %q, which hold the signature or the key", log, got.body)
			}
			if got, want := s.journal.counted(), "unknown bad_signature"; got != want {
				t.Errorf("counted %q, want %q", got, want)
			}
			if n := len(s.store.all()); n != 0 {
				t.Errorf("%d callbacks stored, want none", n)
			}
		})
	}
}

func TestTheLoggedURLHoldsNoNumberAndNoRecording(t *testing.T) {
	s := listen(t)
	target := callback.Path + "?agent=alice&to=%2B15550100001&+15550100002&" + formBody
	r := request(t, http.MethodGet, s.URL, target, "", "")
	r.Header.Del("X-SignalWire-Signature")
	if got := s.send(t, r); got.status != http.StatusForbidden {
		t.Errorf("GET = %d %q, want 403", got.status, got.body)
	}
	log := s.journal.logged()
	for _, private := range []string{"5550100001", "5550100002", "files.example.com"} {
		if strings.Contains(log, private) {
			t.Errorf("logged %q, which holds %s", log, private)
		}
	}
	for _, wanted := range []string{publicURL + callback.Path + "?agent=alice&to=…&…&", "RecordingStatus=completed", "RecordingUrl=…"} {
		if !strings.Contains(log, wanted) {
			t.Errorf("logged %q, want it to hold %s", log, wanted)
		}
	}
}

func TestWhatIsNoRecordingCallbackIsRefusedWithTheFieldsName(t *testing.T) {
	for _, test := range []struct{ name, from, to, field string }{
		{"field missing", "RecordingSid=19e436af&", "", "RecordingSid"},
		{"unknown status", "completed", "finished", "RecordingStatus"},
		{"duration no number", "=94", "=long", "RecordingDuration"},
		{"URL not http", "https%3A", "ftp%3A", "RecordingUrl"},
		{"completed without URL", "https%3A%2F%2Ffiles.example.com%2F19e436af.wav", "", "RecordingUrl"},
		{"not decodable", "=94", "=%zz", "body"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := listen(t)
			got := s.post(t, callback.Path, formType, strings.Replace(formBody, test.from, test.to, 1))
			if got.status != http.StatusBadRequest || !strings.HasPrefix(got.body, test.field+": ") {
				t.Errorf("POST = %d %q, want 400 naming %s", got.status, got.body, test.field)
			}
			if log := s.journal.logged(); strings.Count(log, "\n") != 1 || !strings.Contains(log, test.field) {
				t.Errorf("logged %q, want one line naming %s", log, test.field)
			}
			if got, want := s.journal.counted(), "unknown invalid"; got != want {
				t.Errorf("counted %q, want %q", got, want)
			}
			if n := len(s.store.all()); n != 0 {
				t.Errorf("%d callbacks stored, want none", n)
			}
		})
	}
}
