package main_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/intake"
)

const (
	signingKey = "PSK_test"
	publicURL  = "https://hooks.example.com"
)

var long = flag.Bool("long", os.Getenv("CI") != "", "run the scenarios that take minutes, and more of the others; on in CI")

// binary is the built program.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	if n := os.Getenv("RINGPOST_TEST_BARE_LOOP"); n != "" {
		if err := bareLoop(n); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if addr := os.Getenv("RINGPOST_TEST_WITHOUT_STORE"); addr != "" {
		fmt.Fprintln(os.Stderr, serveWithoutStore(addr))
		os.Exit(1)
	}
	dir, err := os.MkdirTemp("", "ringpost-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "ringpost")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		os.Exit(1)
	}
	letScenariosWaitTogether()
	code := m.Run()
	os.RemoveAll(dir)
	fmt.Print(counted.table())
	os.Exit(code)
}

// letScenariosWaitTogether raises how many tests run at once, which is as many
// as there are processors unless -parallel says otherwise: those that ask for
// it mostly wait.
func letScenariosWaitTogether() {
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "test.parallel" })
	if !set {
		_ = flag.Set("test.parallel", "16")
	}
}

// serveWithoutStore serves the whole path of a callback but for the store: the
// measure for what durability costs.
func serveWithoutStore(addr string) error {
	senders := intake.Senders{Verifier: callback.NewVerifier(publicURL, []string{signingKey})}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	h := intake.New(senders, forgetful{}, func(string, intake.Result) {}, log)
	return (&http.Server{Addr: addr, Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second}).ListenAndServe()
}

// forgetful is a store that keeps nothing.
type forgetful struct{}

func (forgetful) Add(context.Context, *callback.Callback) (bool, error) { return true, nil }

// server is a running ringpost serve. Several may share a store, where that is
// one for several.
type server struct {
	t         testing.TB
	dir       string   // of its configuration and log
	store     string   // the store's URL
	binary    string   // what is run
	env       []string // beside the test's own
	callbacks string   // host:port
	admin     string   // host:port
	command   *exec.Cmd
	exited    chan error
}

// writeConfig writes the configuration, with the server's addresses and store
// before it.
func (s *server) writeConfig(config string) {
	s.t.Helper()
	head := fmt.Sprintf("[server]\nlisten = %q\nadmin = %q\npublic_url = %q\n[store]\nurl = %q\n",
		s.callbacks, s.admin, publicURL, s.store)
	if err := os.WriteFile(s.file("ringpost.toml"), []byte(head+config), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// file returns the path of a file in the server's directory.
func (s *server) file(name string) string { return filepath.Join(s.dir, name) }

// newServer prepares a server in a directory of its own, with its store there.
func newServer(t testing.TB, dir, config string) *server {
	t.Helper()
	return newServerOn(t, dir, "sqlite:"+filepath.Join(dir, "ringpost.db"), config)
}

// newServerOn prepares a server in a directory of its own, on the store at that
// URL.
func newServerOn(t testing.TB, dir, store, config string) *server {
	t.Helper()
	s := &server{t: t, dir: dir, store: store, binary: binary, callbacks: freeAddress(t), admin: freeAddress(t)}
	s.writeConfig(config)
	t.Cleanup(func() {
		if s.command != nil {
			_ = s.command.Process.Kill()
			<-s.exited
		}
		if t.Failed() {
			t.Logf("the end of the log:\n%s", tail(s.file("log"), 30))
		}
	})
	return s
}

// start runs the binary and waits until it is ready.
func (s *server) start() {
	s.t.Helper()
	if err := s.tryStart(); err != nil {
		s.t.Fatalf("ringpost serve: %v\n%s", err, tail(s.file("log"), 30))
	}
}

func (s *server) tryStart() error {
	log, err := os.OpenFile(s.file("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	command := s.serve(context.Background())
	command.Stderr = log
	if err := command.Start(); err != nil {
		return err
	}
	s.command, s.exited = command, make(chan error, 1)
	go func() { s.exited <- command.Wait() }()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		resp, err := http.Get("http://" + s.admin + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-s.exited:
			s.command = nil
			return fmt.Errorf("exited: %w", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return errors.New("not ready in time")
}

// serve returns the command that runs the server until ctx ends.
func (s *server) serve(ctx context.Context) *exec.Cmd {
	command := exec.CommandContext(ctx, s.binary, "serve", "-c", s.file("ringpost.toml"))
	command.Env = append(os.Environ(), s.env...)
	return command
}

// kill ends the process as kill -9 does.
func (s *server) kill() {
	s.t.Helper()
	if err := s.command.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	<-s.exited
	s.command = nil
}

// terminate asks the process to stop and returns how it exited.
func (s *server) terminate() error {
	s.t.Helper()
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	err := <-s.exited
	s.command = nil
	return err
}

// poster is patient: on a loaded machine an answer may take longer than the
// five seconds that SignalWire waits.
var poster = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}

// post sends a signed callback and returns the answer's status.
func (s *server) post(form url.Values, query string) (int, error) {
	target := callback.Path + query
	req, err := http.NewRequest(http.MethodPost, "http://"+s.callbacks+target, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, err
	}
	header, signature, err := callback.Sign(signingKey, publicURL+target, form.Encode())
	if err != nil {
		return 0, err
	}
	req.Header.Set(header, signature)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := poster.Do(req)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode, nil
}

// mustPost posts a callback that is to be accepted.
func (s *server) mustPost(form url.Values, query string) {
	s.t.Helper()
	if status, err := s.post(form, query); err != nil || status != http.StatusOK {
		s.t.Fatalf("POST = %d, %v; want 200", status, err)
	}
}

// delivery is what the API says of a delivery.
type delivery struct {
	ID        int64  `json:"id"`
	Recording string `json:"recording"`
	Channel   string `json:"channel"`
	To        string `json:"to"`
	State     string `json:"state"`
	Attempts  int    `json:"attempts"`
	LastError string `json:"last_error"`
}

// deliveries asks the API, over all pages.
func (s *server) deliveries(query string) (all []delivery) {
	s.t.Helper()
	after := ""
	for {
		var page struct {
			Deliveries []delivery `json:"deliveries"`
			Next       string     `json:"next"`
		}
		s.get("/api/deliveries?limit=1000&"+query+"&after="+after, &page)
		all = append(all, page.Deliveries...)
		if after = page.Next; after == "" {
			return all
		}
	}
}

func (s *server) get(path string, into any) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.read(path)), into); err != nil {
		s.t.Fatal(err)
	}
}

// read returns what the admin listener answers.
func (s *server) read(path string) string {
	s.t.Helper()
	resp, err := http.Get("http://" + s.admin + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("GET %s = %s: %s (%v)", path, resp.Status, body, err)
	}
	return string(body)
}

// eventually waits until ok returns true.
func eventually(t testing.TB, what string, within time.Duration, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(within)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// completed returns the form of a callback for a finished recording with a new
// id, or with the one given.
func completed(recording string) url.Values {
	if recording == "" {
		recording = strings.ToLower(rand.Text())
	}
	return url.Values{
		"AccountSid":        {"b3877c40-da60-4998-90ad-b792e98472af"},
		"CallSid":           {"43bb71ee-553f-4074-bb20-8e2747647cce"},
		"RecordingSid":      {recording},
		"RecordingStatus":   {"completed"},
		"RecordingUrl":      {"https://example.signalwire.com/api/laml/2010-04-01/Accounts/b3877c40-da60-4998-90ad-b792e98472af/Recordings/" + recording},
		"RecordingDuration": {"94"},
		"RecordingChannels": {"1"},
		"RecordingSource":   {"DialVerb"},
	}
}

// freeAddress returns an address to listen on that is free now. Its port is below
// those that systems give out by themselves, so that no connection takes it
// before the server does, nor while the server is being started again. No address
// is returned twice soon: others may not have been bound yet.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+nextPort.Add(1)%20_000))
		if err == nil {
			l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

// nextPort begins where other runs of these tests hardly do.
var nextPort = func() *atomic.Int64 {
	port := new(atomic.Int64)
	port.Store(mathrand.Int64N(20_000))
	return port
}()

// tail returns the last lines of a file.
func tail(file string, n int) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n")))
}
