package demo

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"ringpost/relay/peers"
)

// scene is one callback of the story and what it leads to.
type scene struct {
	title    string
	id       string // of the recording
	state    string
	source   string
	duration string // seconds
	query    string // with its question mark
	tampered bool   // changed after it was signed

	status        int // of the answer
	remark        string
	explain       bool // print how the rules decide, though nothing is sent
	emails, texts int
}

var story = []scene{
	{title: "A call that Alice took was recorded", id: "rec-1", state: "completed", source: "DialVerb", duration: "94",
		query: "?agent=alice", status: http.StatusOK, emails: 2, texts: 1},
	{title: "SignalWire repeats the callback, as it does when an answer is lost", id: "rec-1", state: "completed",
		source: "DialVerb", duration: "94", query: "?agent=alice", status: http.StatusOK, remark: ": nobody is told twice"},
	{title: "Somebody changes a signed callback", id: "rec-2", state: "completed", source: "DialVerb", duration: "30",
		tampered: true, status: http.StatusForbidden, remark: ": its signature does not verify"},
	{title: "Bob's call of three seconds was recorded", id: "rec-3", state: "completed", source: "DialVerb", duration: "3",
		query: "?agent=bob", status: http.StatusOK, texts: 1},
	{title: "A voicemail was silent", id: "rec-4", state: "absent", source: "RecordVerb", status: http.StatusOK, emails: 1},
	{title: "A conference began to be recorded", id: "rec-5", state: "in-progress", source: "Conference",
		status: http.StatusOK, explain: true},
}

// fields returns the callback's fields under the sender's names. The recording is
// at url.
func (s scene) fields(url string) map[string]string {
	const account = "b3877c40-da60-4998-90ad-b792e98472af"
	return map[string]string{
		"AccountSid":        account,
		"CallSid":           "43bb71ee-553f-4074-bb20-8e2747647cce",
		"RecordingSid":      s.id,
		"RecordingStatus":   s.state,
		"RecordingSource":   s.source,
		"RecordingDuration": s.duration,
		"RecordingUrl":      url,
	}
}

func (s scene) queryValues() map[string]string {
	values := make(map[string]string)
	parsed, err := url.ParseQuery(strings.TrimPrefix(s.query, "?"))
	if err != nil {
		panic(err) // the story is a constant
	}
	for name := range parsed {
		values[name] = parsed.Get(name)
	}
	return values
}

// length returns how long the recording is.
func (s scene) length() time.Duration {
	seconds, err := strconv.Atoi(cmp.Or(s.duration, "0"))
	if err != nil {
		panic(err) // the story is a constant
	}
	return time.Duration(seconds) * time.Second
}

// printer prints what comes from several places, one after the other.
type printer struct {
	mu sync.Mutex
	w  io.Writer
}

func (p *printer) printf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, format, args...)
}

func (p *printer) email(e peers.Email) {
	content, err := e.Content()
	if err != nil {
		p.printf("← an email to %s that cannot be read: %v\n", strings.Join(e.To, ", "), err)
		return
	}
	p.printf("← email to %s: %s\n%s", strings.Join(e.To, ", "), content.Subject, indent(content.Text))
}

func (p *printer) sms(s peers.SMS) {
	p.printf("← SMS to %s\n%s", s.To, indent(s.Body))
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(text) + "\n") {
		b.WriteString("    │ " + line)
	}
	return b.String()
}
