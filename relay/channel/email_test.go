package channel_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"ringpost/relay/channel"
	"ringpost/relay/peers"
)

const (
	testUser     = "relay"
	testPassword = "correct-horse-battery"
	testFrom     = "Call recordings <recordings@example.com>"
)

var testMessage = channel.Message{
	ID:      "17.1700000000@example.com",
	To:      "alice@example.com",
	Subject: "Recording of 1m34s – Zürich",
	Text:    "Listen: https://example.signalwire.com/api/laml/2010-04-01/Accounts/A/Recordings/R\n.\nGrüße",
	HTML:    "<p>Listen <a href=\"https://example.com/\">here</a></p>",
}

// startMail starts a mail server that is closed with the test.
func startMail(t testing.TB, config peers.MailConfig) *peers.Mail {
	t.Helper()
	m, err := peers.NewMail(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// newEmail returns a channel to m that is closed with the test.
func newEmail(t testing.TB, m *peers.Mail, config channel.EmailConfig) *channel.Email {
	t.Helper()
	config.Host, config.Port, config.From, config.RootCAs = m.Host, m.Port, testFrom, m.RootCAs
	e, err := channel.NewEmail(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// script is a hook that answers steps as it is told, and counts them.
type script struct {
	mu      sync.Mutex
	counts  map[peers.Step]int
	answers map[peers.Step][]error // one after the other; nil once they are used up
}

func (s *script) hook(_ context.Context, step peers.Step, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts == nil {
		s.counts = make(map[peers.Step]int)
	}
	n := s.counts[step]
	s.counts[step]++
	if n < len(s.answers[step]) {
		return s.answers[step][n]
	}
	return nil
}

func (s *script) count(step peers.Step) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[step]
}

func refusal(code int, words string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: words}
}

func TestEmailArrivesComplete(t *testing.T) {
	m := startMail(t, peers.MailConfig{StartTLS: true, Username: testUser, Password: testPassword})
	e := newEmail(t, m, channel.EmailConfig{Username: testUser, Password: testPassword})
	id, err := e.Send(t.Context(), &testMessage)
	if err != nil || !strings.Contains(id, "OK: queued") {
		t.Fatalf("Send = %q, %v; want the server's words of acceptance", id, err)
	}
	emails := m.Emails()
	if len(emails) != 1 {
		t.Fatalf("%d emails arrived, want 1", len(emails))
	}
	got := emails[0]
	if got.From != "recordings@example.com" || !slices.Equal(got.To, []string{"alice@example.com"}) || !got.TLS || got.User != testUser {
		t.Errorf("envelope = %q to %q, TLS %v, user %q", got.From, got.To, got.TLS, got.User)
	}
	c, err := got.Content()
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string][2]string{
		"Subject":         {c.Subject, testMessage.Subject},
		"Message-ID":      {c.Header.Get("Message-ID"), "<" + testMessage.ID + ">"},
		"text":            {c.Text, testMessage.Text},
		"HTML":            {c.HTML, testMessage.HTML},
		"From":            {c.Header.Get("From"), `"Call recordings" <recordings@example.com>`},
		"To":              {c.Header.Get("To"), "<alice@example.com>"},
		"Auto-Submitted":  {c.Header.Get("Auto-Submitted"), "auto-generated"},
		"User-Agent":      {c.Header.Get("User-Agent"), ""},
		"X-Mailer":        {c.Header.Get("X-Mailer"), ""},
		"Date, readable":  {fmt.Sprint(readable(c.Header.Date())), "true"},
		"Content-Type is": {strings.SplitN(c.Header.Get("Content-Type"), ";", 2)[0], "multipart/alternative"},
	} {
		if v[0] != v[1] {
			t.Errorf("%s = %q, want %q", name, v[0], v[1])
		}
	}
}

func readable(at time.Time, err error) bool { return err == nil && time.Since(at) < time.Minute }

func TestEmailWithoutHTMLIsPlain(t *testing.T) {
	m := startMail(t, peers.MailConfig{})
	e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone})
	if _, err := e.Send(t.Context(), &channel.Message{ID: "1@x", To: "a@example.com", Subject: "s", Text: "t\n"}); err != nil {
		t.Fatal(err)
	}
	c, err := m.Emails()[0].Content()
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/plain") || c.Text != "t\n" {
		t.Errorf("Content-Type = %q, text %q; want text/plain and %q", got, c.Text, "t\n")
	}
}

func TestEmailSubjectCannotAddHeaders(t *testing.T) {
	m := startMail(t, peers.MailConfig{})
	e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone})
	subject := "news\r\nBcc: eve@example.com\r\n\r\nbody"
	if _, err := e.Send(t.Context(), &channel.Message{ID: "1@x", To: "a@example.com", Subject: subject, Text: "t\n"}); err != nil {
		t.Fatal(err)
	}
	c, err := m.Emails()[0].Content()
	if err != nil {
		t.Fatal(err)
	}
	if want := "news  Bcc: eve@example.com    body"; c.Header.Get("Bcc") != "" || c.Subject != want || c.Text != "t\n" {
		t.Errorf("Bcc = %q, Subject = %q, text = %q; want none, %q, t", c.Header.Get("Bcc"), c.Subject, c.Text, want)
	}
}

func TestEmailRefusesABadRecipientForGood(t *testing.T) {
	m := startMail(t, peers.MailConfig{})
	e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone})
	for _, to := range []string{"", "alice", "+15550100001", "a@example.com\r\nRCPT TO:<b@example.com>", "a@x, b@x"} {
		_, err := e.Send(t.Context(), &channel.Message{ID: "1@x", To: to, Text: "t"})
		if channel.ClassOf(err) != channel.Refused {
			t.Errorf("Send to %q: %v, want it refused", to, err)
		}
	}
}

func TestEmailLogsInOverAnyTLS(t *testing.T) {
	for _, tt := range []struct {
		server peers.MailConfig
		tls    channel.TLS
		want   bool // TLS used
	}{
		{peers.MailConfig{StartTLS: true}, "", true},
		{peers.MailConfig{StartTLS: true}, channel.TLSMandatory, true},
		{peers.MailConfig{StartTLS: true}, channel.TLSOpportunistic, true},
		{peers.MailConfig{}, channel.TLSOpportunistic, false},
		{peers.MailConfig{ImplicitTLS: true}, channel.TLSImplicit, true},
		{peers.MailConfig{StartTLS: true}, channel.TLSNone, false},
	} {
		for _, mechanism := range []string{"PLAIN", "LOGIN"} {
			tt.server.Username, tt.server.Password, tt.server.Mechanisms = testUser, testPassword, []string{mechanism}
			m := startMail(t, tt.server)
			e := newEmail(t, m, channel.EmailConfig{TLS: tt.tls, Username: testUser, Password: testPassword})
			if _, err := e.Send(t.Context(), &testMessage); err != nil {
				t.Errorf("tls %q, %s: %v", tt.tls, mechanism, err)
				continue
			}
			if got := m.Emails()[0]; got.TLS != tt.want || got.User != testUser {
				t.Errorf("tls %q, %s: TLS %v, user %q; want %v, %q", tt.tls, mechanism, got.TLS, got.User, tt.want, testUser)
			}
		}
	}
}

func TestNewEmailNamesWhatIsWrong(t *testing.T) {
	for config, want := range map[*channel.EmailConfig]string{
		{From: "nobody"}:                        "from: ",
		{From: testFrom, TLS: "ssl"}:            `tls: "ssl"`,
		{From: testFrom, DKIM: &channel.DKIM{}}: "dkim: domain and selector",
		{From: testFrom, DKIM: &channel.DKIM{Domain: "d", Selector: "s", Key: []byte("x")}}: "dkim: key: ",
	} {
		if _, err := channel.NewEmail(*config); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("NewEmail(%+v) = %v, want an error that begins %q", *config, err, want)
		}
	}
}
