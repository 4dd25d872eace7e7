package relay_test

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ringpost/relay/peers"
)

const attachedRules = `
[delivery]
first_retry = "1s"
[[rule]]
name = "managers get the recording itself"
status = "completed"
send = [{ via = "email", to = ["alice@example.com"], template = "recording", attach = "mp3", attach_max = "100kB" }]
`

// email waits for the n-th email and returns what it says.
func (s *scenario) email(n int) *peers.Content {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	all, err := s.mail.Wait(ctx, n)
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := all[n-1].Content()
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

var linkInEmail = regexp.MustCompile(`https://hooks\.example\.com(/r/[0-9A-Za-z]{11})`)

func TestAProtectedRecordingGoesWithTheEmail(t *testing.T) {
	eachStore(t, attachedRules, func(t *testing.T, s *scenario) {
		s.api.Record("rec-1", 10*time.Second)
		s.post("form RecordingStatus=completed RecordingUrl=" + s.api.RecordingURL("rec-1") + " => 200")
		c := s.email(1)
		if len(c.Files) != 1 || !strings.HasSuffix(c.Files[0].Name, ".mp3") || c.Files[0].Type != "audio/mpeg" || len(c.Files[0].Data) != 20016 {
			t.Fatalf("with it came %d files, want the recording of 20016 bytes", len(c.Files))
		}
		if strings.Contains(c.Text, "not attached") || c.HTML == "" {
			t.Errorf("it says %q, want the words of the template", c.Text)
		}
	})
}

// A recording that is too large is linked to, and the link plays it.
func TestARecordingThatIsTooLargeIsLinkedTo(t *testing.T) {
	eachStore(t, attachedRules, func(t *testing.T, s *scenario) {
		s.api.Record("rec-1", time.Minute)
		s.post("form RecordingStatus=completed RecordingUrl=" + s.api.RecordingURL("rec-1") + " => 200")
		c := s.email(1)
		found := linkInEmail.FindStringSubmatch(c.Text)
		if len(c.Files) != 0 || !strings.Contains(c.Text, "The recording is not attached: it has more than 100 kB.") || found == nil ||
			!strings.Contains(c.HTML, `href="`+found[0]+`"`) {
			t.Fatalf("with it came %d files, and it says\n%s\n%s\nwant a link in place of the recording", len(c.Files), c.Text, c.HTML)
		}
		if resp, audio := s.open(found[1] + "/audio"); resp.StatusCode != http.StatusOK || len(audio) < 100_000 {
			t.Errorf("the link plays %s, %d bytes", resp.Status, len(audio))
		}
	})
}

// What is not there yet is waited for, and what the provider will not give out is
// not. Nothing that is logged tells where it is.
func TestARecordingIsWaitedForWhereItMayCome(t *testing.T) {
	eachStore(t, attachedRules, func(t *testing.T, s *scenario) {
		var asked atomic.Int32
		hook := peers.Hook(func(_ context.Context, step peers.Step, sid string) error {
			if step == peers.FetchRecording && sid == "late-id" && asked.Add(1) == 1 {
				return &peers.APIError{Status: http.StatusNotFound, Code: 20404, Message: "not found"}
			}
			return nil
		})
		s.trouble.Store(&hook)
		s.api.Record("late-id", 10*time.Second)
		s.post("form RecordingStatus=completed RecordingSid=late RecordingUrl=" + s.api.RecordingURL("late-id") + " => 200")
		if c := s.email(1); len(c.Files) != 1 || asked.Load() != 2 {
			t.Errorf("with it came %d files after %d requests, want the recording after two", len(c.Files), asked.Load())
		}
		s.post("form RecordingStatus=completed RecordingSid=elsewhere RecordingUrl=https://elsewhere.example/private-id => 200")
		if c := s.email(2); len(c.Files) != 0 || !strings.Contains(c.Text, "not attached: it could not be fetched. Listen to it here:\nhttps://hooks.example.com/r/") {
			t.Errorf("with it came %d files, and it says\n%s\nwant a link in place of the recording", len(c.Files), c.Text)
		}
		s.settle()
		if said := s.log.String(); !strings.Contains(said, "recording not attached") || strings.Contains(said, "private-id") ||
			strings.Contains(said, "late-id") || strings.Contains(said, "/r/") {
			t.Errorf("logged\n%s\nwant why a recording was left out, and not where it is", said)
		}
	})
}
