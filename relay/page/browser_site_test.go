package page_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ringpost/relay"
	"ringpost/relay/callback"
	"ringpost/relay/config"
	"ringpost/relay/peers"
)

const (
	siteKey = "PSK_browser_test"
	siteURL = "https://hooks.example.com"
)

// siteConfig is what a site is configured with. It lacks what differs from one to
// another.
const siteConfig = `
[server]
listen     = "127.0.0.1:0"
public_url = "` + siteURL + `"
admin      = "127.0.0.1:0"

[store]
url = "sqlite:%[1]s/ringpost.db"

[signalwire]
space        = "example.signalwire.com"
project      = "project-1"
token        = "PT-token"
signing_keys = ["` + siteKey + `"]
api_url      = "%[2]s"

[templates]
dir = "%[1]s/templates"

[delivery]
first_retry = "%[5]s"
max_retry   = "%[5]s"

[channel.email]
host = "%[3]s"
port = %[4]d
tls  = "none"
from = "Call recordings <recordings@example.com>"

[channel.sms]
from = "+15550100000"

[contact.alice]
email = "alice@example.com"
phone = "+15550100001"

[contact.bob]
phone = "+15550100002"

[group]
managers = ["alice", "carol@example.com"]

[[rule]]
name   = "managers get every finished recording"
status = "completed"
min_duration = "5s"
send   = [{ via = "email", to = ["managers"], template = "recording" }]

[[rule]]
name   = "agents get a link to their own calls"
status = "completed"
source = ["DialVerb", "Conference"]
query  = { agent = "*" }
send   = [{ via = "sms", to = ["{{.Query.agent}}"], template = "recording" }]

[[rule]]
name   = "conferences, to be tried out"
status = "completed"
source = "Conference"
shadow = true
send   = [{ via = "email", to = ["qa@example.com"], template = "recording" }]

[[rule]]
name   = "carol hears of calls that were not recorded"
status = ["absent", "failed"]
send   = [{ via = "email", to = ["carol@example.com"], template = "absent" }]

[[test]]
name     = "a dialled call reaches its agent"
callback = { RecordingStatus = "completed", RecordingSource = "DialVerb", RecordingDuration = 42 }
query    = { agent = "alice" }
expect   = ["email:alice@example.com", "email:carol@example.com", "sms:+15550100001"]
`

// site is a running service between a mail server and a SignalWire API, all on
// real sockets.
type site struct {
	*testing.T
	dir     string // of the configuration and the templates
	config  string // the text of the file
	mail    *peers.Mail
	api     *peers.SignalWire
	service *relay.Service
	stop    func() // stops the service, if it runs
	url     string // of the page, without a slash at the end

	mailTrouble atomic.Pointer[peers.Hook] // nil where there is none
	smsTrouble  atomic.Pointer[peers.Hook]
}

// settings are what a test wants of its site. Zero fields are as most want them.
type settings struct {
	templates map[string]string // the text of files, by name
	retry     time.Duration     // between two attempts; half a second
	dir       string            // where it keeps its files; a folder of its own
}

// newSite starts a site.
func newSite(t *testing.T, want settings) *site {
	t.Helper()
	browser(t) // or the test is skipped before anything is started
	s := &site{T: t, dir: cmp.Or(want.dir, t.TempDir())}
	s.startPeers()
	if err := os.Mkdir(filepath.Join(s.dir, "templates"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range want.templates {
		s.write(filepath.Join("templates", name), text)
	}
	s.config = fmt.Sprintf(siteConfig, s.dir, s.api.URL, s.mail.Host, s.mail.Port, cmp.Or(want.retry, 500*time.Millisecond))
	s.write("ringpost.toml", s.config)
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

// start starts the service.
func (s *site) start() {
	s.Helper()
	cfg, problems := s.load()
	if cfg == nil {
		s.Fatalf("problems: %v", problems)
	}
	ctx, cancel := context.WithCancel(context.Background())
	service, err := relay.New(ctx, cfg, relay.Options{Load: s.load, Version: "test",
		Log: slog.New(slog.NewTextHandler(s.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		cancel()
		s.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- service.Run(ctx) }()
	s.service, s.url = service, "http://"+service.AdminAddr()
	s.stop = func() {
		cancel()
		if err := <-stopped; err != nil {
			s.Errorf("Run: %v", err)
		}
		s.stop = func() {}
	}
}

func (s *site) startPeers() {
	s.Helper()
	ask := func(trouble *atomic.Pointer[peers.Hook]) peers.Hook {
		return func(ctx context.Context, step peers.Step, subject string) error {
			if hook := trouble.Load(); hook != nil {
				return (*hook)(ctx, step, subject)
			}
			return nil
		}
	}
	var err error
	if s.mail, err = peers.NewMail(peers.MailConfig{Hook: ask(&s.mailTrouble)}); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { s.mail.Close() })
	s.api, err = peers.NewSignalWire(peers.SignalWireConfig{
		Project: "project-1", Token: "PT-token", ProtectMedia: true, Hook: ask(&s.smsTrouble)})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { s.api.Close() })
}

func (s *site) write(name, text string) {
	s.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

// load reads the configuration as it is now.
func (s *site) load() (*config.Config, []config.Problem) {
	return config.Load(filepath.Join(s.dir, "ringpost.toml"), config.Serve)
}

// at makes trouble of one kind: at each of those steps err is the answer, for
// subjects that hold about.
func at(err error, about string, steps ...peers.Step) *peers.Hook {
	hook := peers.Hook(func(_ context.Context, step peers.Step, subject string) error {
		for _, s := range steps {
			if s == step && strings.Contains(subject, about) {
				return err
			}
		}
		return nil
	})
	return &hook
}

// recorded makes a recording of that length, and returns the callback for it: a
// dialled call. Each of change is a field, name=value.
func (s *site) recorded(sid string, length time.Duration, change ...string) url.Values {
	s.api.Record(sid, length)
	form := url.Values{
		"AccountSid":        {"b3877c40-da60-4998-90ad-b792e98472af"},
		"CallSid":           {"call-of-" + sid},
		"RecordingSid":      {sid},
		"RecordingStatus":   {"completed"},
		"RecordingUrl":      {s.api.RecordingURL(sid)},
		"RecordingDuration": {fmt.Sprint(int(length.Seconds()))},
		"RecordingChannels": {"1"},
		"RecordingSource":   {"DialVerb"},
	}
	for _, c := range change {
		name, value, _ := strings.Cut(c, "=")
		form.Set(name, value)
	}
	return form
}

// post posts a callback as SignalWire does, signed with the key.
func (s *site) post(form url.Values, query string) {
	s.Helper()
	if status := s.postSigned(siteKey, form, query); status != http.StatusOK {
		s.Fatalf("POST = %d, want 200", status)
	}
}

func (s *site) postSigned(key string, form url.Values, query string) (status int) {
	s.Helper()
	target, body := callback.Path+query, form.Encode()
	header, signature, err := callback.Sign(key, siteURL+target, body)
	if err != nil {
		s.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+s.service.CallbacksAddr()+target, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set(header, signature)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// arrived waits until that many emails have come in all, and returns them.
func (s *site) arrived(emails int) []peers.Email {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	got, err := s.mail.Wait(ctx, emails)
	if err != nil {
		s.Fatal(err)
	}
	return got
}

// texted waits until that many SMS have come in all, and returns them.
func (s *site) texted(texts int) []peers.SMS {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	got, err := s.api.Wait(ctx, texts)
	if err != nil {
		s.Fatal(err)
	}
	return got
}

// tab opens a tab at the site.
func (s *site) tab() *tab {
	s.Helper()
	return newTab(s.T, s.url)
}
