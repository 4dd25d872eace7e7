package catchup_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"ringpost/relay/callback"
	"ringpost/relay/catchup"
	"ringpost/relay/metrics"
	"ringpost/relay/peers"
	"ringpost/relay/signalwire"
	"ringpost/relay/store"
	"ringpost/relay/store/storetest"
)

// world is a store and the API that is asked, whose clock can be put forward.
type world struct {
	t        *testing.T
	location string
	store    *store.Store
	metrics  *metrics.Metrics
	api      *peers.SignalWire
	began    time.Time
	ahead    atomic.Int64 // of the API's clock, in nanoseconds: it moves by hand alone
	hook     atomic.Pointer[peers.Hook]
}

// promise runs keep with a world for each kind of store.
func promise(t *testing.T, keep func(t *testing.T, w *world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, location string) { keep(t, newWorld(t, location)) })
}

func newWorld(t *testing.T, location string) *world {
	t.Helper()
	w := &world{t: t, location: location, metrics: metrics.New("test"), began: time.Now().Truncate(time.Second)}
	var err error
	w.api, err = peers.NewSignalWire(peers.SignalWireConfig{Project: "AC1", Token: "t", Now: w.now,
		Hook: func(ctx context.Context, step peers.Step, subject string) error {
			if h := w.hook.Load(); h != nil {
				return (*h)(ctx, step, subject)
			}
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.api.Close() })
	w.store = w.open()
	return w
}

func (w *world) open() *store.Store {
	w.t.Helper()
	s, err := store.Open(w.t.Context(), w.location, slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { s.Close() })
	return s
}

// now is the time by the API's clock.
func (w *world) now() time.Time { return w.began.Add(time.Duration(w.ahead.Load())) }

// config looks for late recordings and, after four hours, for missing ones.
func (w *world) config() catchup.Config {
	w.t.Helper()
	client, err := signalwire.New(signalwire.Config{APIURL: w.api.URL, Project: "AC1", Token: "t"})
	if err != nil {
		w.t.Fatal(err)
	}
	return catchup.Config{Client: client, Project: "AC1", Space: "example.signalwire.com", Every: 5 * time.Minute,
		MissingAfter: 4 * time.Hour, Keep: 24 * time.Hour}
}

// watch is a watch of a process that just started.
func (w *world) watch(c catchup.Config) *catchup.Watch {
	watch := catchup.New(w.store, w.metrics, slog.New(slog.DiscardHandler))
	watch.Follow(c)
	return watch
}

// look looks once, which must succeed.
func (w *world) look(watch *catchup.Watch) {
	w.t.Helper()
	if err := watch.Look(w.t.Context()); err != nil {
		w.t.Fatalf("Look() = %v", err)
	}
}

// list makes the API list n recordings, of which one ended every step up to now.
func (w *world) list(name string, n int, step time.Duration) {
	for i := range n {
		ended := w.now().Add(-time.Duration(i) * step)
		w.api.List(peers.Recording{Sid: fmt.Sprint(name, i), Call: "CA1", Status: "completed", Source: "DialVerb", Length: 42 * time.Second,
			Began: ended.Add(-42 * time.Second)})
	}
}

// post stores the callback that a sender posts.
func (w *world) post(recording, status string, ago time.Duration) (stored bool) {
	w.t.Helper()
	cb := &callback.Callback{AccountSid: "AC1", RecordingSid: recording, RecordingStatus: status, CallSid: "CA1", RecordingSource: "DialVerb",
		Query: map[string]string{"agent": "alice"}, ReceivedAt: time.Now().Add(-ago)}
	if status == "completed" {
		cb.RecordingUrl = "https://example.com/" + recording
	}
	stored, err := w.store.Add(w.t.Context(), cb)
	if err != nil {
		w.t.Fatal(err)
	}
	return stored
}

// received is what was received, as RECORDING STATUS, followed by "late" where it
// was found.
func (w *world) received() (all []string) {
	w.t.Helper()
	list, err := w.store.Callbacks(w.t.Context(), store.Filter{Limit: 2000})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, cb := range list {
		one := cb.RecordingSid + " " + cb.RecordingStatus
		if cb.Late {
			one += " late"
		}
		all = append(all, one)
	}
	slices.Sort(all)
	return all
}

// want checks what was received.
func (w *world) want(when string, want ...string) {
	w.t.Helper()
	want = slices.Sorted(slices.Values(want))
	got := w.received()
	among := func(list []string) func(string) bool {
		return func(one string) bool { return slices.Contains(list, one) }
	}
	more, less := slices.DeleteFunc(slices.Clone(got), among(want)), slices.DeleteFunc(slices.Clone(want), among(got))
	if !slices.Equal(got, want) {
		w.t.Errorf("%s: received %d callbacks, want %d; received and not wanted are %q, wanted and not received %q", when, len(got), len(want), more, less)
	}
}

// late is what n recordings of that name look like that were found, from the
// first one on.
func late(name string, first, n int) (all []string) {
	for i := first; i < n; i++ {
		all = append(all, fmt.Sprint(name, i, " completed late"))
	}
	return all
}

// counted is how often recordings were found late.
func (w *world) counted() float64 {
	w.t.Helper()
	var out dto.Metric
	if err := w.metrics.Late.WithLabelValues("completed").Write(&out); err != nil {
		w.t.Fatal(err)
	}
	return out.GetCounter().GetValue()
}
