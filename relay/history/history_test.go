package history_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringpost/relay/history"
	"ringpost/relay/intake"
	"ringpost/relay/metrics"
	"ringpost/relay/store"
	"ringpost/relay/store/storetest"
)

// process is what happens in one process, and the store that it is written to.
type process struct {
	t       *testing.T
	store   *store.Store
	metrics *metrics.Metrics
	history *history.History
	refused []intake.Refusal
}

func newProcess(t *testing.T, location string) *process {
	t.Helper()
	s, err := store.Open(t.Context(), location, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	p := &process{t: t, store: s, metrics: metrics.New("test")}
	p.history = history.New(s, p.metrics, func(after uint64) ([]intake.Refusal, uint64) {
		return p.refused[after:], uint64(len(p.refused))
	}, slog.New(slog.DiscardHandler))
	return p
}

func sqlite(t *testing.T) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "ringpost.db")
}

func (p *process) write() {
	p.t.Helper()
	if err := p.history.Write(p.t.Context()); err != nil {
		p.t.Fatalf("Write() = %v", err)
	}
}

// check compares what the store says with what has happened.
func (p *process) check(want string, refused ...string) {
	p.t.Helper()
	var got []string
	for _, what := range []string{"callback", "delivery", "rule"} {
		totals, err := p.store.Totals(p.t.Context(), what, p.store.Now().Add(-time.Hour))
		if err != nil {
			p.t.Fatal(err)
		}
		for _, c := range totals {
			got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", c.What, c.Name, c.Result))+fmt.Sprintf(" %d", c.N))
			if ago := p.store.Now().Sub(c.LastAt); ago < 0 || ago > time.Minute {
				p.t.Errorf("%+v was last %v ago, want just now", c, ago)
			}
		}
	}
	if got := strings.Join(got, ", "); got != want {
		p.t.Errorf("counted: got %s, want %s", got, want)
	}
	kept, err := p.store.Refusals(p.t.Context())
	if err != nil || len(kept) != len(refused) {
		p.t.Fatalf("Refusals() = %+v, %v, want %q", kept, err, refused)
	}
	for i, r := range kept {
		if r.Reason != refused[i] || string(r.Request) != "POST "+refused[i] || r.Status != 403 {
			p.t.Errorf("refused: got %+v, want %s", r, refused[i])
		}
	}
}

func (p *process) refuse(reason string) {
	p.refused = append(p.refused, intake.Refusal{At: time.Now(), Status: 403, Reason: reason, Request: []byte("POST " + reason)})
}

func TestWhatHasHappenedSinceTheLastTimeIsWritten(t *testing.T) {
	p := newProcess(t, sqlite(t))
	p.write()
	p.check("")
	p.metrics.Callbacks.WithLabelValues("completed", "stored").Add(3)
	p.metrics.Deliveries.WithLabelValues("email", "delivered").Inc()
	p.metrics.RuleMatches.WithLabelValues("managers, and others").Add(2)
	p.refuse("one")
	p.write()
	p.write()
	p.check("callback completed stored 3, delivery email delivered 1, rule managers, and others 2", "one")
	p.metrics.Callbacks.WithLabelValues("completed", "stored").Inc()
	p.metrics.Callbacks.WithLabelValues("unknown", "bad_signature").Inc()
	p.refuse("two")
	p.refuse("three")
	p.write()
	p.check("callback completed stored 4, callback unknown bad_signature 1, delivery email delivered 1, rule managers, and others 2",
		"three", "two", "one")
}

func TestProcessesAddToWhatOthersHaveWritten(t *testing.T) {
	location := sqlite(t)
	for want := 1; want <= 3; want++ {
		p := newProcess(t, location)
		p.metrics.Deliveries.WithLabelValues("sms", "dead").Inc()
		p.write()
		p.check(fmt.Sprintf("delivery sms dead %d", want))
		if err := p.store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestItIsWrittenEveryFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t, sqlite(t))
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		go func() { p.history.Run(ctx); close(stopped) }()
		for i := range 3 {
			p.metrics.RuleMatches.WithLabelValues("r").Inc()
			time.Sleep(5 * time.Second)
			synctest.Wait()
			p.check(fmt.Sprintf("rule r %d", i+1))
		}
		p.metrics.RuleMatches.WithLabelValues("r").Inc()
		cancel()
		<-stopped
		p.check("rule r 3")
		p.write()
		p.check("rule r 4")
	})
}

func TestWhatCannotBeWrittenIsWrittenLaterAndOnce(t *testing.T) {
	proxy, url := storetest.NewProxy(t, storetest.Postgres(t))
	p := newProcess(t, url)
	p.metrics.Callbacks.WithLabelValues("completed", "stored").Add(3)
	p.refuse("one")
	proxy.Refuse()
	if err := p.history.Write(t.Context()); err == nil {
		t.Error("Write() without a database = nil, want an error")
	}
	p.metrics.Callbacks.WithLabelValues("completed", "stored").Inc()
	p.refuse("two")
	proxy.Restore()
	p.write()
	p.check("callback completed stored 4", "two", "one")
}
