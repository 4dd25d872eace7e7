package rules

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"

	"ringpost/relay/callback"
	"ringpost/relay/render"
)

// Problem is a fault of the rules or of the book. Path is where, in terms of
// the configuration file: rule[1].send[0].via is the second rule's first send.
type Problem struct{ Path, Text string }

// Compile compiles rules. It returns every problem it finds; where there is
// one, there is no set.
func Compile(definitions []Rule, b Book) (*Set, []Problem) {
	c := compiler{Book: b, set: &Set{definition: Definition{definitions, b}}, slots: make(map[slot]int)}
	c.compileBook()
	names := make(map[string]bool)
	for i := range definitions {
		d := &definitions[i]
		c.path, c.label = fmt.Sprintf("rule[%d]", i), fmt.Sprintf("rule %q", d.Name)
		if d.Name == "" {
			c.label = fmt.Sprintf("rule %d", i+1)
			c.fail("name", "missing: every rule has a name, which deliveries carry")
		} else if names[d.Name] {
			c.fail("name", "another rule has that name")
		}
		names[d.Name] = true
		c.compileRule(d)
	}
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	c.set.index = newIndex(c.set.rules)
	c.set.findCalls()
	return c.set, nil
}

// compiler collects a set and its problems.
type compiler struct {
	Book
	set      *Set
	slots    map[slot]int
	problems []Problem

	path, label string // of the rule, contact or group at hand
}

// fail notes a problem of what is at hand: of a key such as send[0].via, of an
// element such as [2], or of all of it where key is empty.
func (c *compiler) fail(key, format string, args ...any) {
	path, label := c.path, c.label
	switch {
	case strings.HasPrefix(key, "["):
		path += key
	case key != "":
		path += "." + key
		label += ": " + key
	}
	c.problems = append(c.problems, Problem{path, label + ": " + fmt.Sprintf(format, args...)})
}

func (c *compiler) compileRule(d *Rule) {
	r := rule{name: d.Name, line: d.Line, enabled: d.Enabled == nil || *d.Enabled, stop: d.Stop, shadow: d.Shadow,
		byStatus: d.Status != nil}
	r.conditions = c.compileConditions("", &d.Conditions)
	if d.Unless != nil {
		r.exceptions = c.compileConditions("unless.", d.Unless)
		if d.Unless.empty() {
			c.fail("unless", "has no condition")
		}
	}
	switch {
	case d.empty() && !d.All:
		c.fail("", "has no condition: want one, or all = true for a rule that matches every callback")
	case !d.empty() && d.All:
		c.fail("all", "the rule has conditions too: remove one or the other")
	}
	if len(d.Send) == 0 {
		c.fail("send", `missing: want send = [{ via = "…", to = ["…"], template = "…" }]`)
	}
	for i := range d.Send {
		path := fmt.Sprintf("send[%d]", i)
		r.sends = append(r.sends, c.compileSend(path, &d.Send[i]))
		if r.sends[i].kind == render.Archive {
			c.checkArchive(path+".via", &r)
		}
	}
	c.set.rules = append(c.set.rules, r)
}

// compileConditions compiles conditions in the order of how little their values
// tell: a status is shared by many callbacks, a query's value by few.
func (c *compiler) compileConditions(prefix string, d *Conditions) (all []condition) {
	for _, own := range []struct {
		kind string
		list Patterns
	}{
		{keyStatus, d.Status}, {keyAudioChannels, d.AudioChannels}, {keySource, d.Source},
		{keyAccount, d.Account}, {keyCall, d.Call}, {keyDirection, d.Direction}, {keyFrom, d.From}, {keyTo, d.To},
	} {
		if own.list != nil {
			all = append(all, c.compileCondition(prefix, slot{kind: own.kind}, own.list))
		}
	}
	shortest, okMin := c.compileBound(prefix+keyMinDuration, d.MinDuration)
	longest, okMax := c.compileBound(prefix+keyMaxDuration, d.MaxDuration)
	if okMin {
		all = append(all, condition{key: keyMinDuration, slot: atLeast, bound: shortest})
	}
	if okMax {
		all = append(all, condition{key: keyMaxDuration, slot: atMost, bound: longest})
	}
	if okMin && okMax && shortest > longest {
		c.fail(prefix+keyMaxDuration, "%v is less than min_duration, %v: nothing matches", longest, shortest)
	}
	if d.Late != nil {
		all = append(all, c.compileCondition(prefix, slot{kind: keyLate}, Patterns{strconv.FormatBool(*d.Late)}))
	}
	for _, name := range slices.Sorted(maps.Keys(d.Query)) {
		all = append(all, c.compileCondition(prefix, slot{keyQuery, name}, d.Query[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(d.Field)) {
		all = append(all, c.compileCondition(prefix, slot{keyField, name}, d.Field[name]))
	}
	return all
}

func (c *compiler) compileCondition(prefix string, s slot, list Patterns) condition {
	key := prefix + s.key()
	if len(list) == 0 {
		c.fail(key, "want at least one pattern")
	}
	compiled := condition{key: s.key(), slot: c.slot(s), call: s.isOfCall()}
	for i, source := range list {
		body, negated := strings.CutPrefix(source, "!")
		p, err := compilePattern(body)
		if err == nil {
			err = checkKnown(s.kind, &p)
		}
		if err != nil {
			at := key
			if len(list) > 1 {
				at = fmt.Sprintf("%s[%d]", key, i)
			}
			c.fail(at, "%v", err)
			continue
		}
		compiled.patterns.add(p, negated, s.spellings())
	}
	return compiled
}

// slot returns the index of a slot in the set's.
func (c *compiler) slot(s slot) int {
	i, ok := c.slots[s]
	if !ok {
		i = len(c.set.slots)
		c.slots[s] = i
		c.set.slots = append(c.set.slots, s)
	}
	return i
}

// checkKnown finds a pattern that matches no callback, whose rule would keep
// silent for ever. There are no other statuses; a source may be new, and is
// taken for a slip only where it is a plain word.
func checkKnown(kind string, p *pattern) error {
	matches := func(name string) bool { return p.match(fold(name)) }
	switch {
	case kind == keyStatus && !slices.ContainsFunc(callback.AllStatuses, matches):
		return fmt.Errorf("%q is no status%s (have %s)", p.source,
			suggest(p.source, slices.Values(callback.AllStatuses)), strings.Join(callback.AllStatuses, ", "))
	case kind == keySource && p.isLiteral() && p.literal != "" && !slices.ContainsFunc(Sources, matches):
		return fmt.Errorf("no sender says %q%s (have %s; %q where it is new)", p.source,
			suggest(p.source, slices.Values(Sources)), strings.Join(Sources, ", "), p.source+"*")
	case kind == keyDirection && p.isLiteral() && p.literal != "" && !slices.ContainsFunc(callback.Directions, matches):
		meant := suggest(p.source, slices.Values(callback.Directions))
		if slices.ContainsFunc(callback.Directions, func(d string) bool { return strings.HasPrefix(d, p.literal) }) {
			meant = fmt.Sprintf(": did you mean %q?", p.source+"*")
		}
		return fmt.Errorf("no call is %q%s (have %s)", p.source, meant, strings.Join(callback.Directions, ", "))
	}
	return nil
}

func (c *compiler) compileBound(key, value string) (time.Duration, bool) {
	if value == "" {
		return 0, false
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 {
		c.fail(key, "%q is no duration: want one such as 5s or 1m30s", value)
		return 0, false
	}
	return d, true
}

func (c *compiler) compileSend(path string, d *Send) send {
	if c.Channels[d.Via] == render.Archive {
		return c.compileArchive(path, d)
	}
	s := send{channel: d.Via, kind: c.Channels[d.Via], template: d.Template}
	s.attach = c.compileAttach(path, d, s.kind)
	switch {
	case d.Via == "":
		c.fail(path+".via", "missing: want a channel (have %s)", list(c.Channels))
	case s.kind == "":
		c.fail(path+".via", "no channel %q (have %s)", d.Via, list(c.Channels))
	}
	if d.Template == "" {
		c.fail(path+".template", `missing: want a template's name such as "recording"`)
	}
	if len(d.To) == 0 {
		c.fail(path+".to", "missing: want a group, a contact, an address, or a template that yields one")
	}
	for i, to := range d.To {
		key := fmt.Sprintf("%s.to[%d]", path, i)
		if !strings.Contains(to, "{{") {
			s.recipients = append(s.recipients, c.compileName(key, to, s.kind))
			continue
		}
		t, err := c.set.book.numbers.ParseText(to)
		if err != nil {
			c.fail(key, "not a template: %v", err)
		}
		s.recipients = append(s.recipients, recipient{template: t, call: err == nil && t.HasCall()})
	}
	c.compileQuiet(path, d, &s)
	c.compileDigest(path, d, &s)
	s.fallback = c.compileFallback(path, d, s.quiet)
	return s
}

// compileName looks up a recipient that is the same for every callback.
func (c *compiler) compileName(key, name, kind string) recipient {
	if kind == "" { // no such channel, which is reported already
		return recipient{}
	}
	all := c.set.book.lookUp(name, kind)
	for _, f := range all {
		switch {
		case f.problem == "":
		case c.set.book.has(name):
			c.fail(key, "%s", f.problem)
		default:
			c.fail(key, "%s%s", f.problem, suggest(name, maps.Keys(c.Contacts), maps.Keys(c.Groups)))
		}
	}
	return recipient{fixed: all}
}

// suggest names the nearest name, if it may be what was meant: if at most three
// letters are wrong, and no more than half of them.
func suggest(name string, lists ...iter.Seq[string]) string {
	best, distance := "", min(3, max(1, len(name)/2))+1
	for _, names := range lists {
		for _, n := range slices.Sorted(names) {
			if d := levenshtein.ComputeDistance(fold(name), fold(n)); d < distance {
				best, distance = n, d
			}
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

// list names the keys of m.
func list(m map[string]string) string {
	if len(m) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}
