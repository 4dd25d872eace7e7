package rules

import (
	"fmt"
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
	keyAudioChannels = "audio_channels"
	keyMinDuration   = "min_duration"
	keyMaxDuration   = "max_duration"
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
	case keyQuery:
		return cb.Query[s.name]
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

// sources are the recording sources of SignalWire's callbacks, and what is
// Twilio's alone.
var sources = []string{"DialVerb", "Conference", "OutBoundApi", "Trunking", "RecordVerb", "StartCallRecordingApi",
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
	slot     int // or one of the two below
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
	t := ConditionTrace{Key: c.key, OK: c.holds(v)}
	switch c.slot {
	case atLeast:
		t.Wanted, t.Actual = fmt.Sprintf("at least %v", c.bound), v.duration().String()
	case atMost:
		t.Wanted, t.Actual = fmt.Sprintf("at most %v", c.bound), v.duration().String()
	default:
		t.Wanted, t.Actual = c.patterns.String(), v.slots[c.slot].of(v.callback)
	}
	return t
}

// state says in words what there is of what the condition looks at. Its value
// is the sender's, so it is quoted.
func (c *condition) state(actual string) string {
	switch {
	case c.slot < 0:
		return "the duration is " + actual
	case actual == "":
		return c.key + " is missing or empty"
	}
	return fmt.Sprintf("%s is %q", c.key, actual)
}
