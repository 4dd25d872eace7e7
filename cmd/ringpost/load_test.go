package main_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ringpost/relay/peers"
)

var load = flag.Bool("load", false, "measure the built server under load")

// loadConfig has twenty rules, of which the first matches what is finished.
func loadConfig(mail *peers.Mail, connections int) string {
	var b strings.Builder
	b.WriteString(toMail(mail, connections) + `
[[rule]]
name = "rule 0"
status = "completed"
min_duration = "5s"
send = [{ via = "email", to = ["alice@example.com"], template = "recording" }]
`)
	for i := 1; i < 20; i++ {
		fmt.Fprintf(&b, "[[rule]]\nname = \"rule %d\"\nstatus = \"completed\"\nquery = { agent = \"agent%d*\" }\n"+
			"send = [{ via = \"email\", to = [\"agent%d@example.com\"], template = \"recording\" }]\n", i, i, i)
	}
	return b.String()
}

// TestLoad measures durable callbacks a second beside the same path without the
// store, deliveries a second, and the time from a callback to its email.
func TestLoad(t *testing.T) {
	if !*load {
		t.Skip("a measurement: run it with -load")
	}
	mail, err := peers.NewMail(peers.MailConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer mail.Close()
	s := newServer(t, t.TempDir(), loadConfig(mail, 16))
	s.start()
	withoutStore := startWithoutStore(t)

	const rounds, perRound, connections = 3, 40_000, 256
	var bare, durable []float64
	for range rounds {
		bare = append(bare, measure(t, withoutStore, connections, started(perRound)))
		durable = append(durable, measure(t, s.callbacks, connections, started(perRound)))
		eventually(t, "the callbacks are routed", time.Minute, func() bool { return s.idle() })
	}
	slices.Sort(bare)
	slices.Sort(durable)
	noStore := bare[rounds/2]
	fmt.Printf("callbacks/s without the store   %8.0f\n", noStore)
	fmt.Printf("callbacks/s durable             %8.0f   %.2f of it\n", durable[rounds/2], durable[rounds/2]/noStore)

	rate := deliveryRate(t, s, mail)
	fmt.Printf("deliveries/s by SMTP            %8.0f   %.3f of it\n", rate, rate/noStore)

	p50, p99 := latency(t, s)
	fmt.Printf("callback to SMTP at 50/s        p50 %v, p99 %v\n", p50, p99)
	fmt.Printf("memory of the server            %s\n", memory(s.command.Process.Pid))
}

// started returns requests for callbacks that no rule matches.
func started(n int) [][]byte {
	return requests(n, func(form url.Values) { form.Set("RecordingStatus", "in-progress") })
}

func requests(n int, change func(url.Values)) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		form := completed("")
		change(form)
		all[i] = request(form)
	}
	return all
}

func measure(t *testing.T, addr string, connections int, all [][]byte) (perSecond float64) {
	t.Helper()
	accepted, took := pour(t, addr, connections, all)
	if accepted != len(all) {
		t.Fatalf("%d of %d callbacks were accepted", accepted, len(all))
	}
	return float64(accepted) / took.Seconds()
}

// deliveryRate measures from the first callback to the last acceptance. Nothing
// must have been sent before.
func deliveryRate(t *testing.T, s *server, mail *peers.Mail) (perSecond float64) {
	t.Helper()
	const n = 20_000
	all := requests(n, func(url.Values) {})
	start := time.Now()
	go pour(t, s.callbacks, 64, all)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, err := mail.Wait(ctx, n); err != nil {
		t.Fatal(err)
	}
	return n / time.Since(start).Seconds()
}

// latency measures from the sending of a callback to the acceptance of its
// email, at fifty callbacks a second.
func latency(t *testing.T, s *server) (p50, p99 time.Duration) {
	t.Helper()
	var mu sync.Mutex
	accepted := make(map[string]time.Time)
	mail, err := peers.NewMail(peers.MailConfig{OnMessage: func(e peers.Email) {
		at := time.Now()
		_, id, _ := strings.Cut(string(e.Raw), "Recording: ")
		id, _, _ = strings.Cut(id, "\r\n")
		mu.Lock()
		accepted[id] = at
		mu.Unlock()
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer mail.Close()
	s.writeConfig(loadConfig(mail, 16))
	resp, err := http.Post("http://"+s.admin+"/-/reload", "", nil)
	if err != nil || resp.StatusCode != http.StatusNoContent {
		t.Fatalf("reload: %v %v", resp, err)
	}
	const n = 500
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
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := mail.Wait(ctx, n); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	var took []time.Duration
	for id, at := range sent {
		took = append(took, accepted[id].Sub(at))
	}
	slices.Sort(took)
	return took[n/2], took[n*99/100]
}

// startWithoutStore runs this test binary as the server without a store.
func startWithoutStore(t *testing.T) (addr string) {
	t.Helper()
	addr = freeAddress(t)
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "RINGPOST_TEST_WITHOUT_STORE="+addr)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	command.Stderr = log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		log.Close()
	})
	eventually(t, "the server without a store listens", 10*time.Second, func() bool {
		resp, err := http.Get("http://" + addr)
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	return addr
}

// idle reports whether every callback is routed and every delivery finished.
func (s *server) idle() bool {
	var page struct {
		Callbacks []struct {
			RoutedAt *time.Time `json:"routed_at"`
		} `json:"callbacks"`
	}
	s.get("/api/callbacks?limit=1", &page)
	for _, cb := range page.Callbacks {
		if cb.RoutedAt == nil {
			return false
		}
	}
	for _, state := range []string{"queued", "sending", "retrying"} {
		if len(s.deliveries("state="+state)) > 0 {
			return false
		}
	}
	return true
}

func memory(pid int) string {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "unknown"
	}
	_, rss, _ := strings.Cut(string(status), "VmRSS:")
	rss, _, _ = strings.Cut(rss, "\n")
	return strings.TrimSpace(rss)
}
