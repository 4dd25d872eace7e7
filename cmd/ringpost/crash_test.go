package main_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"ringpost/relay/peers"
)

// toMail is the part of a configuration with a channel to a mail server.
func toMail(mail *peers.Mail, connections int) string {
	return fmt.Sprintf(`
[signalwire]
space = "example.signalwire.com"
signing_keys = [%q]
[channel.email]
host = %q
port = %d
tls = "none"
from = "Call recordings <recordings@example.com>"
connections = %d
`, signingKey, mail.Host, mail.Port, connections)
}

// oneEmail is a configuration with a rule that emails what is finished.
func oneEmail(mail *peers.Mail) string {
	return toMail(mail, 4) + `
[[rule]]
name = "finished"
status = "completed"
send = [{ via = "email", to = ["alice@example.com"], template = "recording" }]
`
}

// mailbox notes which recordings have arrived, and under which Message-IDs.
type mailbox struct {
	mu  sync.Mutex
	ids map[string][]string // of messages, by recording
}

func (m *mailbox) receive(e peers.Email) {
	content, err := e.Content()
	if err != nil {
		return
	}
	_, recording, _ := strings.Cut(content.Text, "Recording: ")
	recording, _, _ = strings.Cut(recording, "\n")
	m.mu.Lock()
	m.ids[strings.TrimSpace(recording)] = append(m.ids[strings.TrimSpace(recording)], content.MessageID)
	m.mu.Unlock()
}

func (m *mailbox) of(recording string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ids[recording]
}

func newMailbox(t testing.TB, hook peers.Hook) (*peers.Mail, *mailbox) {
	t.Helper()
	box := &mailbox{ids: make(map[string][]string)}
	mail, err := peers.NewMail(peers.MailConfig{OnMessage: box.receive, Hook: hook})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mail.Close() })
	return mail, box
}

// TestNothingAcknowledgedIsLostWhenTheProcessIsKilled kills the service while
// callbacks come in and mail goes out, again and again. Every callback that was
// answered with 200 must arrive. What was on its way at a kill may arrive twice,
// with the same Message-ID, and that is at most one message a connection.
func TestNothingAcknowledgedIsLostWhenTheProcessIsKilled(t *testing.T) {
	const callbacks, kills, connections = 2000, 5, 4
	mail, box := newMailbox(t, nil)
	s := newServer(t, t.TempDir(), oneEmail(mail))
	s.start()

	var mu sync.Mutex
	var acknowledged []string
	ids := make(chan string)
	var senders sync.WaitGroup
	for range 16 {
		senders.Go(func() {
			for id := range ids {
				for { // a sender tries again, as SignalWire does
					if status, err := s.post(completed(id), ""); err == nil && status == http.StatusOK {
						mu.Lock()
						acknowledged = append(acknowledged, id)
						mu.Unlock()
						break
					}
					<-time.After(5 * time.Millisecond)
				}
			}
		})
	}
	killAt := make(map[int]bool)
	for len(killAt) < kills {
		killAt[100+rand.IntN(callbacks-200)] = true
	}
	for i := range callbacks {
		ids <- fmt.Sprintf("recording-%d", i)
		if killAt[i] {
			s.kill()
			s.start()
		}
	}
	close(ids)
	senders.Wait()
	s.kill()
	s.start()

	eventually(t, "every acknowledged callback has arrived", time.Minute, func() bool {
		for _, id := range acknowledged {
			if len(box.of(id)) == 0 {
				return false
			}
		}
		return true
	})
	repeated := 0
	for _, id := range acknowledged {
		got := box.of(id)
		repeated += len(got) - 1
		for _, messageID := range got {
			if messageID != got[0] {
				t.Errorf("recording %s arrived as %s and as %s: want the same Message-ID", id, got[0], messageID)
			}
		}
	}
	if most := (kills + 1) * connections; repeated > most {
		t.Errorf("%d messages arrived twice, want at most %d: one a connection at each kill", repeated, most)
	}
	t.Logf("acknowledged %d, kills %d, lost 0, repeated %d", len(acknowledged), kills+1, repeated)
}

func TestTheSameCallbackFiftyTimesAtOnceIsOneEmail(t *testing.T) {
	mail, box := newMailbox(t, nil)
	s := newServer(t, t.TempDir(), oneEmail(mail))
	s.start()
	var posts sync.WaitGroup
	var mu sync.Mutex
	answers := map[int]int{}
	for range 50 {
		posts.Go(func() {
			status, err := s.post(completed("recording-1"), "")
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			answers[status]++
			mu.Unlock()
		})
	}
	posts.Wait()
	if answers[http.StatusOK] != 50 {
		t.Errorf("answers = %v, want fifty times 200", answers)
	}
	s.mustPost(completed("recording-2"), "")
	eventually(t, "the next recording's email arrives", 10*time.Second, func() bool { return len(box.of("recording-2")) == 1 })
	if got := len(box.of("recording-1")); got != 1 {
		t.Errorf("%d emails, want 1", got)
	}
}

// TestWhatIsBeingSentIsFinishedOnSIGTERM stops the service while the mail server
// is slow to answer.
func TestWhatIsBeingSentIsFinishedOnSIGTERM(t *testing.T) {
	reached, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	mail, box := newMailbox(t, func(ctx context.Context, step peers.Step, _ string) error {
		if step == peers.Data {
			once.Do(func() { close(reached) })
			select {
			case <-release:
			case <-ctx.Done():
			}
		}
		return nil
	})
	s := newServer(t, t.TempDir(), oneEmail(mail))
	s.start()
	for i := range 10 {
		s.mustPost(completed(fmt.Sprintf("recording-%d", i)), "")
	}
	<-reached
	stopping := s.admin
	time.AfterFunc(time.Second, func() {
		resp, err := http.Get("http://" + stopping + "/readyz")
		if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("GET /readyz while draining = %v, %v; want 503", resp, err)
		}
		close(release)
	})
	if err := s.terminate(); err != nil {
		t.Errorf("serve exited with %v after SIGTERM, want 0", err)
	}
	s.start()
	eventually(t, "the rest arrives after the next start", 20*time.Second, func() bool {
		for i := range 10 {
			if len(box.of(fmt.Sprintf("recording-%d", i))) == 0 {
				return false
			}
		}
		return true
	})
	for i := range 10 {
		if got := len(box.of(fmt.Sprintf("recording-%d", i))); got != 1 {
			t.Errorf("recording %d arrived %d times, want once", i, got)
		}
	}
}
