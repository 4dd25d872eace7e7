package callback

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// maxParty bounds who called or was called, in bytes: a number, or an address
	// such as sip:alice@example.com.
	maxParty = 256
	// maxDirection bounds the direction of a call.
	maxDirection = 64
)

// Call is what the provider says of the call that a recording is of. A callback
// does not carry it: it is asked for.
type Call struct {
	// Known is false where the provider did not say in time, or there is nothing to
	// ask for. The rest is empty then.
	Known bool `json:"known"`

	From      string    `json:"from,omitempty"` // who called, e.g. +15550100002
	To        string    `json:"to,omitempty"`   // who was called
	Direction string    `json:"direction,omitempty"`
	StartTime time.Time `json:"start_time,omitzero"` // zero where the provider does not say

	// Problem says why it is not known.
	Problem string `json:"problem,omitempty"`
}

// Directions are those of calls, as SignalWire and Twilio name them.
var Directions = []string{"inbound", "outbound-api", "outbound-dial", "trunking-originating", "trunking-terminating"}

// CheckCall says what keeps c from being a call: it is others' words. The error is a
// [*FieldError].
func CheckCall(c *Call) error {
	for _, text := range [...]struct {
		name, value string
		max         int
	}{{"From", c.From, maxParty}, {"To", c.To, maxParty}, {"Direction", c.Direction, maxDirection}} {
		if len(text.value) > text.max {
			return &FieldError{text.name, fmt.Sprintf("longer than %d bytes", text.max)}
		}
		if !utf8.ValidString(text.value) || strings.ContainsFunc(text.value, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return &FieldError{text.name, "holds what does not print"}
		}
	}
	if year := c.StartTime.Year(); !c.StartTime.IsZero() && (year < 1900 || year > 9999) {
		return &FieldError{"StartTime", "in no year of telephones"}
	}
	return nil
}

// NewCall returns a call that is known, of fields such as From=+15550100002: for
// trying out rules. The error is a [*FieldError].
func NewCall(fields map[string]string) (*Call, error) {
	c := &Call{Known: true}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value := fields[name]
		switch name {
		case "From":
			c.From = value
		case "To":
			c.To = value
		case "Direction":
			c.Direction = value
		case "StartTime":
			at, err := time.Parse(time.RFC3339, value)
			if err != nil {
				return nil, &FieldError{name, "want a time such as 2006-01-02T15:04:05Z"}
			}
			c.StartTime = at.UTC()
		default:
			return nil, &FieldError{name, "there is no such field of a call (have Direction, From, StartTime, To)"}
		}
	}
	if err := CheckCall(c); err != nil {
		return nil, err
	}
	return c, nil
}
