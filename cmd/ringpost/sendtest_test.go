package main_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"ringpost/relay/peers"
)

func TestSendTestSendsOneRealMessage(t *testing.T) {
	file, mail, api := withPeers(t, peers.MailConfig{Username: "relay", Password: "secret"}, peers.SignalWireConfig{Project: "p", Token: "t"})
	out, errs, code := ringpost(t, nil, "send-test", "-c", file, "email", "alice")
	emails := mail.Emails()
	if code != 0 || len(emails) != 1 || !strings.HasPrefix(out, "sent through email to alice; the provider says: ") {
		t.Fatalf("send-test email = %d %s%s, and %d emails; want 0 and one", code, out, errs, len(emails))
	}
	content, err := emails[0].Content()
	if err != nil || emails[0].To[0] != "alice@example.com" || content.Subject != "Test message from Ringpost" ||
		!strings.Contains(content.Text, `test of Ringpost's channel "email"`) {
		t.Errorf("send-test sent %+v to %q, %v", content, emails[0].To, err)
	}
	out, errs, code = ringpost(t, nil, "send-test", "-c", file, "-o", "json", "sms", "+15550100077")
	var sent struct {
		Channel, To string
		ProviderID  string `json:"provider_id"`
	}
	if err := json.Unmarshal([]byte(out), &sent); err != nil || code != 0 {
		t.Fatalf("send-test sms = %d %s%s", code, out, errs)
	}
	if texts := api.Messages(); len(texts) != 1 || texts[0].To != "+15550100077" || texts[0].Sid != sent.ProviderID ||
		!strings.Contains(texts[0].Body, `test of Ringpost's channel "sms"`) {
		t.Errorf("send-test sent %+v, and printed %s", texts, out)
	}
	if out, errs, code := ringpost(t, nil, "send-test", "-c", file, "console", "alice"); code != 0 || !strings.Contains(errs, "test of Ringpost") {
		t.Errorf("send-test console = %d %s%s, want it in the log", code, out, errs)
	}
}

func TestSendTestSaysWhatTheProviderSaidAndWhatToDo(t *testing.T) {
	refusing, _, _ := withPeers(t, peers.MailConfig{}, peers.SignalWireConfig{Project: "p", Token: "another"})
	wrongPassword, _, _ := withPeers(t, peers.MailConfig{Username: "relay", Password: "another"}, peers.SignalWireConfig{Project: "p", Token: "t"})
	for _, test := range []struct {
		file, channel, to string
		want              []string
	}{
		{refusing, "fax", "alice", []string{`no channel "fax" (have console, email, sms)`}},
		{refusing, "sms", "dora", []string{`"dora" is no contact, no group and no phone number such as +15550100001`}},
		{refusing, "sms", "alice", []string{"HTTP status 401, code 20003", "check space, project, token and api_url of [signalwire]"}},
		{wrongPassword, "email", "alice", []string{"535", "check host, port, tls, username and password of [channel.email]"}},
	} {
		out, errs, code := ringpost(t, nil, "send-test", "-c", test.file, test.channel, test.to)
		for _, want := range test.want {
			if code != 1 || !strings.Contains(errs, want) {
				t.Errorf("send-test %s %s = %d %s%s, want 1 and %s", test.channel, test.to, code, out, errs, want)
			}
		}
	}
}

// withPeers returns a configuration for a mail server and a SignalWire API of the
// test's own.
func withPeers(t *testing.T, m peers.MailConfig, s peers.SignalWireConfig) (file string, mail *peers.Mail, api *peers.SignalWire) {
	t.Helper()
	mail, err := peers.NewMail(m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mail.Close() })
	if api, err = peers.NewSignalWire(s); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close() })
	file = filepath.Join(t.TempDir(), "ringpost.toml")
	write(t, file, fmt.Sprintf(`[server]
public_url = %q
[signalwire]
space = "example.signalwire.com"
project = "p"
token = "t"
signing_keys = [%q]
api_url = %q
[channel.email]
host = %q
port = %d
tls = "none"
username = "relay"
password = "secret"
from = "recordings@example.com"
[channel.sms]
from = "+15550100000"
[channel.console]
kind = "log"
[contact.alice]
email = "alice@example.com"
phone = "+15550100001"
`, publicURL, signingKey, api.URL, mail.Host, mail.Port))
	return file, mail, api
}
