package rules

import (
	"cmp"
	"strings"

	"ringpost/relay/callback"
	"ringpost/relay/quiet"
	"ringpost/relay/render"
)

// Fallback says what takes the place of a send's message that could not be
// delivered.
type Fallback struct {
	Via      string   `toml:"via" json:"via"`
	To       Patterns `toml:"to" json:"to"`                       // as of a send
	Template string   `toml:"template" json:"template,omitempty"` // the send's own where it is empty
}

// Send returns the fallback of a send as a send.
func (f *Fallback) Send(of *Send) *Send {
	return &Send{Via: f.Via, To: f.To, Template: cmp.Or(f.Template, of.Template)}
}

// compileFallback compiles what is to be sent in place of a send's messages, in
// whose quiet hours it waits, too; nil for nothing.
func (c *compiler) compileFallback(path string, d *Send, hours quiet.Hours) *send {
	if d.Fallback == nil {
		return nil
	}
	if d.Digest != "" {
		c.fail(path+".fallback", "what is collected in digests has none: remove this or digest")
		return nil
	}
	as := d.Fallback.Send(d)
	switch {
	case c.Channels[as.Via] == render.Archive:
		c.fail(path+".fallback.via", "an archive tells nobody: want a channel that does")
		return nil
	case as.Template == "" && c.Channels[d.Via] != render.Archive:
		as.Template = "-" // what is missing is the send's, and reported there
	}
	c.set.fallbacks = true
	compiled := c.compileSend(path+".fallback", as)
	compiled.quiet = hours
	return &compiled
}

// HasFallbacks reports whether a send of the set has a fallback.
func (s *Set) HasFallbacks() bool { return s.fallbacks }

// Fallbacks returns what takes the place of a delivery that [Set.Evaluate] makes
// of cb, where it cannot be delivered: the fallbacks of all sends that asked for
// it, each message once. Most have none.
func (s *Set) Fallbacks(cb *callback.Callback, d *Delivery) []Delivery {
	if !s.fallbacks || d.Shadow {
		return nil
	}
	v := s.take(cb)
	defer s.values.Put(v)
	w := walk{set: s, values: v}
	for _, i := range s.index.candidates(v) {
		r := &s.rules[i]
		if r.shadow || !r.matches(v, nil) {
			continue
		}
		data := render.Data{Callback: cb, Rule: r.name}
		for j := range r.sends {
			if r.sends[j].fallback != nil && r.sends[j].asksFor(d, &s.book, data) {
				w.addAll(r, r.sends[j].fallback, data)
			}
		}
		if r.stop {
			break
		}
	}
	return w.deliveries
}

// asksFor reports whether the send asks for d.
func (s *send) asksFor(d *Delivery, b *book, data render.Data) bool {
	if s.channel != d.Channel || s.template != d.Template {
		return false
	}
	for i := range s.recipients {
		for _, found := range s.recipients[i].resolve(b, s.kind, data) {
			if strings.EqualFold(found.to, d.To) && (d.To != "" || found.problem == d.Problem) {
				return true
			}
		}
	}
	return false
}

// addAll adds what a fallback sends.
func (w *walk) addAll(r *rule, s *send, data render.Data) {
	for i := range s.recipients {
		for _, found := range s.recipients[i].resolve(&w.set.book, s.kind, data) {
			d := Delivery{Rule: r.name, Channel: s.channel, Kind: s.kind, To: found.to, Template: s.template, Problem: found.problem}
			w.set.book.hush(&d, s.quiet)
			w.add(d, nil)
		}
	}
}

// fallbackWords says what takes the place of what the send sends, if anything
// does.
func (s *Send) fallbackWords(b *Book) string {
	if s.Fallback == nil {
		return ""
	}
	return " or, where that fails, " + s.Fallback.Send(s).words(b)
}
