package rules

import "fmt"

// Definition is rules as they were written, with the book of whom they name:
// all that decides, beside a callback, who is told. It outlives the
// configuration as JSON, out of which it compiles to the same set.
type Definition struct {
	Rules []Rule `json:"rules"`
	Book  Book   `json:"book"`
}

// Rule is one [[rule]] as an admin writes it.
type Rule struct {
	Name string `toml:"name" json:"name"`
	Line int    `toml:"-" json:"line,omitempty"` // of the configuration file; 0 where there is none
	Conditions
	Unless  *Conditions `toml:"unless" json:"unless,omitempty"`
	Send    []Send      `toml:"send" json:"send"`
	All     bool        `toml:"all" json:"all,omitempty"`         // must be said where there is no condition
	Stop    bool        `toml:"stop" json:"stop,omitempty"`       // no rule after this one, where it matches
	Shadow  bool        `toml:"shadow" json:"shadow,omitempty"`   // note what it would send, and send nothing
	Enabled *bool       `toml:"enabled" json:"enabled,omitempty"` // nil is true
}

// Conditions must all hold.
type Conditions struct {
	Status        Patterns            `toml:"status" json:"status,omitempty"`
	Source        Patterns            `toml:"source" json:"source,omitempty"`
	Account       Patterns            `toml:"account" json:"account,omitempty"`
	Call          Patterns            `toml:"call" json:"call,omitempty"`
	From          Patterns            `toml:"from" json:"from,omitempty"`           // who called, as the provider says
	To            Patterns            `toml:"to" json:"to,omitempty"`               // who was called, likewise
	Direction     Patterns            `toml:"direction" json:"direction,omitempty"` // of the call, likewise
	AudioChannels Patterns            `toml:"audio_channels" json:"audio_channels,omitempty"`
	MinDuration   string              `toml:"min_duration" json:"min_duration,omitempty"` // such as 1m30s; inclusive
	MaxDuration   string              `toml:"max_duration" json:"max_duration,omitempty"` // inclusive
	Late          *bool               `toml:"late" json:"late,omitempty"`                 // found by asking, or not; nil for either
	Query         map[string]Patterns `toml:"query" json:"query,omitempty"`               // of the callback's URL
	Field         map[string]Patterns `toml:"field" json:"field,omitempty"`               // any parameter of the callback
}

// empty reports whether there is no condition.
func (c *Conditions) empty() bool {
	return c.Status == nil && c.Source == nil && c.Account == nil && c.Call == nil && c.AudioChannels == nil &&
		c.From == nil && c.To == nil && c.Direction == nil &&
		c.MinDuration == "" && c.MaxDuration == "" && c.Late == nil && len(c.Query) == 0 && len(c.Field) == 0
}

// Send is one entry of a rule's send.
type Send struct {
	Via      string   `toml:"via" json:"via"`
	To       Patterns `toml:"to" json:"to"`                   // groups, contacts, addresses, or templates that yield one
	Template string   `toml:"template" json:"template"`       // neither it nor To is there for an archive
	Quiet    string   `toml:"quiet" json:"quiet,omitempty"`   // such as 21:00-08:00 Europe/Berlin
	Digest   string   `toml:"digest" json:"digest,omitempty"` // such as 1h: what it makes is collected for so long

	Attach    string `toml:"attach" json:"attach,omitempty"`         // a format: the recording goes with the email
	AttachMax string `toml:"attach_max" json:"attach_max,omitempty"` // such as 10MB; a larger one does not

	Fallback *Fallback `toml:"fallback" json:"fallback,omitempty"` // nil: nothing else is sent where it is not delivered
}

// Patterns is a string or a list of strings.
type Patterns []string

// UnmarshalTOML reads either form.
func (p *Patterns) UnmarshalTOML(value any) error {
	switch v := value.(type) {
	case string:
		*p = Patterns{v}
		return nil
	case []any:
		list := make(Patterns, len(v))
		for i, item := range v {
			s, ok := item.(string)
			if !ok {
				return fmt.Errorf("want a string or a list of strings")
			}
			list[i] = s
		}
		*p = list
		return nil
	}
	return fmt.Errorf("want a string or a list of strings")
}
