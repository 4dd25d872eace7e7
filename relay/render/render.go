// Package render turns a callback and the name of a template into the words
// that are sent.
//
// A template NAME has up to three files: NAME.email.txt, whose first line is
// the subject, NAME.email.html, and NAME.sms.txt. Built-in ones are overridden
// and extended by the files of a directory. load.go reads and checks them,
// funcs.go holds the functions they may call, asks.go finds those that ask for
// something, such as a link (link.go), the call (call.go) or all that a digest has
// collected (recordings.go), and sms.go counts the segments of an SMS; archive.go
// says where a recording is kept, and what is known of it; error.go says faults in
// the words of those who write templates.
package render

import (
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/template"
	"time"
	"unicode"
	"unicode/utf8"

	"ringpost/relay/callback"
)

const (
	// maxOutput bounds what one template may write, in bytes.
	maxOutput = 256 << 10
	// maxSubject bounds a subject, in bytes: RFC 5322 allows lines of 998.
	maxSubject = 250
	// maxText bounds what a Text yields, in bytes: an address has at most 254.
	maxText = 1000
	// maxSMS is how many characters an SMS may have at SignalWire and Twilio.
	maxSMS = 1600
)

// The kinds of message that a template can be for.
const (
	Email = "email"
	SMS   = "sms"
	Log   = "log" // takes the email's words where there are some, else the SMS's
)

// Data is what a template sees: the callback's fields, and whom it is for.
type Data struct {
	*callback.Callback
	Rule string
	To   string // an email address or a phone number
	// Link makes the link to the recording that is for this recipient. It is
	// called where a template asks for the link, and once for a message. Where
	// it is nil there is no link.
	Link func() string
}

// view is a Data with its fields side by side: the template packages find them
// by name, and one that is promoted from an embedded struct many times slower.
type view struct {
	AccountSid, RecordingSid, RecordingStatus, CallSid, RecordingUrl string
	RecordingDuration                                                int
	RecordingSource, RecordingChannels                               string
	Fields, Query                                                    map[string]string
	ReceivedAt                                                       time.Time
	Late                                                             bool
	Call                                                             *callback.Call // never nil
	Rule, To                                                         string

	link   func() string // nil where there is none
	linked string        // what link has made; empty before

	recordings []*view // of a digest; nil for a message of one
}

func (d *Data) view() *view {
	call := d.Call
	if call == nil {
		call = &unknown
	}
	return &view{
		AccountSid: d.AccountSid, RecordingSid: d.RecordingSid, RecordingStatus: d.RecordingStatus,
		CallSid: d.CallSid, RecordingUrl: d.RecordingUrl, RecordingDuration: d.RecordingDuration,
		RecordingSource: d.RecordingSource, RecordingChannels: d.RecordingChannels,
		Fields: d.Fields, Query: d.Query, ReceivedAt: d.ReceivedAt, Late: d.Late, Rule: d.Rule, To: d.To, link: d.Link,
		Call: call,
	}
}

// unknown is a call that was not asked about.
var unknown callback.Call

// Message is what is sent.
type Message struct {
	Subject string // email only
	Text    string
	HTML    string // email only; empty where the template has none
}

// Templates are loaded templates. They do not change, and may be used at once.
type Templates struct {
	emails map[string]*email
	texts  map[string]*template.Template

	callEmails, callTexts map[string]bool // those that ask for the call
}

// email is a template of an email; html may be nil.
type email struct {
	subject, text *template.Template
	html          *htmltemplate.Template
}

// Has reports whether there is a template of that name for messages of kind.
func (t *Templates) Has(kind, name string) bool { return slices.Contains(t.Names(kind), name) }

// Names returns the templates for messages of kind, sorted.
func (t *Templates) Names(kind string) []string {
	switch kind {
	case Email:
		return slices.Sorted(maps.Keys(t.emails))
	case SMS:
		return slices.Sorted(maps.Keys(t.texts))
	}
	names := slices.AppendSeq(slices.Collect(maps.Keys(t.emails)), maps.Keys(t.texts))
	slices.Sort(names)
	return slices.Compact(names)
}

// Render makes a message of that kind.
func (t *Templates) Render(kind, name string, d *Data) (Message, error) {
	m, err := t.render(kind, name, d.view())
	if err != nil {
		return Message{}, fmt.Errorf("template %s: %w", name, err)
	}
	return m, nil
}

func (t *Templates) render(kind, name string, v *view) (m Message, err error) {
	if mail, ok := t.emails[name]; ok && kind != SMS {
		return mail.render(v)
	}
	text, ok := t.texts[name]
	if !ok || kind == Email {
		return m, fmt.Errorf("there is none for %s (have %s)", kind, strings.Join(t.Names(kind), ", "))
	}
	if m.Text, err = execute(text, v); err != nil {
		return m, err
	}
	m.Text = strings.TrimSpace(m.Text)
	if m.Text == "" {
		return m, errors.New("the SMS is empty")
	}
	if n := utf8.RuneCountInString(m.Text); n > maxSMS {
		return m, fmt.Errorf("the SMS has %d characters, and %d are allowed", n, maxSMS)
	}
	return m, nil
}

func (e *email) render(v *view) (m Message, err error) {
	if m.Subject, err = execute(e.subject, v); err != nil {
		return m, err
	}
	m.Subject = oneLine(m.Subject)
	if len(m.Subject) > maxSubject {
		m.Subject = strings.ToValidUTF8(m.Subject[:maxSubject], "") // drops half a character at the end
	}
	if m.Text, err = execute(e.text, v); err != nil || e.html == nil {
		return m, err
	}
	m.HTML, err = execute(e.html, v)
	return m, err
}

// executable is a template of text or of HTML.
type executable interface {
	Name() string
	Execute(io.Writer, any) error
}

// execute runs a template within the bounds of its output. The template package
// itself bounds recursion.
func execute(t executable, v *view) (string, error) {
	b := buffers.Get().(*bounded)
	defer buffers.Put(b)
	b.bytes = b.bytes[:0]
	if err := t.Execute(b, v); err != nil {
		return "", locate(t.Name(), err)
	}
	return string(b.bytes), nil
}

var buffers = sync.Pool{New: func() any { return new(bounded) }}

// bounded is a buffer that does not grow for ever.
type bounded struct{ bytes []byte }

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.bytes)+len(p) > maxOutput {
		return 0, fmt.Errorf("it writes more than %d bytes", maxOutput)
	}
	b.bytes = append(b.bytes, p...)
	return len(p), nil
}

// oneLine makes s fit for a header.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

// Text is a template of a short text, such as a rule's recipient.
type Text struct{ template *template.Template }

// ParseText parses a template, which must render with [Sample], but for its link.
func ParseText(src string) (*Text, error) { return Contacts(nil).ParseText(src) }

// ParseText is [ParseText] for a template that knows those contacts.
func (c Contacts) ParseText(src string) (*Text, error) {
	t, err := parse(c.funcs(), "text", src)
	if err != nil {
		return nil, unlocated(err)
	}
	if textAsks(t, "Link") {
		return nil, errNoLink
	}
	return &Text{t}, nil
}

// Execute returns what the template yields, in one line.
func (t *Text) Execute(d *Data) (string, error) {
	s, err := execute(t.template, d.view())
	if err != nil {
		return "", unlocated(err)
	}
	if s = oneLine(s); len(s) > maxText {
		return "", fmt.Errorf("it yields more than %d bytes", maxText)
	}
	return s, nil
}
