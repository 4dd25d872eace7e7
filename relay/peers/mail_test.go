package peers_test

import (
	"context"
	"errors"
	"net"
	"net/smtp"
	"net/textproto"
	"strconv"
	"testing"

	"ringpost/relay/peers"
)

func startMail(t *testing.T, config peers.MailConfig) (m *peers.Mail, addr string) {
	t.Helper()
	m, err := peers.NewMail(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m, net.JoinHostPort(m.Host, strconv.Itoa(m.Port))
}

const raw = "Subject: =?UTF-8?q?Z=C3=BCrich?=\r\nMessage-ID: <1@x>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhello\r\n"

func TestMailKeepsWhatItAccepts(t *testing.T) {
	told := make(chan peers.Email, 1)
	m, addr := startMail(t, peers.MailConfig{OnMessage: func(e peers.Email) { told <- e }})
	if err := smtp.SendMail(addr, nil, "a@example.com", []string{"b@example.com"}, []byte(raw)); err != nil {
		t.Fatal(err)
	}
	emails, err := m.Wait(t.Context(), 1)
	if err != nil || len(emails) != 1 {
		t.Fatalf("Wait = %d emails, %v; want 1", len(emails), err)
	}
	c, err := emails[0].Content()
	if err != nil || c.Subject != "Zürich" || c.MessageID != "1@x" || c.Text != "hello\n" {
		t.Errorf("Content = %+v, %v", c, err)
	}
	if e := <-told; e.From != "a@example.com" || e.To[0] != "b@example.com" || e.At.IsZero() {
		t.Errorf("OnMessage was called with %+v", e)
	}
}

func TestMailWaitEndsWithItsContext(t *testing.T) {
	m, _ := startMail(t, peers.MailConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait = %v, want %v", err, context.Canceled)
	}
}

func TestMailAcceptAndCutKeepsTheMessage(t *testing.T) {
	m, addr := startMail(t, peers.MailConfig{Hook: func(_ context.Context, step peers.Step, _ string) error {
		if step == peers.Data {
			return peers.ErrAcceptAndCut
		}
		return nil
	}})
	if err := smtp.SendMail(addr, nil, "a@example.com", []string{"b@example.com"}, []byte(raw)); err == nil {
		t.Error("SendMail succeeded, want the connection cut")
	}
	if got := len(m.Emails()); got != 1 {
		t.Errorf("%d emails were kept, want 1", got)
	}
}

func TestMailTalksGarbageOnDemand(t *testing.T) {
	_, addr := startMail(t, peers.MailConfig{Hook: func(_ context.Context, step peers.Step, _ string) error {
		if step == peers.Connect {
			return peers.ErrGarbage
		}
		return nil
	}})
	_, err := smtp.Dial(addr)
	if _, ok := errors.AsType[textproto.ProtocolError](err); !ok {
		t.Errorf("Dial = %v, want an answer that is not SMTP", err)
	}
}

func TestMailWantsItsPassword(t *testing.T) {
	_, addr := startMail(t, peers.MailConfig{Username: "u", Password: "p"})
	for password, want := range map[string]bool{"p": true, "q": false} {
		auth := smtp.PlainAuth("", "u", password, "127.0.0.1")
		err := smtp.SendMail(addr, auth, "a@example.com", []string{"b@example.com"}, []byte(raw))
		if (err == nil) != want {
			t.Errorf("with the password %q: SendMail = %v, want success %v", password, err, want)
		}
	}
	if err := smtp.SendMail(addr, nil, "a@example.com", []string{"b@example.com"}, []byte(raw)); err == nil {
		t.Error("without a log-in: SendMail succeeded")
	}
}

func TestMailCloseEndsAHangingHook(t *testing.T) {
	reached := make(chan struct{})
	m, addr := startMail(t, peers.MailConfig{Hook: func(ctx context.Context, step peers.Step, _ string) error {
		if step == peers.Data {
			close(reached)
			<-ctx.Done()
		}
		return ctx.Err()
	}})
	failed := make(chan error, 1)
	go func() {
		failed <- smtp.SendMail(addr, nil, "a@example.com", []string{"b@example.com"}, []byte(raw))
	}()
	<-reached
	m.Close()
	if err := <-failed; err == nil {
		t.Error("SendMail succeeded, want it to fail when the server closes")
	}
}
