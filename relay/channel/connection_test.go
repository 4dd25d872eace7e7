package channel_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ringpost/relay/channel"
	"ringpost/relay/peers"
)

func TestEmailKeepsItsConnection(t *testing.T) {
	s := new(script)
	m := startMail(t, peers.MailConfig{Hook: s.hook})
	e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone})
	const messages = 100
	for range messages {
		if _, err := e.Send(t.Context(), &testMessage); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.count(peers.Connect); got != 1 {
		t.Errorf("%d messages took %d connections, want 1", messages, got)
	}
	if _, err := e.Send(t.Context(), &testMessage); err != nil {
		t.Fatal(err)
	}
	if got := s.count(peers.Connect); got != 2 {
		t.Errorf("%d messages took %d connections, want 2", messages+1, got)
	}
}

func TestEmailKeepsItsConnectionAfterARefusal(t *testing.T) {
	s := &script{answers: map[peers.Step][]error{
		peers.MailFrom: {refusal(553, "no")},
		peers.RcptTo:   {refusal(550, "no"), refusal(450, "later")},
		peers.Data:     {refusal(554, "no")},
	}}
	m := startMail(t, peers.MailConfig{Hook: s.hook})
	e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone})
	for range 4 {
		if _, err := e.Send(t.Context(), &testMessage); err == nil {
			t.Fatal("Send succeeded, want it refused")
		}
	}
	if _, err := e.Send(t.Context(), &testMessage); err != nil {
		t.Fatal(err)
	}
	if got := s.count(peers.Connect); got != 1 {
		t.Errorf("5 messages took %d connections, want 1", got)
	}
}

func TestEmailRenewsADroppedConnection(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers map[peers.Step][]error
	}{
		{"after the answer", map[peers.Step][]error{peers.Reset: {peers.ErrCut}}},
		{"at MAIL", map[peers.Step][]error{peers.MailFrom: {nil, peers.ErrCut}}},
		{"at RCPT", map[peers.Step][]error{peers.RcptTo: {nil, peers.ErrCut}}},
		{"with a word", map[peers.Step][]error{peers.MailFrom: {nil, refusal(421, "idle for too long")}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{answers: tt.answers}
			m := startMail(t, peers.MailConfig{Hook: s.hook})
			e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone})
			for i := range 2 {
				if _, err := e.Send(t.Context(), &testMessage); err != nil {
					t.Fatalf("message %d: %v", i, err)
				}
			}
			if got := len(m.Emails()); got != 2 {
				t.Errorf("2 messages were sent and %d arrived", got)
			}
			if got := s.count(peers.Connect); got != 2 {
				t.Errorf("%d connections, want 2", got)
			}
		})
	}
}

func TestEmailIsNotRepeatedOnceTheServerHasIt(t *testing.T) {
	s := &script{answers: map[peers.Step][]error{peers.Data: {nil, peers.ErrAcceptAndCut}}}
	m := startMail(t, peers.MailConfig{Hook: s.hook})
	e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone})
	if _, err := e.Send(t.Context(), &testMessage); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Send(t.Context(), &testMessage); channel.ClassOf(err) != channel.OutcomeUnsure {
		t.Errorf("Send = %v, want its outcome unsure", err)
	}
	if got := len(m.Emails()); got != 2 {
		t.Errorf("%d messages arrived, want 2", got)
	}
}

func TestEmailUsesNoMoreConnectionsThanAllowed(t *testing.T) {
	const connections = 3
	var mu sync.Mutex
	open, most := 0, 0
	m := startMail(t, peers.MailConfig{Hook: func(_ context.Context, step peers.Step, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		switch step {
		case peers.Connect:
			open++
			most = max(most, open)
		case peers.End:
			open--
		}
		return nil
	}})
	e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone, Connections: connections})
	var sends sync.WaitGroup
	for i := range 60 {
		sends.Go(func() {
			message := testMessage
			message.ID = fmt.Sprintf("%d@example.com", i)
			if _, err := e.Send(t.Context(), &message); err != nil {
				t.Errorf("message %d: %v", i, err)
			}
		})
	}
	sends.Wait()
	ids := make(map[string]bool)
	for _, email := range m.Emails() {
		c, err := email.Content()
		if err != nil {
			t.Fatal(err)
		}
		ids[c.MessageID] = true
	}
	mu.Lock()
	defer mu.Unlock()
	if len(ids) != 60 || most > connections {
		t.Errorf("%d different messages over %d connections at once, want 60 over %d at most", len(ids), most, connections)
	}
}

func TestEmailClosesIdleConnections(t *testing.T) {
	ended := make(chan struct{}, 1)
	m := startMail(t, peers.MailConfig{Hook: func(_ context.Context, step peers.Step, _ string) error {
		if step == peers.End {
			ended <- struct{}{}
		}
		return nil
	}})
	// The server stays outside, so that the minutes pass at once.
	synctest.Test(t, func(t *testing.T) {
		e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone})
		for range 2 {
			if _, err := e.Send(t.Context(), &testMessage); err != nil {
				t.Fatal(err)
			}
			<-time.After(59 * time.Second)
			if len(ended) != 0 {
				t.Fatal("the connection was closed within a minute of its use")
			}
		}
		<-time.After(2 * time.Second)
		<-ended
	})
}

func TestEmailWorksAfterClose(t *testing.T) {
	m := startMail(t, peers.MailConfig{})
	e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone})
	for range 2 {
		if _, err := e.Send(t.Context(), &testMessage); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
