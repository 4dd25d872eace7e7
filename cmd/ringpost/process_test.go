package main_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
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
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
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

// server is a running ringpost serve.
type server struct {
	t         testing.TB
	dir       string // of its configuration and store
	callbacks string // host:port
	admin     string // host:port
	store     string // its URL
	command   *exec.Cmd
	exited    chan error
}

// writeConfig writes the configuration, with the server's addresses and store
// before it.
func (s *server) writeConfig(config string) {
	s.t.Helper()
	head := fmt.Sprintf("[server]\nlisten = %q\nadmin = %q\npublic_url = %q\n[store]\nurl = %q\n",
		s.callbacks, s.admin, publicURL, s.store)
	if err := os.WriteFile(filepath.Join(s.dir, "ringpost.toml"), []byte(head+config), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// newServer prepares a server in a directory of its own, where its store is.
func newServer(t testing.TB, dir, config string) *server {
	t.Helper()
	return newServerOn(t, dir, "sqlite:"+filepath.Join(dir, "ringpost.db"), config)
}

// newServerOn prepares a server on the store with that URL.
func newServerOn(t testing.TB, dir, store, config string) *server {
	t.Helper()
	s := &server{t: t, dir: dir, callbacks: freeAddress(t), admin: freeAddress(t), store: store}
	s.writeConfig(config)
	t.Cleanup(func() {
		if s.command != nil {
			_ = s.command.Process.Kill()
			<-s.exited
		}
		if t.Failed() {
			t.Logf("the end of the log:\n%s", tail(filepath.Join(s.dir, "log"), 30))
		}
	})
	return s
}

// start runs the binary and waits until it is ready.
func (s *server) start() {
	s.t.Helper()
	if err := s.tryStart(); err != nil {
		s.t.Fatalf("ringpost serve: %v\n%s", err, tail(filepath.Join(s.dir, "log"), 30))
	}
}

func (s *server) tryStart() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.command = exec.Command(binary, "serve", "-c", filepath.Join(s.dir, "ringpost.toml"))
	s.command.Stderr = log
	if err := s.command.Start(); err != nil {
		return err
	}
	s.exited = make(chan error, 1)
	go func() { s.exited <- s.command.Wait() }()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
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
	resp, err := http.DefaultClient.Do(req)
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
	resp, err := http.Get("http://" + s.admin + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		s.t.Fatalf("GET %s = %s: %s", path, resp.Status, body)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		s.t.Fatal(err)
	}
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

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// tail returns the last lines of a file.
func tail(file string, n int) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n")))
}

// client is one kept connection to a server, without the cost of an HTTP
// client, which would be the load's and not the server's.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return &client{conn, bufio.NewReader(conn)}
}

// do sends a whole request and returns the answer's status.
func (c *client) do(request []byte) (status int, err error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil || len(line) < 12 {
		return 0, errors.Join(err, errors.New("no status line"))
	}
	_, err = fmt.Sscanf(string(line[9:12]), "%d", &status)
	length := 0
	for err == nil {
		if line, err = c.in.ReadSlice('\n'); err == nil && len(line) == 2 {
			break
		}
		if n, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			_, err = fmt.Sscanf(string(n), "%d", &length)
		}
	}
	if err == nil {
		_, err = c.in.Discard(length)
	}
	return status, err
}

// request returns a signed callback as bytes.
func request(form url.Values) []byte {
	body := form.Encode()
	header, signature, err := callback.Sign(signingKey, publicURL+callback.Path, body)
	if err != nil {
		panic(err)
	}
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: hooks.example.com\r\nContent-Type: application/x-www-form-urlencoded\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s",
		callback.Path, header, signature, len(body), body)
}

// pour sends requests over that many connections, as fast as they are answered,
// and returns how many were answered with 200.
func pour(t testing.TB, addr string, connections int, requests [][]byte) (accepted int, took time.Duration) {
	t.Helper()
	var wait sync.WaitGroup
	var mu sync.Mutex
	start := time.Now()
	for i := range connections {
		c := dial(t, addr)
		wait.Go(func() {
			defer c.conn.Close()
			ok := 0
			for j := i; j < len(requests); j += connections {
				status, err := c.do(requests[j])
				if err != nil {
					break
				}
				if status == http.StatusOK {
					ok++
				}
			}
			mu.Lock()
			accepted += ok
			mu.Unlock()
		})
	}
	wait.Wait()
	return accepted, time.Since(start)
}
