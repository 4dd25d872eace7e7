package rules

import (
	"strconv"
	"strings"
	"time"

	"ringpost/relay/callback"
)

// slot is a value of callbacks that conditions look at: the callback's own, or
// one of its query's or fields by name.
type slot struct{ kind, name string }

// The kinds of slot, which are the keys of conditions.
const (
	keyStatus        = "status"
	keySource        = "source"
	keyAccount       = "account"
	keyCall          = "call"
	keyFrom          = "from"
	keyTo            = "to"
	keyDirection     = "direction"
	keyAudioChannels = "audio_channels"
	keyMinDuration   = "min_duration"
	keyMaxDuration   = "max_duration"
	keyLate          = "late"
	keyQuery         = "query"
	keyField         = "field"
)

// key is what an admin writes for the slot.
func (s slot) key() string {
	if s.name == "" {
		return s.kind
	}
	return s.kind + "." + s.name
}

// of returns the value as it was sent.
func (s slot) of(cb *callback.Callback) string {
	switch s.kind {
	case keyStatus:
		return cb.RecordingStatus
	case keySource:
		return cb.RecordingSource
	case keyAccount:
		return cb.AccountSid
	case keyCall:
		return cb.CallSid
	case keyAudioChannels:
		return cb.RecordingChannels
	case keyLate:
		return strconv.FormatBool(cb.Late)
	case keyQuery:
		return cb.Query[s.name]
	case keyFrom, keyTo, keyDirection:
		return s.ofCall(cb.Call)
	}
	value, _ := cb.Field(s.name)
	return value
}

// folded returns the value as patterns compare it, in the one spelling that
// both vendors' values have here.
func (s slot) folded(cb *callback.Callback) string {
	value := fold(s.of(cb))
	if one, ok := s.spellings()[value]; ok {
		return one
	}
	return value
}

// spellings maps folded values of one vendor to those of the other; nil where
// there are none.
func (s slot) spellings() map[string]string {
	if s.kind == keySource {
		return spellings
	}
	return nil
}

// Sources are the recording sources of SignalWire's callbacks, and what is
// Twilio's alone.
var Sources = []string{"DialVerb", "Conference", "OutBoundApi", "Trunking", "RecordVerb", "StartCallRecordingApi",
	"StartConferenceRecording", "StartConferenceRecordingAPI"}

// spellings maps Twilio's sources to SignalWire's where they differ in more
// than capitals.
var spellings = map[string]string{"startconferencerecordingapi": "startconferencerecording"}

// values are those of one callback, each folded when it is first asked for.
type values struct {
	callback *callback.Callback
	slots    []slot
	folded   []string
	known    []bool
	merged   [2][]int32 // room for the index
}

// take returns room for the values of cb.
func (s *Set) take(cb *callback.Callback) *values {
	v, ok := s.values.Get().(*values)
	if !ok {
		v = &values{slots: s.slots, folded: make([]string, len(s.slots)), known: make([]bool, len(s.slots))}
	}
	v.callback = cb
	clear(v.known)
	return v
}

func (v *values) get(slot int) string {
	if !v.known[slot] {
		v.folded[slot], v.known[slot] = v.slots[slot].folded(v.callback), true
	}
	return v.folded[slot]
}

func (v *values) duration() time.Duration {
	return time.Duration(v.callback.RecordingDuration) * time.Second
}

// condition is one compiled condition: patterns over a slot, or a bound on the
// duration.
type condition struct {
	key      string
	call     bool // it looks at what the provider says of the call
	slot     int  // or one of the two below
	patterns patterns
	bound    time.Duration
}

const (
	atLeast = -1
	atMost  = -2
)

func (c *condition) holds(v *values) bool {
	switch c.slot {
	case atLeast:
		return v.duration() >= c.bound
	case atMost:
		return v.duration() <= c.bound
	}
	return c.patterns.match(v.get(c.slot))
}

// explain says what the condition wants and what is there.
func (c *condition) explain(v *values) ConditionTrace {
	t := ConditionTrace{Key: c.key, Wanted: c.wanted(), OK: c.holds(v)}
	if c.slot < 0 {
		t.Actual = inMinutes(v.duration())
	} else {
		t.Actual = v.slots[c.slot].of(v.callback)
	}
	return t
}

// wanted says in words what the condition wants.
func (c *condition) wanted() string {
	switch c.slot {
	case atLeast:
		return "at least " + inMinutes(c.bound)
	case atMost:
		return "at most " + inMinutes(c.bound)
	}
	return c.patterns.String()
}

// fact says in words what there is of what the condition looks at.
func (c *condition) fact(v *values) string {
	if c.slot < 0 {
		return "the recording lasted " + inMinutes(v.duration())
	}
	s := v.slots[c.slot]
	value := s.of(v.callback)
	switch {
	case s.kind == keyLate && v.callback.Late:
		return "it was received late"
	case s.kind == keyLate:
		return "it was received in time"
	case s.kind == keyQuery && value == "":
		if _, given := v.callback.Query[s.name]; given {
			return "?" + s.name + "= is empty in the callback's address"
		}
		return "?" + s.name + "= is missing from the callback's address"
	case s.kind == keyQuery:
		return "the callback's address says ?" + s.name + "=" + shown(value)
	case s.kind == keyField && value == "":
		return "the callback has no " + s.name
	case s.kind == keyField:
		return "the callback's " + s.name + " is " + shown(value)
	case c.call && value == "":
		return unsaidOfCall(s.kind, v.callback)
	case value == "":
		return "the callback does not say " + unsaid[s.kind]
	}
	return said[s.kind] + shown(value)
}

// inMinutes writes a duration without the zeros that say nothing: 1m, not 1m0s.
func inMinutes(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// said introduces the value of a slot that is the callback's own, and unsaid
// says what is not known without it.
var (
	said = map[string]string{
		keyStatus:        "the recording's status is ",
		keySource:        "the call came by ",
		keyAccount:       "the account is ",
		keyCall:          "the call is ",
		keyFrom:          "the caller is ",
		keyTo:            "the call was to ",
		keyDirection:     "the call's direction is ",
		keyAudioChannels: "the number of audio channels is ",
	}
	unsaid = map[string]string{
		keyStatus:        "the recording's status",
		keySource:        "how the call came",
		keyAccount:       "whose account it is",
		keyCall:          "which call it is about",
		keyAudioChannels: "how many audio channels there are",
	}
)

// whyNot says in words why the condition does not hold.
func (c *condition) whyNot(v *values) string {
	fact, wanted := c.fact(v), c.wanted()
	if wanted == anything || c.key == keyLate {
		return fact
	}
	return fact + "; this rule wants " + wanted
}
