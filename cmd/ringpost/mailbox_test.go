package main_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

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

// toPeers is the part of a configuration with the REST API at apiURL, of project p
// with the token t, and a channel to a mail server.
func toPeers(apiURL string, mail *peers.Mail) string {
	return fmt.Sprintf(`
[signalwire]
space = "example.signalwire.com"
project = "p"
token = "t"
api_url = %q
signing_keys = [%q]
[channel.email]
host = %q
port = %d
tls = "none"
from = "recordings@example.com"
`, apiURL, signingKey, mail.Host, mail.Port)
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
