package relay_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"ringpost/relay"
	"ringpost/relay/callback"
	"ringpost/relay/config"
	"ringpost/relay/peers"
	"ringpost/relay/store"
	"ringpost/relay/store/storetest"
)

var discard = slog.New(slog.DiscardHandler)

// TestScenarios runs each testdata/*.txtar against a whole service: its
// ringpost.toml and templates, its callbacks line by line, and then what must
// have been sent, or not been sent and why.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name+"/sqlite", func(t *testing.T) {
			t.Parallel()
			play(t, file, "sqlite:"+filepath.Join(t.TempDir(), "ringpost.db"))
		})
		t.Run(name+"/postgres", func(t *testing.T) {
			t.Parallel()
			play(t, file, storetest.Postgres(t))
		})
	}
}

// play plays the scenario of a file with that store.
func play(t *testing.T, file, location string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := newScenario(t, archive, location)
	for line := range lines(s.part("callbacks")) {
		s.post(line)
	}
	s.settle()
	var want []string
	for line := range lines(s.part("want")) {
		want = append(want, line)
	}
	slices.Sort(want)
	if got := s.outcome(); !slices.Equal(got, want) {
		t.Errorf("%s led to\n%s\nwant\n%s", file, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const scenarioHead = `
[server]
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
public_url = "https://hooks.example.com"
[store]
url = %q
[signalwire]
space = "example.signalwire.com"
project = "p"
token = "t"
signing_keys = ["PSK_test"]
api_url = "%s"
[channel.email]
host = "%s"
port = %d
tls = "none"
from = "recordings@example.com"
[channel.sms]
from = "+15550100000"
`

// scenario is a running service between its peers.
type scenario struct {
	t       *testing.T
	files   map[string]string
	mail    *peers.Mail
	api     *peers.SignalWire
	service *relay.Service
	store   string
	log     *said
	trouble atomic.Pointer[peers.Hook] // of the API; nil where there is none
	stop    func()
}

// said is a log that several goroutines write.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func newScenario(t *testing.T, archive *txtar.Archive, location string) *scenario {
	t.Helper()
	s := &scenario{t: t, store: location, files: make(map[string]string), log: new(said)}
	for _, f := range archive.Files {
		s.files[f.Name] = string(f.Data)
	}
	var err error
	if s.mail, err = peers.NewMail(peers.MailConfig{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.mail.Close() })
	if s.api, err = peers.NewSignalWire(peers.SignalWireConfig{Project: "p", Token: "t", ProtectMedia: true,
		Hook: func(ctx context.Context, step peers.Step, subject string) error {
			if hook := s.trouble.Load(); hook != nil {
				return (*hook)(ctx, step, subject)
			}
			return nil
		}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.api.Close() })
	cfg, problems := s.load()
	if cfg == nil {
		t.Fatalf("problems: %v", problems)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.service, err = relay.New(ctx, cfg, relay.Options{Log: slog.New(slog.NewTextHandler(s.log, nil)), Version: "test",
		Load: s.load})
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.service.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

// load reads the configuration as it is now.
func (s *scenario) load() (*config.Config, []config.Problem) {
	src := fmt.Sprintf(scenarioHead, s.store, s.api.URL, s.mail.Host, s.mail.Port) + s.part("ringpost.toml")
	return config.Parse("ringpost.toml", []byte(src), func(string) (string, bool) { return "", false }, config.Serve)
}

func (s *scenario) part(name string) string {
	s.t.Helper()
	text, ok := s.files[name]
	if !ok {
		s.t.Fatalf("the scenario has no %s", name)
	}
	return text
}

// post sends the callback of a line such as
//
//	form ?agent=alice RecordingStatus=completed RecordingDuration=94 => 200
//
// where form may be get, json or twilio. Every callback is of recording rec-1 unless
// it says otherwise.
func (s *scenario) post(line string) {
	s.t.Helper()
	words, want, ok := strings.Cut(line, " => ")
	if !ok {
		s.t.Fatalf("callback %q: want … => STATUS", line)
	}
	fields := strings.Fields(words)
	form := url.Values{"AccountSid": {"account"}, "RecordingSid": {"rec-1"}, "CallSid": {"call-1"},
		"RecordingUrl": {"https://example.signalwire.com/rec-1"}, "RecordingDuration": {"94"}}
	target := callback.Path
	for _, f := range fields[1:] {
		if strings.HasPrefix(f, "?") {
			target += f
			continue
		}
		name, value, _ := strings.Cut(f, "=")
		form.Set(name, value)
	}
	req := s.request(fields[0], target, form)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := strconv.Itoa(resp.StatusCode); got != strings.TrimSpace(want) {
		body, _ := io.ReadAll(resp.Body)
		s.t.Errorf("%s: answered with %s (%s)", line, got, strings.TrimSpace(string(body)))
	}
}

func (s *scenario) request(kind, target string, form url.Values) *http.Request {
	s.t.Helper()
	method, body := http.MethodPost, form.Encode()
	if kind == "get" {
		separator := "?"
		if strings.Contains(target, "?") {
			separator = "&"
		}
		method, target, body = http.MethodGet, target+separator+body, ""
	}
	header, signature, err := callback.Sign("PSK_test", "https://hooks.example.com"+target, body)
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequest(method, "http://"+s.service.CallbacksAddr()+target, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if kind == "twilio" {
		header = "X-Twilio-Signature"
	}
	req.Header.Set(header, signature)
	return req
}

// settle waits until every delivery is finished, and stops the service.
func (s *scenario) settle() {
	s.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !s.finished(); <-tick.C {
		if time.Now().After(deadline) {
			s.t.Fatal("not all deliveries have finished in time")
		}
	}
	s.stop()
}

// finished asks the metrics, as an operator would.
func (s *scenario) finished() bool {
	resp, err := http.Get("http://" + s.service.AdminAddr() + "/api/callbacks?limit=1000")
	if err != nil {
		s.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || strings.Contains(string(body), `"routed_at":null`) {
		return false
	}
	if resp, err = http.Get("http://" + s.service.AdminAddr() + "/metrics"); err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	for in := bufio.NewScanner(resp.Body); in.Scan(); {
		if depth, ok := strings.CutPrefix(in.Text(), "ringpost_queue_depth{"); ok && !strings.HasSuffix(depth, " 0") {
			return false
		}
	}
	return true
}

// outcome is what the peers have received, and what the store says of the rest.
func (s *scenario) outcome() (got []string) {
	s.t.Helper()
	for _, e := range s.mail.Emails() {
		content, err := e.Content()
		if err != nil {
			s.t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("email %s: %s", strings.Join(e.To, ", "), content.Subject))
	}
	for _, m := range s.api.Messages() {
		got = append(got, fmt.Sprintf("sms %s: %s", m.To, m.Body))
	}
	db, err := store.Open(s.t.Context(), s.store, slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	all, err := db.Deliveries(s.t.Context(), store.Filter{Limit: 1000})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, d := range all {
		switch d.State {
		case store.Delivered:
		case store.Shadow:
			got = append(got, fmt.Sprintf("shadow %s %s", d.Channel, d.To))
		default:
			got = append(got, fmt.Sprintf("%s %s: %s", d.State, d.Channel, d.LastError))
		}
	}
	slices.Sort(got)
	return got
}

// lines yields the lines of text that are neither empty nor a comment.
func lines(text string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if line != "" && !strings.HasPrefix(line, "#") && !yield(line) {
				return
			}
		}
	}
}
