package signalwire_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"ringpost/relay/signalwire"
)

func TestRedactKeepsWordsAndHidesTheRest(t *testing.T) {
	for in, want := range map[string]string{
		"550 5.1.1 <alice@example.com>: no such user":     "550 5.1.1 <alice@example.com>: no such user",
		"dial tcp 192.0.2.10:587: connection refused":     "dial tcp 192.0.2.10:587: connection refused",
		"to +15550100001 or 15550100002":                  "to …01 or …02",
		"the code 21610 and 123456":                       "the code 21610 and 123456",
		"see https://example.com/a?b=c now":               "see [link] now",
		"see example.com/a, (files.example.com/x.wav)":    "see [link] [link]",
		"at /api/laml/2010-04-01/Accounts/A/Recordings/R": "at [link]",
		"two\r\nlines,\ttabs \x1b[2J\u202e\x00 and \xff":  "two lines, tabs [2J and",
		"wrong token tok-en-123 for ab":                   "wrong token … for ab",
		"a text of\n two lines was not liked":             "… was not liked",
		"":                                                "",
	} {
		if got := signalwire.Redact(in, "tok-en-123", "ab", "", "a text\nof two lines"); got != want {
			t.Errorf("Redact(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestRedactIsBounded(t *testing.T) {
	got := signalwire.Redact(strings.Repeat("ü", 1000))
	if len(got) > 300 || len(got) < 290 || !utf8.ValidString(got) || !strings.HasSuffix(got, "ü…") {
		t.Errorf("Redact of 2000 bytes = %q of %d bytes, want 300 at most", got, len(got))
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("550 5.1.1 no", "secret")
	f.Add("https://x/ +15550100001 secret", "secret")
	f.Add("a/b.cd/\xff\u202e", "x")
	f.Fuzz(func(t *testing.T, words, private string) {
		got := signalwire.Redact(words, private)
		if len(got) > 300 || !utf8.ValidString(got) {
			t.Errorf("Redact(%q) = %q of %d bytes", words, got, len(got))
		}
		digits := 0
		for _, r := range got {
			if !unicode.IsPrint(r) {
				t.Errorf("Redact(%q) = %q has %U", words, got, r)
			}
			if digits++; r < '0' || r > '9' {
				digits = 0
			}
			if digits >= 7 {
				t.Errorf("Redact(%q) = %q has a long number", words, got)
			}
		}
		if strings.Contains(got, "://") {
			t.Errorf("Redact(%q) = %q has a link", words, got)
		}
	})
}
