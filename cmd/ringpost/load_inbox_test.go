package main_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ringpost/relay/peers"
)

// inbox is a mail server that notes when it accepts what.
type inbox struct {
	*peers.Mail
	door sync.RWMutex // while it is locked, clients wait for the answer to MAIL

	mu          sync.Mutex
	wanted      int // messages
	count       int
	first, last time.Time            // when a message was accepted
	enough      chan struct{}        // closed when all that are wanted have been accepted
	arrived     map[string]time.Time // by recording; nil while nobody asks
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	in := new(inbox)
	var err error
	in.Mail, err = peers.NewMail(peers.MailConfig{OnMessage: in.accept, Hook: func(_ context.Context, step peers.Step, _ string) error {
		if step == peers.MailFrom {
			in.door.RLock()
			defer in.door.RUnlock()
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return in
}

func (in *inbox) accept(e peers.Email) {
	at := time.Now()
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.count == 0 {
		in.first = at
	}
	in.last = at
	if in.count++; in.count == in.wanted {
		close(in.enough)
	}
	if in.arrived != nil {
		_, id, _ := strings.Cut(string(e.Raw), "Recording: ")
		id, _, _ = strings.Cut(id, "\r\n")
		in.arrived[id] = at
	}
}

// expect forgets what has come and prepares for n messages.
func (in *inbox) expect(n int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.wanted, in.count, in.enough, in.arrived = n, 0, make(chan struct{}), nil
}

// wait returns when the first and the last of what is expected were accepted.
func (in *inbox) wait(t testing.TB) (first, last time.Time) {
	t.Helper()
	select {
	case <-in.enough:
	case <-time.After(2 * time.Minute):
		in.mu.Lock()
		defer in.mu.Unlock()
		t.Fatalf("%d of %d emails were delivered", in.count, in.wanted)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.first, in.last
}

// mustBeExact fails where more has come than was expected.
func (in *inbox) mustBeExact(t testing.TB) {
	t.Helper()
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.count != in.wanted {
		t.Fatalf("%d emails arrived, want %d", in.count, in.wanted)
	}
}

// latencies sends n callbacks, fifty a second, and returns how long each took to
// become an accepted email, sorted.
func latencies(t *testing.T, s *server, in *inbox, n int) []time.Duration {
	t.Helper()
	in.expect(n)
	in.mu.Lock()
	in.arrived = make(map[string]time.Time)
	in.mu.Unlock()
	c := dial(t, s.callbacks)
	defer c.conn.Close()
	sent := make(map[string]time.Time)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range n {
		form := completed("")
		r := request(form)
		<-tick.C
		sent[form.Get("RecordingSid")] = time.Now()
		if status, err := c.do(r); err != nil || status != http.StatusOK {
			t.Fatalf("POST = %d, %v", status, err)
		}
	}
	in.wait(t)
	in.mu.Lock()
	defer in.mu.Unlock()
	var took []time.Duration
	for id, at := range sent {
		arrived, ok := in.arrived[id]
		if !ok {
			t.Fatalf("the email about recording %s is not among those that arrived", id)
		}
		took = append(took, arrived.Sub(at))
	}
	slices.Sort(took)
	return took
}
