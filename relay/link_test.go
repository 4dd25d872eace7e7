package relay_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"ringpost/relay/peers"
	"ringpost/relay/store/storetest"
)

const linkedRules = `
[[rule]]
name = "agents get a link to their own calls"
status = "completed"
send = [{ via = "sms", to = ["+15550100001"], template = "link" }]
`

// eachStore runs test with a service on each kind of store.
func eachStore(t *testing.T, rules string, test func(t *testing.T, s *scenario)) {
	t.Helper()
	for name, location := range map[string]string{"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "ringpost.db"), "postgres": ""} {
		t.Run(name, func(t *testing.T) {
			if location == "" {
				location = storetest.Postgres(t)
			}
			test(t, newScenario(t, &txtar.Archive{Files: []txtar.File{{Name: "ringpost.toml", Data: []byte(rules)}}}, location))
		})
	}
}

var linkInSMS = regexp.MustCompile(`https://hooks\.example\.com(/r/[0-9A-Za-z]{11})$`)

// link waits for the n-th SMS and returns the path of the link in it.
func (s *scenario) link(n int) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	all, err := s.api.Wait(ctx, n)
	if err != nil {
		s.t.Fatal(err)
	}
	found := linkInSMS.FindStringSubmatch(all[n-1].Body)
	if found == nil {
		s.t.Fatalf("the SMS says %q, want a link in it", all[n-1].Body)
	}
	return found[1]
}

// open asks the callbacks' listener for a path, as whoever has a link does.
func (s *scenario) open(path string, headers ...string) (*http.Response, string) {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+s.service.CallbacksAddr()+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, string(body)
}

func TestTheLinkInAnSMSPlaysAProtectedRecordingUntilItIsRevoked(t *testing.T) {
	eachStore(t, linkedRules, func(t *testing.T, s *scenario) {
		s.api.Record("rec-1", 94*time.Second)
		if resp, err := http.Get(s.api.RecordingURL("rec-1")); err != nil || resp.StatusCode != http.StatusUnauthorized {
			t.Fatalf("the provider answers strangers with %v, %v, want 401", resp, err)
		}
		s.post("form RecordingStatus=completed RecordingUrl=" + s.api.RecordingURL("rec-1") + " => 200")
		path := s.link(1)

		page, body := s.open(path)
		if page.StatusCode != http.StatusOK || !strings.Contains(body, strings.TrimPrefix(path, "/r/")+"/audio") {
			t.Errorf("the page = %s %s, want it with the audio", page.Status, body)
		}
		whole, audio := s.open(path + "/audio")
		if whole.StatusCode != http.StatusOK || whole.Header.Get("Content-Type") != "audio/mpeg" || whole.Header.Get("Accept-Ranges") != "bytes" {
			t.Errorf("the audio = %s %v, want it whole", whole.Status, whole.Header)
		}
		part, some := s.open(path+"/audio", "Range", "bytes=1000-1999")
		if want := fmt.Sprintf("bytes 1000-1999/%d", len(audio)); part.StatusCode != http.StatusPartialContent || part.Header.Get("Content-Range") != want ||
			len(audio) < 2000 || some != audio[1000:2000] {
			t.Errorf("a part = %s %v and %d bytes, want %s", part.Status, part.Header, len(some), want)
		}
		for _, answer := range []*http.Response{page, whole, part} {
			if text := fmt.Sprint(answer.Header, body); strings.Contains(text, strings.TrimPrefix(s.api.URL, "http://")) || strings.Contains(text, "Recordings") {
				t.Errorf("the provider's address is told: %s", text)
			}
		}

		s.post("form RecordingStatus=completed RecordingSid=gone RecordingUrl=" + s.api.RecordingURL("gone") + " => 200")
		if gone, body := s.open(s.link(2) + "/audio"); gone.StatusCode != http.StatusNotFound || body != "There is no such recording any more.\n" {
			t.Errorf("one that the provider has no longer = %s %q, want 404", gone.Status, body)
		}

		if err := s.service.Revoke(t.Context(), 1, "kim"); err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{path, path + "/audio"} {
			if resp, body := s.open(p); resp.StatusCode != http.StatusNotFound || strings.Contains(body, "revoked") {
				t.Errorf("after it is revoked %s = %s %s, want 404 without a reason", p, resp.Status, body)
			}
		}
		s.settle()
		if l, err := s.look().Link(t.Context(), 1); err != nil || l.Opens != 1 || l.RevokedAt.IsZero() {
			t.Errorf("Link() = %+v, %v, want it opened once, and revoked", l, err)
		}
	})
}

// Whoever may post callbacks must not reach what this machine can reach.
func TestLinksToElsewhereAreRefusedAndLogged(t *testing.T) {
	eachStore(t, linkedRules, func(t *testing.T, s *scenario) {
		sentOn := peers.Hook(func(_ context.Context, step peers.Step, subject string) error {
			if to, ok := strings.CutPrefix(subject, "to-"); ok && step == peers.FetchRecording {
				return &peers.SentOn{URL: "https://" + to + "/private-id"}
			}
			return nil
		})
		s.trouble.Store(&sentOn)
		for i, url := range []string{
			"https://evil.example/private-id",
			"https://169.254.169.254/private-id",
			"https://10.1.2.3/private-id",
			"http://127.0.0.1:1/private-id",
			s.api.RecordingURL("to-10.1.2.3"),
			s.api.RecordingURL("to-169.254.169.254"),
			s.api.RecordingURL("to-evil.example"),
		} {
			before := len(s.log.String())
			s.post(fmt.Sprintf("form RecordingStatus=completed RecordingSid=rec-%d RecordingUrl=%s => 200", i, url))
			resp, body := s.open(s.link(i+1) + "/audio")
			if resp.StatusCode != http.StatusBadGateway || body != "The recording cannot be played at the moment: try again later.\n" {
				t.Errorf("%s = %s %q, want 502 and no reason", url, resp.Status, body)
			}
			said := s.log.String()[before:]
			if !strings.Contains(said, "level=WARN") || !strings.Contains(said, "recording not fetched") || !strings.Contains(said, "allow_hosts of [links] only") &&
				!strings.Contains(said, "by https from the usual port only") {
				t.Errorf("%s is logged as %q, want why it is refused", url, said)
			}
			for _, where := range []string{said, body, fmt.Sprint(resp.Header)} {
				if strings.Contains(where, "private-id") || strings.Contains(where, "evil.example") || strings.Contains(where, "10.1.2.3") {
					t.Errorf("%s is told: %s", url, where)
				}
			}
		}
	})
}

// Links stand beside the callbacks, whose paths and methods are as strict as they
// were.
func TestLinksChangeNothingAboutOtherPaths(t *testing.T) {
	s := newScenario(t, &txtar.Archive{Files: []txtar.File{{Name: "ringpost.toml", Data: []byte(linkedRules)}}}, "sqlite:"+filepath.Join(t.TempDir(), "ringpost.db"))
	for _, test := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/", 404}, {"GET", "/r", 404}, {"GET", "/R/AAAAAAAAAAA", 404}, {"GET", "//r/AAAAAAAAAAA", 404}, {"GET", "/callbacks/recording/", 404},
		{"GET", "/r/../callbacks/recording", 404}, {"POST", "/r/../callbacks/recording", 405}, {"GET", "/callbacks/r/AAAAAAAAAAA", 404},
		{"PUT", "/callbacks/recording", 405}, {"POST", "/callbacks/recording", 415}, {"POST", "/%63allbacks/recording", 404}, {"GET", "/%72/AAAAAAAAAAA", 404},
		{"POST", "/r/AAAAAAAAAAA", 405}, {"GET", "/recordings", 404}, {"GET", "/metrics", 404},
	} {
		req, err := http.NewRequest(test.method, "http://"+s.service.CallbacksAddr()+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Opaque = "//" + s.service.CallbacksAddr() + test.path // as it is
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != test.want {
			t.Errorf("%s %s = %s, want %d", test.method, test.path, resp.Status, test.want)
		}
	}
}

func TestARecordingThatIsPlayedDoesNotHoldUpTheEnd(t *testing.T) {
	s := newScenario(t, &txtar.Archive{Files: []txtar.File{{Name: "ringpost.toml", Data: []byte(linkedRules)}}}, "sqlite:"+filepath.Join(t.TempDir(), "ringpost.db"))
	asked := make(chan struct{})
	waits := peers.Hook(func(ctx context.Context, step peers.Step, _ string) error {
		if step == peers.FetchRecording {
			close(asked)
			<-ctx.Done()
		}
		return nil
	})
	s.trouble.Store(&waits)
	s.post("form RecordingStatus=completed RecordingUrl=" + s.api.RecordingURL("rec-1") + " => 200")
	path := s.link(1)
	go func() {
		if resp, err := http.Get("http://" + s.service.CallbacksAddr() + path + "/audio"); err == nil {
			resp.Body.Close()
		}
	}()
	<-asked
	begun := time.Now()
	s.stop()
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("the service took %v to stop while a recording was played", took)
	}
}
