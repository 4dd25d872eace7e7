package signalwire

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxRedacted bounds what Redact returns, in bytes.
	maxRedacted = 300
	// minPrivate is the length from which taking a string out hides more than
	// it spoils.
	minPrivate = 4
)

var (
	// link is a word that leads to a resource, with or without a scheme.
	link = regexp.MustCompile(`\S*(?:://|\w\.\pL{2,}/|/api/)\S*`)
	// number is a phone number or an id made of digits; an SMTP code or a port
	// is shorter.
	number = regexp.MustCompile(`\+?\d{7,}`)
)

// Redact makes words of another party fit for an error, which is logged and
// stored: on one line, without control characters, links, long numbers and what
// is in private, at most 300 bytes. An empty string in private is ignored.
func Redact(words string, private ...string) string {
	words = oneLine(words)
	for _, p := range private {
		if p = oneLine(p); len(p) >= minPrivate {
			words = strings.ReplaceAll(words, p, "…")
		}
	}
	words = link.ReplaceAllLiteralString(words, "[link]")
	words = number.ReplaceAllStringFunc(words, func(s string) string { return "…" + s[len(s)-2:] })
	return cut(words, maxRedacted)
}

// oneLine turns what does not print into spaces, and several of those into one.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
}

// cut shortens s to at most size bytes, between two characters.
func cut(s string, size int) string {
	const mark = "…"
	if len(s) <= size {
		return s
	}
	end := size - len(mark)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}
