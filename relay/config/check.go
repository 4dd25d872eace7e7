package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ringpost/relay/render"
	"ringpost/relay/rules"
)

// check completes c and reports what cannot work.
func (l *loader) check(c *Config) {
	top := place{}
	l.checkServer(top.key("server"), c)
	l.checkAdmin(top.key("admin"), c)
	if c.Log.Format != "" {
		l.oneOf(top.key("log").key("format"), c.Log.Format, "text", "json")
	}
	l.checkStore(top.key("store"), &c.Store)
	l.checkChannels(top.key("channel"), c)
	l.checkSignalWire(top.key("signalwire"), c)
	l.checkLinks(top.key("links"), c)
	l.checkDelivery(top.key("delivery"), &c.Delivery)
	l.checkWatch(top.key("watch"), c)
	if len(c.RuleList) == 0 {
		l.warn(top.key("rule"), "missing: without a [[rule]] nobody is told anything")
	}
	l.compile(c)
	l.loadTemplates(top.key("templates").key("dir"), c)
	l.checkCalls(c)
	l.checkTests(top.key("test"), c)
}

// compile compiles the rules and reports what is wrong with them.
func (l *loader) compile(c *Config) {
	book := rules.Book{Contacts: c.Contacts, Groups: c.Groups, Channels: make(map[string]string), Paths: archivePaths(c)}
	for name, channel := range c.Channels {
		book.Channels[name] = cmp.Or(channel.Kind, name)
	}
	for i := range c.RuleList {
		c.RuleList[i].Line = l.lines.of(element("rule", i))
	}
	set, problems := rules.Compile(c.RuleList, book)
	for _, p := range problems {
		if !l.follows(c, p.Path) {
			l.report(p.Path, false, p.Text)
		}
	}
	if c.Rules = set; set == nil {
		c.Rules, _ = rules.Compile(nil, rules.Book{})
	}
}

// follows reports whether a problem of a rule's send follows from one of what
// it names: channels that could not be read, or contacts and groups.
func (l *loader) follows(c *Config, path string) bool {
	var rule, send, to int
	list := func(s *rules.Send) rules.Patterns { return s.To }
	if strings.Contains(path, ".fallback.") {
		path = strings.Replace(path, ".fallback.", ".", 1)
		list = func(s *rules.Send) rules.Patterns { return s.Fallback.To }
	}
	if n, _ := fmt.Sscanf(path, "rule[%d].send[%d].to[%d]", &rule, &send, &to); n < 3 {
		return strings.HasSuffix(path, ".via") && l.unread["channel"]
	}
	name := list(&c.RuleList[rule].Send[send])[to]
	return slices.ContainsFunc(append([]string{name}, c.Groups[name]...), func(name string) bool {
		return l.isUnread("group."+name) || l.isUnread("contact."+name) || l.incomplete["contact."+name]
	})
}

// loadTemplates loads the templates and finds those that rules ask for in vain.
func (l *loader) loadTemplates(at place, c *Config) {
	if l.has(at) {
		c.TemplateFiles.Dir = l.beside(c.TemplateFiles.Dir)
	} else if dir := l.beside("templates"); isDir(dir) {
		c.TemplateFiles.Dir = dir
	}
	if dir := c.TemplateFiles.Dir; dir != "" && !isDir(dir) {
		l.fault(at, "is no directory that can be read: want one with files such as recording.email.txt")
		c.TemplateFiles.Dir = ""
	}
	var errs []error
	c.Templates, errs = (&rules.Book{Contacts: c.Contacts}).Numbers().Load(c.TemplateFiles.Dir)
	faulty := make(map[string]bool)
	for _, err := range errs {
		if e, ok := errors.AsType[*render.Error](err); ok {
			l.problems = append(l.problems, Problem{File: e.File, Line: e.Line, Text: e.Text})
			name, _, _ := strings.Cut(filepath.Base(e.File), ".")
			faulty[name] = true
		} else {
			l.fault(at, "%v", err)
		}
	}
	for i, rule := range c.RuleList {
		for j, send := range rule.Send {
			l.checkAttached(i, j, &rule)
			key := fmt.Sprintf("send[%d]", j)
			at := place{fmt.Sprintf("rule[%d].%s", i, key), fmt.Sprintf("rule %q: %s", rule.Name, key)}
			l.checkTemplate(at, &send, faulty, c)
			if f := send.Fallback; f != nil {
				l.checkTemplate(place{at.path + ".fallback", at.label + ".fallback"}, f.Send(&send), faulty, c)
			}
		}
	}
}

// checkTemplate finds out whether a send, or a fallback, has a template for its
// channel. What is wrong with faulty ones is reported already.
func (l *loader) checkTemplate(at place, send *rules.Send, faulty map[string]bool, c *Config) {
	kind, name := c.Channels[send.Via].Kind, send.Template
	if !slices.Contains(kinds, kind) || name == "" || faulty[name] {
		return
	}
	at = place{at.path + ".template", at.label + ".template: "}
	switch {
	case !c.Templates.Has(kind, name):
		l.fault(at, "no template %q for %s (have %s)", clip(name), kind, strings.Join(c.Templates.Names(kind), ", "))
	case send.Digest != "" && c.Templates.TellsAll(kind, name) != nil:
		l.fault(at, "a digest tells of many recordings, and %q does not: %v; want one such as \"digest\"", clip(name), c.Templates.TellsAll(kind, name))
	case c.Templates.HasLink(kind, name) && !l.has(publicURL):
		l.fault(at, "%q has {{.Link}}, which people open under [server] public_url: want that too, such as https://hooks.example.com", name)
	}
}

// checkAttached checks that a recording that goes with the messages of a send can
// be linked to where it is too large.
func (l *loader) checkAttached(i, j int, rule *rules.Rule) {
	if rule.Send[j].Attach == "" || l.has(publicURL) {
		return
	}
	key := fmt.Sprintf("send[%d].attach", j)
	l.fault(place{fmt.Sprintf("rule[%d].%s", i, key), fmt.Sprintf("rule %q: %s: ", rule.Name, key)},
		"a recording that is too large is linked to, which people open under [server] public_url: want that too, such as https://hooks.example.com")
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// checkTests checks that every test can be run; running them is for others.
// Where rules are not known for want of a variable, no test would tell anything.
func (l *loader) checkTests(at place, c *Config) {
	names := make(map[string]bool)
	for i := range c.Tests {
		t := &c.Tests[i]
		test := at.item(i, map[string]any{"name": t.Name})
		t.Line = l.lines.of(test.path)
		l.uniqueName(test.key("name"), t.Name, names)
		if len(t.Callback) == 0 {
			l.fault(test.key("callback"), `missing: want the fields of a callback, such as { RecordingStatus = "completed" }`)
		}
		if t.Expect == nil {
			l.fault(test.key("expect"), `missing: want messages such as "email:alice@example.com", or [] for none`)
		}
		l.checkTestedCall(test.key("call"), t.Call)
		for j, message := range t.Expect {
			l.checkExpected(test.key("expect").item(j, message), message, c)
		}
	}
	if len(c.Tests) > 0 && l.mode == Check && l.rulesAreGuessed() {
		l.warn(at, "not run: variables that the rules, contacts or tests need are not set")
		c.Tests = nil
	}
}

// rulesAreGuessed reports whether something that tests depend on is not known.
func (l *loader) rulesAreGuessed() bool {
	for path := range l.unread {
		for parent(path) != "" {
			path = parent(path)
		}
		if slices.Contains([]string{"rule", "contact", "group", "test"}, path) {
			return true
		}
	}
	return false
}

// checkExpected checks one message that a test expects.
func (l *loader) checkExpected(at place, message string, c *Config) {
	name, to, ok := strings.Cut(message, ":")
	kind := c.Channels[name].Kind
	switch {
	case !ok || to == "":
		l.fault(at, `want "channel:recipient", such as "email:alice@example.com"`)
	case kind == "":
		if !l.unread["channel"] {
			l.fault(at, "no channel %q (have %s)", clip(name), strings.Join(slices.Sorted(maps.Keys(c.Channels)), ", "))
		}
	case kind == render.Archive:
		if clean, err := render.CleanPath(to); err != nil || clean != to {
			l.fault(at, "no recording is kept there: want a path such as 2025/03/14/rec-1.mp3")
		}
	case kind == render.Email && !rules.IsEmail(to), kind == render.SMS && !rules.IsPhone(to):
		l.fault(at, "no message can go there: want an address of %s", kind)
	}
}

// uniqueName checks the name of an element of an array.
func (l *loader) uniqueName(at place, name string, names map[string]bool) {
	switch {
	case name == "":
		l.fault(at, "missing")
	case names[name]:
		l.fault(at, "another one has this name: want one of its own")
	}
	names[name] = true
}

// oneOf checks that value is one of choices.
func (l *loader) oneOf(at place, value string, choices ...string) {
	if !slices.Contains(choices, value) {
		last := len(choices) - 1
		l.fault(at, "want %s or %s", strings.Join(choices[:last], ", "), choices[last])
	}
}
