// Package history writes down what a process knows only of itself and for now:
// how often something happened, and which requests were refused. Nothing is
// counted for it where things happen: every few seconds, and once more when the
// service stops, it takes what the metrics' counters have grown by. A crash loses
// at most those seconds of it, and no fact: callbacks and deliveries are in the
// store before they count.
package history

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"ringpost/relay/intake"
	"ringpost/relay/metrics"
	"ringpost/relay/store"
)

// writeEvery is how often something is written, if there is anything.
const writeEvery = 5 * time.Second

// History writes to the store what happens in one process.
type History struct {
	store    *store.Store
	counters []counter
	refused  func(after uint64) (list []intake.Refusal, count uint64)
	log      *slog.Logger

	mu      sync.Mutex            // and what it guards
	written map[store.Tally]int64 // how often, by What, Name and Result
	seen    uint64                // how many of the refused requests
}

// counter is one of the metrics, and which of its labels tell what.
type counter struct {
	metric       prometheus.Collector
	what         string
	name, result string // labels
}

// New returns a history of what m counts and of the requests that were refused,
// as [intake.Intake.Refused] tells them.
func New(s *store.Store, m *metrics.Metrics, refused func(after uint64) ([]intake.Refusal, uint64), log *slog.Logger) *History {
	return &History{store: s, refused: refused, log: log, written: make(map[store.Tally]int64), counters: []counter{
		{m.Callbacks, "callback", "status", "result"},
		{m.Deliveries, "delivery", "channel", "result"},
		{m.RuleMatches, "rule", "rule", ""},
	}}
}

// Run writes now and then, until ctx ends. What happens after that is left to
// [History.Write].
func (h *History) Run(ctx context.Context) {
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// What is cut off may be written all the same, and then twice.
		if err := h.Write(context.WithoutCancel(ctx)); err != nil {
			h.log.Warn("counts and refused requests are not written down yet: they will be", "err", err)
		}
	}
}

// Write writes what has happened since the last time.
func (h *History) Write(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	grown, now := h.grown()
	if len(grown) > 0 {
		if err := h.store.AddTallies(ctx, grown); err != nil {
			return err
		}
		h.written = now
	}
	list, seen := h.refused(h.seen)
	refusals := make([]store.Refusal, len(list))
	for i, r := range list {
		refusals[i] = store.Refusal{At: r.At, Status: r.Status, Reason: r.Reason, Request: r.Request}
	}
	if err := h.store.KeepRefusals(ctx, refusals); err != nil {
		return err
	}
	h.seen = seen
	return nil
}

// grown returns what the counters have grown by since they were written, and how
// they stand.
func (h *History) grown() (grown []store.Tally, now map[store.Tally]int64) {
	now = make(map[store.Tally]int64, len(h.written))
	at := h.store.Now()
	for _, c := range h.counters {
		for t, n := range c.read() {
			now[t] = n
			if more := n - h.written[t]; more > 0 {
				t.N, t.At, t.LastAt = more, at, at
				grown = append(grown, t)
			}
		}
	}
	return grown, now
}

// read returns how the counter stands for all of its labels.
func (c counter) read() map[store.Tally]int64 {
	metrics := make(chan prometheus.Metric)
	go func() {
		c.metric.Collect(metrics)
		close(metrics)
	}()
	all := make(map[store.Tally]int64)
	for m := range metrics {
		var out dto.Metric
		if m.Write(&out) != nil {
			continue // a counter has no way to fail
		}
		t := store.Tally{What: c.what}
		for _, label := range out.GetLabel() {
			switch label.GetName() {
			case c.name:
				t.Name = label.GetValue()
			case c.result:
				t.Result = label.GetValue()
			}
		}
		all[t] = int64(out.GetCounter().GetValue())
	}
	return all
}
