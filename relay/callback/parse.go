package callback

import (
	"bytes"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxName = 64
	maxID   = 128
	maxURL  = 2048
	// maxDuration is ten years, far above what a call can last, far below what
	// a number can hold.
	maxDuration = 10 * 366 * 24 * 60 * 60
)

// FieldError says what is wrong with one field of a callback. It carries no
// values.
type FieldError struct{ Field, Reason string }

func (e *FieldError) Error() string { return e.Field + ": " + e.Reason }

// Parse returns the callback that a decoded request carries. A relative
// RecordingUrl belongs to the SignalWire space of that name. Parse must come
// after Verify: since signatures do not cover the boundaries between names and
// values, some of its checks are the other half of the signature's.
func (r *Request) Parse(space string, now time.Time) (*Callback, error) {
	return r.parse(space, now, Statuses)
}

// parse is Parse for callbacks that may have those statuses.
func (r *Request) parse(space string, now time.Time, statuses []string) (*Callback, error) {
	cb := &Callback{ReceivedAt: now}
	var duration string
	known := [...]struct {
		name  string
		value *string
		given bool
	}{
		{name: "AccountSid", value: &cb.AccountSid},
		{name: "CallSid", value: &cb.CallSid},
		{name: "RecordingSid", value: &cb.RecordingSid},
		{name: "RecordingUrl", value: &cb.RecordingUrl},
		{name: "RecordingStatus", value: &cb.RecordingStatus},
		{name: "RecordingDuration", value: &duration},
		{name: "RecordingSource", value: &cb.RecordingSource},
		{name: "RecordingChannels", value: &cb.RecordingChannels},
	}
params:
	for _, p := range r.params {
		if err := p.check(); err != nil {
			return nil, err
		}
		for i := range known {
			if k := &known[i]; k.name == p.name {
				if k.given {
					return nil, &FieldError{p.name, "given more than once"}
				}
				*k.value, k.given = p.value, true
				continue params
			}
		}
		if r.format == formatForm && !p.plainName() {
			return nil, errPlainName
		}
		cb.Fields = add(cb.Fields, p)
	}
	for _, p := range r.query {
		if err := p.check(); err != nil {
			return nil, err
		}
		cb.Query = add(cb.Query, p)
	}
	if err := cb.check(duration, space, statuses); err != nil {
		return nil, err
	}
	return cb, nil
}

// add keeps a parameter; one that is given again is joined to the first.
func add(m map[string]string, p param) map[string]string {
	if m == nil {
		m = make(map[string]string)
	}
	if earlier, ok := m[p.name]; ok {
		p.value = earlier + ", " + p.value
	}
	m[p.name] = p.value
	return m
}

// check says whether a parameter can be kept. The length of its value is
// bounded by the body's, or the query's.
func (p param) check() error {
	switch {
	case p.name == "" || len(p.name) > maxName:
		return &FieldError{"parameter name", fmt.Sprintf("want 1 to %d bytes", maxName)}
	case !isText(p.name):
		return &FieldError{"parameter name", "not valid UTF-8 text"}
	case !isText(p.value):
		return &FieldError{p.name, "not valid UTF-8 text"}
	}
	return nil
}

func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// errPlainName refuses a parameter of a form; see [param.plainName].
var errPlainName = &FieldError{"parameter name", "want letters, digits, and - _ . : [ ] after a letter"}

// plainName reports whether the name is spelled as senders spell theirs. It
// begins with a letter: otherwise the end of the signed URL's query, or of a
// number, could be moved into the name of a parameter, and still verify.
func (p param) plainName() bool {
	for i := range len(p.name) {
		c := p.name[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		other := '0' <= c && c <= '9' || strings.IndexByte("_.:-[]", c) >= 0
		if !letter && (i == 0 || !other) {
			return false
		}
	}
	return true
}

// check validates the fields that mean something, and brings them into the form
// that Callback promises.
func (cb *Callback) check(duration, space string, statuses []string) error {
	if err := cb.checkIDs(); err != nil {
		return err
	}
	status := strings.ToLower(cb.RecordingStatus)
	cb.RecordingStatus = ""
	for _, s := range statuses {
		if s == status {
			cb.RecordingStatus = s
		}
	}
	switch {
	case status == "":
		return &FieldError{"RecordingStatus", "missing"}
	case cb.RecordingStatus == "":
		return &FieldError{"RecordingStatus", "want one of " + strings.Join(statuses, ", ")}
	case status == "completed" && cb.RecordingUrl == "":
		return &FieldError{"RecordingUrl", "missing"}
	case status == "completed" && duration == "":
		return &FieldError{"RecordingDuration", "missing"}
	}
	var err error
	if cb.RecordingDuration, err = parseDuration(duration); err != nil {
		return err
	}
	cb.RecordingUrl, err = resolve(cb.RecordingUrl, space)
	return err
}

// checkIDs validates the ids.
func (cb *Callback) checkIDs() error {
	for _, id := range [...]struct {
		name, value string
		required    bool
	}{
		{"AccountSid", cb.AccountSid, true},
		{"RecordingSid", cb.RecordingSid, true},
		{"CallSid", cb.CallSid, false},
	} {
		if id.value == "" && id.required {
			return &FieldError{id.name, "missing"}
		}
		if err := checkID(id.name, id.value, nextNames); err != nil {
			return err
		}
	}
	if cb.AccountSid == "A" {
		// Twilio's begin with AC, and a parameter whose name begins with C
		// may follow.
		return &FieldError{"AccountSid", "cut off"}
	}
	return nil
}

// checkID says what is wrong with an id, which is opaque. Since one that is longer
// or shorter than it was signed would pass for another, never seen before, it must
// not show that a boundary was moved: next are parts of the names that may follow
// on it.
func checkID(name, id string, next []string) error {
	if len(id) > maxID {
		return &FieldError{name, fmt.Sprintf("longer than %d bytes", maxID)}
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' {
			return &FieldError{name, "want printable ASCII without spaces"}
		}
	}
	for _, part := range next {
		if strings.Contains(id, part) {
			return &FieldError{name, "holds the name of another parameter"}
		}
	}
	return nil
}

// nextNames are parts of the names that follow an id where parameters are
// sorted: an id with one of them has swallowed it. ErrorCode may be cut in two,
// since its second half sorts before RecordingSid too.
var nextNames = []string{"Sid", "Recording", "ApiVersion", "Error"}

// parseDuration reads a decimal number of seconds, and drops its fraction.
func parseDuration(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || strings.Trim(s, "0123456789.eE+-") != "" || f < 0 || f > maxDuration {
		return 0, &FieldError{"RecordingDuration", "want a number of seconds"}
	}
	return int(f), nil
}

// resolve returns the absolute form of a recording's URL.
func resolve(raw, space string) (string, error) {
	switch {
	case raw == "":
		return "", nil
	case len(raw) > maxURL:
		return "", &FieldError{"RecordingUrl", fmt.Sprintf("longer than %d bytes", maxURL)}
	case strings.ContainsFunc(raw, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		return "", &FieldError{"RecordingUrl", "holds white space"}
	case strings.HasPrefix(raw, "/") && !strings.HasPrefix(raw, "//") && space != "":
		raw = "https://" + space + raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return "", &FieldError{"RecordingUrl", "want an http or https URL"}
	}
	return raw, nil
}

// New returns the callback that a sender, or Ringpost itself, would make of those
// fields and that query: for trying out rules, and for what is found by asking.
func New(fields, query map[string]string, space string, now time.Time) (*Callback, error) {
	return (&Request{params: sortedParams(fields), query: sortedParams(query)}).parse(space, now, AllStatuses)
}

// ReadFields reads the fields of a body that is a form or a JSON object, or of a
// query. It is for [New], and joins what is given more than once as Parse does.
func ReadFields(body []byte) (map[string]string, error) {
	text := bytes.TrimSpace(body)
	params, err := decodeForm(string(text))
	if bytes.HasPrefix(text, []byte("{")) {
		params, err = decodeJSON(text)
	}
	fields := make(map[string]string)
	for _, p := range params {
		fields = add(fields, p)
	}
	return fields, err
}

func sortedParams(m map[string]string) (params []param) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		params = append(params, param{name, m[name]})
	}
	return params
}
