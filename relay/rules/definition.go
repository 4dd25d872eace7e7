package rules

import "fmt"

// Rule is one [[rule]] as an admin writes it.
type Rule struct {
	Name string `toml:"name"`
	Conditions
	Unless  *Conditions `toml:"unless"`
	Send    []Send      `toml:"send"`
	All     bool        `toml:"all"`     // must be said where there is no condition
	Stop    bool        `toml:"stop"`    // no rule after this one, where it matches
	Shadow  bool        `toml:"shadow"`  // note what it would send, and send nothing
	Enabled *bool       `toml:"enabled"` // nil is true
}

// Conditions must all hold.
type Conditions struct {
	Status        Patterns            `toml:"status"`
	Source        Patterns            `toml:"source"`
	Account       Patterns            `toml:"account"`
	Call          Patterns            `toml:"call"`
	AudioChannels Patterns            `toml:"audio_channels"`
	MinDuration   string              `toml:"min_duration"` // such as 1m30s; inclusive
	MaxDuration   string              `toml:"max_duration"` // inclusive
	Query         map[string]Patterns `toml:"query"`        // of the callback's URL
	Field         map[string]Patterns `toml:"field"`        // any parameter of the callback
}

// empty reports whether there is no condition.
func (c *Conditions) empty() bool {
	return c.Status == nil && c.Source == nil && c.Account == nil && c.Call == nil && c.AudioChannels == nil &&
		c.MinDuration == "" && c.MaxDuration == "" && len(c.Query) == 0 && len(c.Field) == 0
}

// Send is one entry of a rule's send.
type Send struct {
	Via      string   `toml:"via"`
	To       Patterns `toml:"to"` // groups, contacts, addresses, or templates that yield one
	Template string   `toml:"template"`
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
