package rules

import (
	"fmt"
	"reflect"
	"strings"

	"ringpost/relay/callback"
	"ringpost/relay/render"
)

// compileArchive compiles a send of an archive, which tells nobody: what stands
// for the recipient is the recording's path there, and it has no template.
func (c *compiler) compileArchive(path string, d *Send) send {
	if len(d.To) > 0 {
		c.fail(path+".to", "an archive has no recipients: remove it; where recordings are kept is path of [channel.%s]", d.Via)
	}
	if d.Template != "" {
		c.fail(path+".template", "an archive sends no words: remove it")
	}
	rest := *d
	if rest.To, rest.Template = nil, ""; !reflect.DeepEqual(rest, Send{Via: d.Via, Quiet: d.Quiet, Fallback: d.Fallback}) {
		c.fail(path, "an archive's send has via, quiet and fallback, and nothing else: remove the other keys")
	}
	source := c.Paths[d.Via]
	if source == "" {
		source = render.DefaultPath
	}
	t, err := c.set.book.numbers.ParsePath(source)
	if err != nil { // of a plan of then: the configuration's are checked with their channels
		c.fail(path+".via", "channel %q: path: %v", d.Via, err)
	}
	s := send{channel: d.Via, kind: render.Archive, template: source, recipients: []recipient{{template: t, call: err == nil && t.HasCall()}}}
	c.compileQuiet(path, d, &s)
	s.fallback = c.compileFallback(path, d, s.quiet)
	return s
}

// checkArchive finds a rule that would keep what is not there: only of recordings
// with one status is there audio.
func (c *compiler) checkArchive(path string, r *rule) {
	for i := range r.conditions {
		if r.conditions[i].key != keyStatus {
			continue
		}
		others := false
		for _, status := range callback.AllStatuses {
			others = others || status != "completed" && r.conditions[i].patterns.match(status)
		}
		if !others {
			return
		}
	}
	c.fail(path, `an archive keeps recordings that have ended: want status = "completed" in this rule, and another one for the rest`)
}

// archived returns the path for which a template has yielded name.
func archived(name string) []found {
	p, err := render.CleanPath(name)
	if err != nil {
		return []found{{problem: "the recording cannot be kept: " + err.Error()}}
	}
	return []found{{to: p}}
}

// archiveWords says what a send of an archive does.
func (s *Send) archiveWords() string {
	return fmt.Sprintf("%s to the archive (channel %s)", kindWords(render.Archive), s.Via)
}

// isPath reports whether s is a path that an archive takes as it is.
func isPath(s string) bool {
	clean, err := render.CleanPath(s)
	return err == nil && clean == s && !strings.HasSuffix(s, ".json")
}
