package main_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"ringpost/relay/peers"
	"ringpost/relay/store/storetest"
)

var (
	load     = flag.Bool("load", false, "measure the built server under load")
	loadRows = flag.Int("rows", 1_000_000, "with -load: how many deliveries wait, and how many are finished, where growth is measured")
)

// storeKind is a kind of store under test, and what is asked of it.
type storeKind struct {
	name     string
	durable  float64 // callbacks a second, as a part of those without a store
	draining float64 // deliveries a second, as a part of what a bare loop sends
	whole    float64 // the same with intake, as a part of callbacks without a store; 0 is not asked
	p50, p99 float64 // from callback to acceptance, in milliseconds; 0 is not asked
}

// storeKinds returns the stores that this machine can be asked about.
func storeKinds() []storeKind {
	kinds := []storeKind{{name: "sqlite", durable: 0.45, draining: 0.6, whole: 0.08, p50: 2, p99: 6}}
	if os.Getenv(storetest.Variable) != "" {
		kinds = append(kinds, storeKind{name: "postgres", durable: 0.40, draining: 0.5, p50: 4})
	}
	return kinds
}

// freshStore returns the URL of an empty store, which is gone with the test.
func freshStore(t *testing.T, kind string) (url string) {
	t.Helper()
	switch kind {
	case "sqlite":
		return "sqlite:" + t.TempDir() + "/ringpost.db"
	case "postgres":
		return storetest.Postgres(t)
	}
	t.Fatalf("no fresh store of kind %q can be made here", kind)
	return ""
}

// TestLoad prints what was measured beside what is asked for. A figure that
// falls short is no failure, since machines differ and are noisy; it fails where
// something is not accepted or not delivered.
//
// Load, mail server and server share the machine, so that only ratios within
// one run say something. What is compared is measured in turns, and the round in
// the middle counts.
func TestLoad(t *testing.T) {
	if !*load {
		t.Skip("a measurement: run it with -load")
	}
	r := new(report)
	defer r.print(os.Stdout) // also what was measured before a failure
	measureRules(t, r)
	withoutStore := startWithoutStore(t)
	for _, kind := range storeKinds() {
		r.section(kind.name)
		in := newInbox(t)
		s := newServerOn(t, t.TempDir(), freshStore(t, kind.name), loadConfig(in.Mail))
		s.start()
		measureIdle(r, s)
		noStore := measureIntake(t, r, kind, s, withoutStore)
		measureDelivery(t, r, kind, s, in, noStore)
		measureLatency(t, r, kind, s, in)
		r.note("memory after that", "%.0f MB", memory(s))
		if err := s.terminate(); err != nil {
			t.Fatal(err)
		}
		measureGrowth(t, r, kind)
		measurePages(t, r, kind)
	}
}

// loadConfig has twenty rules, of which the first matches what is finished.
func loadConfig(mail *peers.Mail) string {
	var b strings.Builder
	b.WriteString(toMail(mail, loadConnections) + `
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

// measureIdle measures a server that has nothing to do.
func measureIdle(r *report, s *server) {
	const span = 10 * time.Second
	before := cpuTime(s)
	<-time.After(span)
	r.atMost("idle: part of a core", "%.2f %%", 0.5, 100*(cpuTime(s)-before).Seconds()/span.Seconds())
	r.atMost("idle: memory", "%.0f MB", 30, memory(s))
}
