package rules

import (
	"fmt"
	"regexp"
	"strings"
)

// pattern is one compiled pattern. It is compared with a folded value.
type pattern struct {
	source  string         // as it was written, without the !
	literal string         // where neither of the others is set
	parts   []string       // what stands between the asterisks
	regexp  *regexp.Regexp // of /…/
}

// patterns is a compiled list: one of some must match, if there are any, and
// none of none.
type patterns struct{ some, none []pattern }

// fold brings a value and a pattern into the form in which they are compared.
func fold(s string) string { return strings.ToLower(s) }

// compilePattern compiles a pattern, without its !.
func compilePattern(source string) (pattern, error) {
	p := pattern{source: source}
	if len(source) >= 2 && source[0] == '/' && source[len(source)-1] == '/' {
		var err error
		if p.regexp, err = regexp.Compile("(?i)" + source[1:len(source)-1]); err != nil {
			return p, fmt.Errorf("%s: not a regular expression: %s", source, reason(err))
		}
		return p, nil
	}
	if p.literal = fold(source); strings.Contains(source, "*") {
		p.parts = strings.Split(p.literal, "*")
	}
	return p, nil
}

// reason leaves out the expression that regexp's errors quote.
func reason(err error) string {
	text := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	text, _, _ = strings.Cut(text, ": `")
	return text
}

// isLiteral reports whether the pattern matches nothing but itself.
func (p *pattern) isLiteral() bool { return p.regexp == nil && p.parts == nil }

// prefix returns what every value that matches begins with. It is empty where
// that may be anything.
func (p *pattern) prefix() string {
	switch {
	case p.regexp != nil:
		return ""
	case p.parts != nil:
		return p.parts[0]
	}
	return p.literal
}

// suffix returns what every value that matches ends with. It is empty where that
// may be anything.
func (p *pattern) suffix() string {
	if p.regexp == nil && p.parts != nil {
		return p.parts[len(p.parts)-1]
	}
	return p.literal
}

// match reports whether the pattern matches a folded value.
func (p *pattern) match(value string) bool {
	switch {
	case p.regexp != nil:
		return p.regexp.MatchString(value)
	case p.parts != nil:
		return matchParts(p.parts, value)
	}
	return p.literal == value
}

// matchParts reports whether value begins with the first part, ends with the
// last, and has the others between, in order. An empty value never does: "*"
// alone means present and not empty.
func matchParts(parts []string, value string) bool {
	first, last := parts[0], parts[len(parts)-1]
	if value == "" || len(value) < len(first)+len(last) ||
		!strings.HasPrefix(value, first) || !strings.HasSuffix(value, last) {
		return false
	}
	value = value[len(first) : len(value)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(value, part)
		if i < 0 {
			return false
		}
		value = value[i+len(part):]
	}
	return true
}

// add adds a pattern. One that matches a vendor's own spelling of a value then
// matches the value in the spelling that slots give it; spellings may be nil.
func (c *patterns) add(p pattern, negated bool, spellings map[string]string) {
	to := &c.some
	if negated {
		to = &c.none
	}
	*to = append(*to, p)
	for theirs, ours := range spellings {
		if p.match(theirs) {
			*to = append(*to, pattern{literal: ours})
		}
	}
}

// match reports whether a folded value satisfies the list.
func (c *patterns) match(value string) bool {
	for i := range c.none {
		if c.none[i].match(value) {
			return false
		}
	}
	for i := range c.some {
		if c.some[i].match(value) {
			return true
		}
	}
	return len(c.some) == 0
}

// String puts the list into words.
func (c *patterns) String() string {
	return append(written(c.some, ""), written(c.none, "!")...).words()
}

// written returns the patterns as they were written.
func written(list []pattern, prefix string) (sources Patterns) {
	for _, p := range list {
		if p.source != "" || p.literal == "" { // else it is another spelling, which nobody wrote
			sources = append(sources, prefix+p.source)
		}
	}
	return sources
}
