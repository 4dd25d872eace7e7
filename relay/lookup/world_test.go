package lookup_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"ringpost/relay/callback"
	"ringpost/relay/channel"
	"ringpost/relay/deliver"
	"ringpost/relay/lookup"
	"ringpost/relay/metrics"
	"ringpost/relay/peers"
	"ringpost/relay/render"
	"ringpost/relay/route"
	"ringpost/relay/rules"
	"ringpost/relay/signalwire"
	"ringpost/relay/store"
	"ringpost/relay/store/storetest"
)

// patience is how long something may take on a loaded machine.
const patience = 20 * time.Second

// world is a store, the API that is asked, and a mailbox.
type world struct {
	t        *testing.T
	location string
	api      *peers.SignalWire
	hook     atomic.Pointer[peers.Hook]
	asked    atomic.Int64 // questions about calls
	mail     mailbox
	plan     *route.Plan
}

// mailbox is a channel that accepts everything.
type mailbox struct {
	mu    sync.Mutex
	texts []string
}

func (m *mailbox) Send(_ context.Context, message *channel.Message) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.texts = append(m.texts, message.To+": "+message.Text)
	return "id", nil
}

func (m *mailbox) Close() error { return nil }

func (m *mailbox) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(slices.Values(m.texts))
}

// promise runs keep with a world for each kind of store.
func promise(t *testing.T, keep func(t *testing.T, w *world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, location string) { keep(t, newWorld(t, location)) })
}

func newWorld(t *testing.T, location string) *world {
	t.Helper()
	w := &world{t: t, location: location}
	var err error
	w.api, err = peers.NewSignalWire(peers.SignalWireConfig{Project: "AC1", Token: "t",
		Hook: func(ctx context.Context, step peers.Step, subject string) error {
			if step == peers.DescribeCall {
				w.asked.Add(1)
			}
			if h := w.hook.Load(); h != nil {
				return (*h)(ctx, step, subject)
			}
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.api.Close() })
	w.api.Ring(peers.Call{Sid: "CA1", From: "+15550100002", To: "+15550100001", Direction: "inbound"})
	w.plan = newPlan(t, "caller")
	return w
}

// newPlan tells carol of every recording, and whoever was called of completed
// ones of a call, with that template, unless it was a test.
func newPlan(t *testing.T, template string) *route.Plan {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"caller": "{{.RecordingSid}}: {{if .Call.Known}}{{.Call.From}} called{{else}}somebody called{{end}}",
		"other":  "{{.RecordingSid}}: other words",
		"plain":  "{{.RecordingSid}}",
	} {
		if err := os.WriteFile(filepath.Join(dir, name+".sms.txt"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	book := rules.Book{Contacts: map[string]rules.Contact{"alice": {Phone: "+15550100001"}}, Channels: map[string]string{"sms": render.SMS}}
	templates, errs := book.Numbers().Load(dir)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	set, problems := rules.Compile([]rules.Rule{
		{Name: "all", All: true, Send: []rules.Send{{Via: "sms", To: rules.Patterns{"+15550100003"}, Template: "plain"}}},
		{Name: "called", Conditions: rules.Conditions{Status: rules.Patterns{"completed"}, Source: rules.Patterns{"DialVerb"}},
			Unless: &rules.Conditions{From: rules.Patterns{"+15550100666"}},
			Send:   []rules.Send{{Via: "sms", To: rules.Patterns{"{{contact .Call.To}}"}, Template: template}}},
	}, book)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return &route.Plan{Rules: set, Templates: templates, LookUp: time.Minute}
}

// node is a process of a world.
type node struct {
	*world
	store   *store.Store
	router  *route.Router
	lookups *lookup.Lookups
	metrics *metrics.Metrics
	stop    func()
}

// start starts a process that asks about calls, unless it is deaf.
func (w *world) start(deaf ...bool) *node {
	w.t.Helper()
	log := slog.New(slog.DiscardHandler)
	s, err := store.Open(w.t.Context(), w.location, log)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	n := &node{world: w, store: s, metrics: metrics.New("test")}
	d := deliver.New(ctx, s, n.metrics, log)
	policy := deliver.Policy{FirstRetry: time.Second, MaxRetry: time.Minute, GiveUpAfter: time.Hour}
	if err := d.Configure(ctx, policy, map[string]deliver.Channel{"sms": {Channel: &w.mail, Workers: 4, Prefetch: 64}}); err != nil {
		w.t.Fatal(err)
	}
	n.router = route.NewRouter(s, d, n.metrics, log, w.plan)
	n.lookups = lookup.New(s, n.router, n.metrics, log)
	if len(deaf) == 0 {
		n.follow()
	}
	var running sync.WaitGroup
	running.Go(func() { n.router.Run(ctx) })
	running.Go(func() { n.lookups.Run(ctx) })
	n.stop = sync.OnceFunc(func() {
		stop()
		running.Wait()
		d.Drain()
		if err := s.Close(); err != nil {
			w.t.Errorf("Close() = %v", err)
		}
	})
	w.t.Cleanup(n.stop)
	return n
}

// follow has the node ask the API.
func (n *node) follow() {
	n.t.Helper()
	client, err := signalwire.New(signalwire.Config{APIURL: n.api.URL, Project: "AC1", Token: "t"})
	if err != nil {
		n.t.Fatal(err)
	}
	n.lookups.Follow(client)
}

// post stores the callback of a recording of that call; of none, it asks for
// nothing.
func (n *node) post(recording, call string) {
	n.t.Helper()
	cb := aCallback(recording)
	cb.CallSid = call
	if call == "" {
		cb.CallSid, cb.RecordingSource = "CA1", "Trunking"
	}
	if stored, err := n.store.Add(n.t.Context(), cb); err != nil || !stored {
		n.t.Fatalf("Add(%s) = %v, %v", recording, stored, err)
	}
}

// aCallback is one that wants to know of its call.
func aCallback(recording string) *callback.Callback {
	return &callback.Callback{AccountSid: "AC1", RecordingSid: recording, RecordingStatus: "completed", CallSid: "CA1", RecordingSource: "DialVerb",
		RecordingUrl: "https://example.com/" + recording, ReceivedAt: time.Now()}
}

// eventually waits until ok returns true.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			w.t.Fatalf("not in %v: %s; sent is %q", patience, what, w.mail.all())
		}
	}
}

// arrives waits for messages, which must be all there are.
func (w *world) arrives(want ...string) {
	w.t.Helper()
	slices.Sort(want)
	w.eventually(fmt.Sprintf("%d messages", len(want)), func() bool { return len(w.mail.all()) >= len(want) })
	if got := w.mail.all(); !slices.Equal(got, want) {
		w.t.Errorf("sent is %q, want %q", got, want)
	}
}

// stored is the callback of a recording.
func (n *node) stored(recording string) store.Stored {
	n.t.Helper()
	list, err := n.store.Callbacks(n.t.Context(), store.Filter{Recording: recording, Limit: 1})
	if err != nil || len(list) != 1 {
		n.t.Fatalf("Callbacks(%s) = %v, %v", recording, list, err)
	}
	return list[0]
}

// waiting is the look-up of a recording's callback, once there is one.
func (n *node) waiting(recording string) *store.Lookup {
	n.t.Helper()
	var l *store.Lookup
	n.eventually(recording+" waits for its call", func() bool {
		var err error
		if l, err = n.store.Lookup(n.t.Context(), n.stored(recording).ID); err != nil {
			n.t.Fatal(err)
		}
		return l != nil
	})
	return l
}

// counted is how often questions came to that result.
func (n *node) counted(result string) float64 {
	n.t.Helper()
	var out dto.Metric
	if err := n.metrics.Lookups.WithLabelValues(result).Write(&out); err != nil {
		n.t.Fatal(err)
	}
	return out.GetCounter().GetValue()
}

// interfere has the API ask hook about each question.
func (w *world) interfere(hook func(ctx context.Context, call string) error) {
	if hook == nil {
		w.hook.Store(nil)
		return
	}
	h := peers.Hook(func(ctx context.Context, step peers.Step, subject string) error {
		if step != peers.DescribeCall {
			return nil
		}
		return hook(ctx, subject)
	})
	w.hook.Store(&h)
}

// hangs says nothing until the API is closed.
func hangs(ctx context.Context, _ string) error {
	<-ctx.Done()
	return peers.ErrCut
}

// newWorldOnPostgres runs keep with a world whose store nodes can share.
func newWorldOnPostgres(t *testing.T, keep func(*world)) {
	t.Helper()
	keep(newWorld(t, storetest.Postgres(t)))
}
