package main_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"

	"ringpost/relay/peers"
)

// message is one email or SMS that a callback asks for.
type message struct{ channel, to, recording string }

// tally counts, for one scenario, what senders were told is stored and what the
// peers accepted. Its methods may be called at once.
type tally struct {
	scenario string

	mu           sync.Mutex
	acknowledged int
	wanted       map[message]bool     // by a callback that was acknowledged
	arrived      map[message][]string // the Message-ID or the id of each arrival
	ended        map[message]string   // the state of those that the contract lets end otherwise
	mayRepeat    int                  // emails
}

func newTally(scenario string) *tally {
	return &tally{
		scenario: scenario,
		wanted:   make(map[message]bool),
		arrived:  make(map[message][]string),
		ended:    make(map[message]string),
	}
}

// acknowledge notes that a callback was answered with 200, and what it asks for.
func (y *tally) acknowledge(wanted ...message) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.acknowledged++
	for _, m := range wanted {
		y.wanted[m] = true
	}
}

// email notes what the mail server accepted.
func (y *tally) email(e peers.Email) {
	content, err := e.Content()
	if err != nil {
		return // and is counted as lost
	}
	_, recording, _ := strings.Cut(content.Text, "Recording: ")
	recording, _, _ = strings.Cut(recording, "\n")
	y.arrive(message{"email", e.To[0], strings.TrimSpace(recording)}, content.MessageID)
}

// sms notes what the SignalWire API accepted.
func (y *tally) sms(s peers.SMS) {
	recording := s.Body[strings.LastIndexByte(s.Body, '/')+1:]
	y.arrive(message{"sms", s.To, strings.TrimSpace(recording)}, s.Sid)
}

func (y *tally) arrive(m message, id string) {
	y.mu.Lock()
	y.arrived[m] = append(y.arrived[m], id)
	y.mu.Unlock()
}

// allowRepeats says that n more emails may arrive twice: those that may have
// been on the wire, accepted and not yet recorded as such, when a process was
// killed or a connection cut.
func (y *tally) allowRepeats(n int) {
	y.mu.Lock()
	y.mayRepeat += n
	y.mu.Unlock()
}

// end notes that a message ended in that state, as the contract wants.
func (y *tally) end(m message, state string) {
	y.mu.Lock()
	y.ended[m] = state
	y.mu.Unlock()
}

// open returns how many messages of a channel are wanted and have neither
// arrived nor ended.
func (y *tally) open(channel string) (n int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for m := range y.wanted {
		if m.channel == channel && len(y.arrived[m]) == 0 && y.ended[m] == "" {
			n++
		}
	}
	return n
}

// times returns how often m has arrived.
func (y *tally) times(m message) int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return len(y.arrived[m])
}

// count is one line of the table.
type count struct {
	scenario      string
	acknowledged  int // callbacks
	messages      int // that they ask for
	delivered     int // of these: arrived, once or more
	dead, unknown int // of these: ended so, as the contract wants
	emailRepeated int // arrivals beyond the first
	smsRepeated   int
	lost          int // of these: neither arrived nor ended
}

func (y *tally) count() count {
	y.mu.Lock()
	defer y.mu.Unlock()
	c := count{scenario: y.scenario, acknowledged: y.acknowledged, messages: len(y.wanted)}
	for m := range y.wanted {
		switch {
		case len(y.arrived[m]) > 0:
			c.delivered++
		case y.ended[m] == "dead":
			c.dead++
		case y.ended[m] == "unknown":
			c.unknown++
		default:
			c.lost++
		}
	}
	for m, ids := range y.arrived {
		if m.channel == "sms" {
			c.smsRepeated += len(ids) - 1
		} else {
			c.emailRepeated += len(ids) - 1
		}
	}
	return c
}

// check fails the test where the count breaks a promise.
func (y *tally) check(t testing.TB) {
	t.Helper()
	c := y.count()
	if c.lost != 0 {
		t.Errorf("%d messages of acknowledged callbacks are lost, want 0", c.lost)
	}
	if c.smsRepeated != 0 {
		t.Errorf("%d SMS arrived again, want 0", c.smsRepeated)
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if c.emailRepeated > y.mayRepeat {
		t.Errorf("%d emails arrived again, want at most %d", c.emailRepeated, y.mayRepeat)
	}
	for m, ids := range y.arrived {
		if m.channel == "email" && len(slices.Compact(slices.Clone(ids))) > 1 {
			t.Errorf("the email about %s arrived as %q: want the same Message-ID", m.recording, ids)
		}
		if state := y.ended[m]; state == "dead" {
			t.Errorf("the %s about %s arrived and is %s", m.channel, m.recording, state)
		}
	}
}

// counted is what all scenarios of this run counted.
var counted results

type results struct {
	mu    sync.Mutex
	lines []count
}

func (r *results) add(c count) {
	r.mu.Lock()
	r.lines = append(r.lines, c)
	r.mu.Unlock()
}

// table shows the scenarios in the order of their names; empty where there are
// none.
func (r *results) table() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.lines) == 0 {
		return ""
	}
	slices.SortFunc(r.lines, func(a, b count) int { return strings.Compare(a.scenario, b.scenario) })
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "acknowledged\tmessages\tdelivered\tdead\tunknown\temail again\tSMS again\tlost\t\t")
	for _, c := range r.lines {
		fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\t  %s\n", c.acknowledged, c.messages, c.delivered,
			c.dead, c.unknown, c.emailRepeated, c.smsRepeated, c.lost, c.scenario)
	}
	w.Flush()
	return "\nAcknowledged callbacks, and what became of the messages they ask for:\n" + b.String()
}
