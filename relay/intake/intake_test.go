package intake_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"ringpost/relay/callback"
	"ringpost/relay/intake"
)

const (
	publicURL = "https://hooks.example.com"
	signKey   = "PSK_test"
	space     = "example.signalwire.com"

	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
	formBody = "AccountSid=b3877c40&CallSid=43bb71ee&RecordingSid=19e436af&RecordingStatus=completed" +
		"&RecordingUrl=https%3A%2F%2Ffiles.example.com%2F19e436af.wav&RecordingDuration=94&RecordingSource=DialVerb"
	jsonBody = `{"AccountSid":"b3877c40","RecordingSid":"19e436af","RecordingStatus":"completed",` +
		`"RecordingUrl":"/r/19e436af","RecordingDuration":94}`
)

// memory is a store that remembers, and that fails on demand.
type memory struct {
	mu    sync.Mutex
	err   error
	added []*callback.Callback
}

func (m *memory) Add(_ context.Context, cb *callback.Callback) (stored bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return false, m.err
	}
	for _, earlier := range m.added {
		if identity(earlier) == identity(cb) {
			return false, nil
		}
	}
	m.added = append(m.added, cb)
	return true, nil
}

func (m *memory) all() []*callback.Callback {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.added
}

func identity(cb *callback.Callback) [3]string {
	return [3]string{cb.AccountSid, cb.RecordingSid, cb.RecordingStatus}
}

// journal is what the intake logs and counts.
type journal struct {
	mu     sync.Mutex
	log    bytes.Buffer
	counts []string
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.log.Write(p)
}

func (j *journal) count(status string, result intake.Result) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts = append(j.counts, status+" "+string(result))
}

func (j *journal) logged() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.log.String()
}

func (j *journal) counted() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.counts, ", ")
}

// server is an intake that listens.
type server struct {
	*httptest.Server
	intake  *intake.Intake
	store   memory
	journal journal
}

func listen(t *testing.T) *server {
	t.Helper()
	s := new(server)
	senders := intake.Senders{Verifier: callback.NewVerifier(publicURL, []string{signKey}), Space: space}
	log := slog.New(slog.NewTextHandler(&s.journal, &slog.HandlerOptions{Level: slog.LevelInfo}))
	s.intake = intake.New(senders, &s.store, s.journal.count, log)
	s.Server = httptest.NewServer(s.intake)
	t.Cleanup(s.Close)
	return s
}

// request is a signed one; the body of a form is signed with it.
func request(t testing.TB, method, base, target, contentType, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, base+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	signedBody := body
	if contentType == jsonType {
		signedBody = ""
	}
	if header, signature, err := callback.Sign(signKey, publicURL+target, signedBody); err == nil {
		r.Header.Set(header, signature)
	}
	return r
}

func digest(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (s *server) send(t *testing.T, r *http.Request) answer {
	t.Helper()
	response, err := s.Client().Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

func (s *server) post(t *testing.T, target, contentType, body string) answer {
	t.Helper()
	return s.send(t, request(t, http.MethodPost, s.URL, target, contentType, body))
}

func TestACallbackIsStoredBeforeItIsAnswered(t *testing.T) {
	for _, test := range []struct {
		name, method, target, contentType, body, recordingURL string
	}{
		{"form", http.MethodPost, callback.Path, formType, formBody, "https://files.example.com/19e436af.wav"},
		{"form with a query", http.MethodPost, callback.Path + "?agent=alice&x=%2f", formType, formBody,
			"https://files.example.com/19e436af.wav"},
		{"JSON", http.MethodPost, callback.Path + "?bodySHA256=" + digest(jsonBody), jsonType, jsonBody, "https://" + space + "/r/19e436af"},
		{"GET", http.MethodGet, callback.Path + "?" + formBody, "", "", "https://files.example.com/19e436af.wav"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := listen(t)
			got := s.send(t, request(t, test.method, s.URL, test.target, test.contentType, test.body))
			if got.status != http.StatusOK {
				t.Fatalf("%s %s = %d %q, want 200", test.method, test.target, got.status, got.body)
			}
			stored := s.store.all()
			if len(stored) != 1 || stored[0].RecordingUrl != test.recordingURL {
				t.Errorf("stored %+v, want one callback with URL %s", stored, test.recordingURL)
			}
			if got, want := s.journal.counted(), "completed stored"; got != want {
				t.Errorf("counted %q, want %q", got, want)
			}
			log := s.journal.logged()
			if strings.Count(log, "callback stored") != 1 || !strings.Contains(log, "recording=19e436af") {
				t.Errorf("logged %q, want one line that names the recording", log)
			}
			if strings.Contains(log, "19e436af.wav") || strings.Contains(log, "/r/") {
				t.Errorf("logged %q, which holds the recording's URL", log)
			}
		})
	}
}

func TestARepeatedCallbackIsAnsweredLikeTheFirst(t *testing.T) {
	s := listen(t)
	for range 3 {
		if got := s.post(t, callback.Path, formType, formBody); got.status != http.StatusOK {
			t.Fatalf("POST = %d %q, want 200", got.status, got.body)
		}
	}
	if n := len(s.store.all()); n != 1 {
		t.Errorf("%d callbacks stored, want 1", n)
	}
	if got, want := s.journal.counted(), "completed stored, completed duplicate, completed duplicate"; got != want {
		t.Errorf("counted %q, want %q", got, want)
	}
}

func TestALargeBodyWithinTheBoundIsStored(t *testing.T) {
	s := listen(t)
	body := formBody + "&Note="
	body += strings.Repeat("x", 64<<10-len(body))
	if got := s.post(t, callback.Path, formType, body); got.status != http.StatusOK {
		t.Errorf("POST of 64 KiB = %d %q, want 200", got.status, got.body)
	}
}

func TestAStoreThatFailsIsNoSuccess(t *testing.T) {
	s := listen(t)
	s.store.err = errors.New("disk full")
	got := s.post(t, callback.Path, formType, formBody)
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("POST = %d %q, Retry-After %q, want 503 with Retry-After", got.status, got.body, got.header.Get("Retry-After"))
	}
	if strings.Contains(got.body, "disk") || !strings.Contains(s.journal.logged(), "disk full") {
		t.Errorf("answered %q, logged %q, want the reason in the log alone", got.body, s.journal.logged())
	}
	if got, want := s.journal.counted(), "completed error"; got != want {
		t.Errorf("counted %q, want %q", got, want)
	}
}

func TestAnUnknownFieldIsLoggedOnce(t *testing.T) {
	s := listen(t)
	for i := range 3 {
		body := strings.Replace(formBody, "19e436af", fmt.Sprintf("r%d", i), 1) + "&RecordingTrack=private"
		if got := s.post(t, callback.Path, formType, body); got.status != http.StatusOK {
			t.Fatalf("POST = %d %q, want 200", got.status, got.body)
		}
	}
	log := s.journal.logged()
	if n := strings.Count(log, "field=RecordingTrack"); n != 1 || strings.Contains(log, "private") {
		t.Errorf("logged %q, want the field's name once, and no value", log)
	}
}

func TestTheLogRemembersABoundedNumberOfFieldNames(t *testing.T) {
	s := listen(t)
	for i := range 3 {
		body := strings.Replace(formBody, "19e436af", fmt.Sprintf("r%d", i), 1)
		for j := range 100 {
			body += fmt.Sprintf("&F%d-%d=x", i, j)
		}
		if got := s.post(t, callback.Path, formType, body); got.status != http.StatusOK {
			t.Fatalf("POST = %d %q, want 200", got.status, got.body)
		}
	}
	if n := strings.Count(s.journal.logged(), "field=F"); n != 100 {
		t.Errorf("%d field names logged, want 100", n)
	}
}

func TestAcceptPutsOtherSendersInPlace(t *testing.T) {
	s := listen(t)
	s.intake.Accept(intake.Senders{Verifier: callback.NewVerifier(publicURL, []string{"new"}), Space: space})
	if got := s.post(t, callback.Path, formType, formBody); got.status != http.StatusForbidden {
		t.Errorf("POST signed with the old key = %d %q, want 403", got.status, got.body)
	}
	s.intake.Accept(intake.Senders{Space: space})
	r := request(t, http.MethodPost, s.URL, callback.Path, formType, formBody)
	r.Header.Del("X-SignalWire-Signature")
	if got := s.send(t, r); got.status != http.StatusOK {
		t.Errorf("unsigned POST where none must be signed = %d %q, want 200", got.status, got.body)
	}
}
