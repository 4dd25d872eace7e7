package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// maxPrinted bounds what one value may take on a line, in bytes.
const maxPrinted = 1000

// printable returns a value as a terminal may show it: what senders and servers
// say could else move the cursor, or hide a line.
func printable(s string) string {
	if len(s) > maxPrinted {
		s = strings.ToValidUTF8(s[:maxPrinted], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if r != ' ' && !unicode.IsGraphic(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %s", n, strings.TrimSuffix(what, "s")+"s")
}

func (p *program) printJSON(v any) error {
	e := json.NewEncoder(p.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
