package main_test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringpost/relay/peers"
)

// patience is how long a scenario waits for what must come. It is long because
// the machine may be busy with other things.
const patience = 2 * time.Minute

// workers is how many messages a channel sends at once in the scenarios.
const workers = 4

// trouble is a hook that can be changed while its peer runs. The zero value
// makes none.
type trouble struct{ hook atomic.Pointer[peers.Hook] }

func (r *trouble) begin(hook peers.Hook) { r.hook.Store(&hook) }
func (r *trouble) heal()                 { r.hook.Store(nil) }

func (r *trouble) ask(ctx context.Context, step peers.Step, subject string) error {
	if hook := r.hook.Load(); hook != nil {
		return (*hook)(ctx, step, subject)
	}
	return nil
}

// scenario is a server between a mail server and a SignalWire API, both of which
// can be put in trouble, and the tally of what came of the callbacks. Every
// callback asks for an email and an SMS.
type scenario struct {
	*tally
	t          *testing.T
	mail       *peers.Mail
	api        *peers.SignalWire
	mailServer trouble
	smsAPI     trouble
	server     *server
	next       func() *server // gets the next callback
	afterwards time.Duration  // between a peer's acceptance of a message and its answer
	mayDie     func(message) bool
	posted     atomic.Int64
}

// settings is what a configuration says that the usual one does not, part by
// part.
type settings struct{ delivery, email, sms, rules string }

// usualRules send to whom the callback's URL names.
const usualRules = `
[[rule]]
name = "finished"
status = "completed"
send = [
  { via = "email", to = ["{{.Query.mailbox}}"], template = "recording" },
  { via = "sms", to = ["{{.Query.agent}}"], template = "recording" },
]
`

// newScenario prepares a scenario under the name that the table of all shows.
func newScenario(t *testing.T, name string, set settings) *scenario {
	t.Helper()
	return newScenarioIn(t, t.TempDir(), name, set)
}

// newScenarioIn puts the server's files into dir.
func newScenarioIn(t *testing.T, dir, name string, set settings) *scenario {
	t.Helper()
	s := &scenario{tally: newTally(name), t: t, mayDie: func(message) bool { return false }}
	t.Cleanup(func() { counted.add(s.count()) })
	var err error
	s.mail, err = peers.NewMail(peers.MailConfig{Username: "relay", Password: "secret", Hook: s.mailServer.ask,
		OnMessage: func(e peers.Email) { s.email(e); s.hesitate() }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.mail.Close() })
	s.api, err = peers.NewSignalWire(peers.SignalWireConfig{Project: "p", Token: "t", Hook: s.smsAPI.ask, Keep: 200_000,
		OnMessage: func(m peers.SMS) { s.sms(m); s.hesitate() }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.api.Close() })
	s.server = newServer(t, dir, s.config(set))
	s.next = func() *server { return s.server }
	return s
}

func (s *scenario) hesitate() {
	if s.afterwards > 0 {
		<-time.After(s.afterwards)
	}
}

// config returns a configuration without the server's addresses and store.
func (s *scenario) config(set settings) string {
	return fmt.Sprintf(`
[signalwire]
space = "example.signalwire.com"
project = "p"
token = "t"
api_url = %q
signing_keys = [%q]
[delivery]
%s
[channel.email]
host = %q
port = %d
tls = "none"
username = "relay"
password = "secret"
from = "Call recordings <recordings@example.com>"
%s
[channel.sms]
from = "+15550100000"
%s
%s
`, s.api.URL, signingKey, cmp.Or(set.delivery, `first_retry = "500ms"`), s.mail.Host, s.mail.Port,
		cmp.Or(set.email, fmt.Sprintf("connections = %d", workers)),
		cmp.Or(set.sms, fmt.Sprintf("connections = %d", workers)), cmp.Or(set.rules, usualRules))
}

// start starts a scenario's server.
func (s *scenario) start() *scenario {
	s.t.Helper()
	s.server.start()
	return s
}

// order is one callback to be posted and what is to come of it.
type order struct {
	recording string
	query     string
	wanted    []message
}

// orderFor returns a callback about a new recording, for that mailbox and that
// number.
func (s *scenario) orderFor(mailbox, number string) order {
	recording := fmt.Sprintf("recording-%d", s.posted.Add(1))
	return order{
		recording: recording,
		query:     "?" + url.Values{"mailbox": {mailbox}, "agent": {number}}.Encode(),
		wanted:    []message{{"email", mailbox, recording}, {"sms", number, recording}},
	}
}

// anOrder returns a callback about a new recording, for one of many people.
func (s *scenario) anOrder() order {
	n := s.posted.Load() % 1000
	return s.orderFor(fmt.Sprintf("agent%d@example.com", n), fmt.Sprintf("+1555020%04d", n))
}

// post posts n callbacks that must be accepted at once.
func (s *scenario) post(n int) {
	s.t.Helper()
	for range n {
		s.postOne(s.anOrder())
	}
}

func (s *scenario) postOne(o order) {
	s.t.Helper()
	s.server.mustPost(completed(o.recording), o.query)
	s.acknowledge(o.wanted...)
}

// load posts callbacks at a steady rate until stop is called. Each is posted
// again until it is acknowledged, as senders do; stop waits for that.
func (s *scenario) load(perSecond int) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var posts sync.WaitGroup
	posts.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(perSecond))
		defer tick.Stop()
		for ctx.Err() == nil {
			o := s.anOrder()
			posts.Go(func() { s.insist(o) })
			<-tick.C
		}
	})
	return func() {
		cancel()
		posts.Wait()
	}
}

// insist posts o, to whichever server is next, until it is acknowledged or the
// test's patience ends.
func (s *scenario) insist(o order) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
		if status, err := s.next().post(completed(o.recording), o.query); err == nil && status == http.StatusOK {
			s.acknowledge(o.wanted...)
			return
		}
	}
	s.t.Errorf("the callback about %s was never accepted", o.recording)
}

// whileDown posts callbacks while the peer of one channel does what hook says.
// Messages of the other channel arrive meanwhile, and none of that one. Once
// attempts have failed the peer heals: then all arrive.
func (s *scenario) whileDown(peer *trouble, hook peers.Hook, down, other string) {
	s.t.Helper()
	peer.begin(hook)
	s.start()
	const callbacks = 20
	s.post(callbacks)
	s.arrives(other)
	s.fails(down)
	if got := s.open(down); got != callbacks {
		s.t.Errorf("%d of %d messages of channel %s wait, want all", got, callbacks, down)
	}
	s.post(callbacks)
	s.arrives(other)
	peer.heal()
	s.settle()
}

// arrives waits until every message that a channel is to deliver has arrived.
func (s *scenario) arrives(channel string) {
	s.t.Helper()
	eventually(s.t, "all of channel "+channel+" arrives", patience, func() bool { return s.open(channel) == 0 })
}

// fails waits until an attempt of the channel has failed, or the channel is
// known to be down.
func (s *scenario) fails(channel string) {
	s.t.Helper()
	eventually(s.t, "channel "+channel+" fails", patience, func() bool {
		for _, d := range s.server.deliveries("channel=" + channel) {
			if d.LastError != "" {
				return true
			}
		}
		return false
	})
}

// settle waits until nothing is to be done any more, and checks what was
// counted. Messages that mayDie says may be dead are not lost then.
func (s *scenario) settle() {
	s.t.Helper()
	eventually(s.t, "the queue is empty", patience, func() bool { return s.server.idle() })
	for _, state := range []string{"dead", "unknown"} {
		for _, d := range s.server.deliveries("state=" + state) {
			m := message{d.Channel, d.To, d.Recording}
			if s.mayDie(m) {
				s.end(m, state)
			} else {
				s.t.Errorf("the %s about %s is %s: %s", d.Channel, d.Recording, state, d.LastError)
			}
		}
	}
	s.check(s.t)
}
