package intake_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/intake"
)

// refused returns what was refused after so many others.
func (s *server) refused(t *testing.T, after uint64, want int) []intake.Refusal {
	t.Helper()
	list, count := s.intake.Refused(after)
	if len(list) != want || count < after+uint64(want) {
		t.Fatalf("Refused(%d) = %d requests of %d, want %d", after, len(list), count, want)
	}
	return list
}

// again reads a refused request as it was sent.
func again(t *testing.T, refusal intake.Refusal) *callback.Request {
	t.Helper()
	r, err := callback.ReadRaw(bytes.NewReader(refusal.Request))
	if err != nil {
		t.Fatalf("ReadRaw(%q): %v", refusal.Request, err)
	}
	return r
}

func TestARefusedRequestIsKeptSoThatItsSignatureCanBeVerified(t *testing.T) {
	const other = "PSK_other"
	for name, body := range map[string]string{"form": formBody, "with a line feed": formBody + "%0A\n", "json": jsonBody} {
		s := listen(t)
		target, contentType, signed := callback.Path+"?agent=alice&x=%2F", formType, body
		if name == "json" {
			target, contentType, signed = target+"&bodySHA256="+digest(body), jsonType, ""
		}
		r := request(t, http.MethodPost, s.URL, target, contentType, body)
		header, signature, err := callback.Sign(other, publicURL+target, signed)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(header, signature)
		r.Header.Set("X-Forwarded-Proto", "https")
		before := time.Now()
		if got := s.send(t, r); got.status != http.StatusForbidden {
			t.Fatalf("%s: POST = %d %q, want 403", name, got.status, got.body)
		}
		kept := s.refused(t, 0, 1)[0]
		if kept.Status != http.StatusForbidden || kept.Reason == "" || kept.At.Before(before) || kept.At.After(time.Now()) {
			t.Errorf("%s: Refused: got %d %q at %v, want 403 with a reason, just now", name, kept.Status, kept.Reason, kept.At)
		}
		req := again(t, kept)
		if req.Header.Get("Host") != r.URL.Host || req.Header.Get("X-Forwarded-Proto") != "https" || string(req.Body) != body {
			t.Errorf("%s: Refused: got %q, want it as it was sent", name, kept.Request)
		}
		if err := req.Decode(); err != nil {
			t.Errorf("%s: Decode: %v", name, err)
		}
		if err := callback.NewVerifier(publicURL, []string{other}).Verify(req); err != nil {
			t.Errorf("%s: Verify: %v, want it to be what the sender has signed: %q", name, err, kept.Request)
		}
	}
}

func TestOnlyWhatIsRefusedForWhatItSaysIsKept(t *testing.T) {
	s := listen(t)
	s.post(t, callback.Path, formType, formBody)
	s.post(t, callback.Path, formType, formBody)
	s.send(t, request(t, http.MethodPut, s.URL, callback.Path, formType, formBody))
	s.send(t, request(t, http.MethodPost, s.URL, "/other", formType, formBody))
	s.refused(t, 0, 0)
	for i, c := range []struct {
		contentType, body string
		want              int
	}{
		{formType, "AccountSid=a", http.StatusBadRequest},
		{formType, "Note=" + strings.Repeat("x", 64<<10), http.StatusRequestEntityTooLarge},
		{"text/plain", formBody, http.StatusUnsupportedMediaType},
	} {
		s.post(t, callback.Path, c.contentType, c.body)
		if kept := s.refused(t, uint64(i), 1)[0]; kept.Status != c.want || again(t, kept).Target != callback.Path {
			t.Errorf("Refused: got %d %.200q, want %d", kept.Status, kept.Request, c.want)
		}
	}
	s.refused(t, 3, 0)
}

func TestARefusedRequestIsKeptWithoutPasswords(t *testing.T) {
	s := listen(t)
	r := request(t, http.MethodPost, s.URL, callback.Path, formType, formBody)
	r.Header.Set("X-SignalWire-Signature", "wrong")
	for _, name := range []string{"Authorization", "authorization", "COOKIE", "Proxy-Authorization"} {
		r.Header.Set(name, "hunter2")
	}
	s.send(t, r)
	kept := s.refused(t, 0, 1)[0]
	if text := string(kept.Request); strings.Contains(text, "hunter2") || !strings.Contains(text, "X-Signalwire-Signature: wrong\r\n") {
		t.Errorf("Refused: got %q, want the signature and no password", text)
	}
}

func TestWhatIsKeptOfARefusedRequestIsBounded(t *testing.T) {
	s := listen(t)
	send := func(target string, headers int, body string) intake.Refusal {
		t.Helper()
		_, count := s.intake.Refused(0)
		r := request(t, http.MethodPost, s.URL, target, formType, body)
		r.Header.Set("X-SignalWire-Signature", "wrong")
		for i := range headers {
			r.Header.Set(fmt.Sprintf("A-%d", i), strings.Repeat("x", 200))
		}
		s.send(t, r)
		return s.refused(t, count, 1)[0]
	}
	for name, kept := range map[string]intake.Refusal{
		"headers": send(callback.Path, 100, formBody),
		"target":  send(callback.Path+"?"+strings.Repeat("x", 20<<10), 0, formBody),
		"both":    send(callback.Path+"?"+strings.Repeat("x", 7<<10), 100, formBody),
	} {
		head, body, _ := strings.Cut(string(kept.Request), "\r\n\r\n")
		if len(head) > 8<<10 || body != formBody || !strings.Contains(head, "X-Signalwire-Signature: wrong") ||
			!strings.Contains(kept.Reason, "without all of its headers") {
			t.Errorf("%s: Refused: got %d bytes of headers and %q because %q, want at most 8 KB with the signature, and the body",
				name, len(head), body, kept.Reason)
		}
		again(t, kept)
	}
	for range 40 {
		send(callback.Path, 0, "Note="+strings.Repeat("x", 60<<10))
	}
	list, count := s.intake.Refused(0)
	bytes := 0
	for _, kept := range list {
		bytes += len(kept.Request)
	}
	if bytes > 1<<20 || bytes < 900<<10 || count != 43 {
		t.Errorf("Refused: got %d bytes of %d requests, want about 1 MB of 43", bytes, count)
	}
}

func TestTheLastHundredRefusedRequestsAreKept(t *testing.T) {
	s := listen(t)
	for i := range 130 {
		s.post(t, callback.Path, formType, fmt.Sprint("Number=", i))
	}
	list := s.refused(t, 0, 100)
	if got := string(again(t, list[0]).Body) + " " + string(again(t, list[99]).Body); got != "Number=30 Number=129" {
		t.Errorf("Refused: got %s, want those from 30 to 129", got)
	}
	if got := s.refused(t, 127, 3); !slices.EqualFunc(got, list[97:], func(a, b intake.Refusal) bool { return a.At.Equal(b.At) }) {
		t.Errorf("Refused(127): got %v, want the last three", got)
	}
	s.refused(t, 130, 0)
}
