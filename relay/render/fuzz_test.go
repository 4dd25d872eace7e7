package render_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"ringpost/relay/render"
)

// FuzzBuiltinTemplates renders every built-in template with values that a
// sender, or an admin, could have given.
func FuzzBuiltinTemplates(f *testing.F) {
	for _, value := range []string{"", "DialVerb", "https://example.com/Recordings/R.wav?a=b#c", "javascript:alert(1)",
		"a\r\nBcc: b", `"><script>`, "\xff\x00😀", strings.Repeat("é", 900), "//Recordings/.mp3"} {
		f.Add(value, 94)
	}
	templates := builtin(f)
	f.Fuzz(func(t *testing.T, value string, seconds int) {
		d := hostile(value)
		d.RecordingDuration = seconds
		for _, kind := range []string{render.Email, render.SMS, render.Log} {
			for _, name := range templates.Names(kind) {
				m, err := templates.Render(kind, name, d)
				if tooLong := utf8.RuneCountInString(value) > 1000; err != nil && !tooLong {
					t.Errorf("Render(%q, %q): %v", kind, name, err)
				}
				checkSubject(t, m.Subject)
				if strings.Contains(m.HTML, "<script") || strings.Contains(m.HTML, `href="javascript:`) {
					t.Errorf("Render(%q, %q) is unsafe:\n%s", kind, name, m.HTML)
				}
				if n, _ := render.Segments(m.Text); n < 1 || n > len(m.Text)/66+1 {
					t.Errorf("Segments(%q) = %d, want no more than its bytes can fill", m.Text, n)
				}
			}
		}
	})
}

// checkSubject reports a subject that is not one line, or too long.
func checkSubject(t *testing.T, s string) {
	t.Helper()
	if len(s) > 250 || strings.ContainsFunc(s, unicode.IsControl) {
		t.Errorf("the subject is %q, want one line of at most 250 bytes", s)
	}
}

// FuzzParseText gives arbitrary templates an arbitrary query.
func FuzzParseText(f *testing.F) {
	for _, source := range []string{"", "alice", "{{.Query.agent}}", `{{index .Query "agent" | default "bob" | lower}}`,
		`{{time .ReceivedAt "15:04" "Europe/Berlin"}}`, `{{join "," .To .Rule}}`, "{{if .CallSid}}a{{else}}b{{end}}",
		`{{define "x"}}a{{end}}{{template "x"}}`, "{{slice .To 2 1}}", "{{.RecordingUrl | mp3 | html}}", "{{/* a */ -}} b", "{{eq .Query .Fields}}"} {
		f.Add(source, "alice")
	}
	f.Fuzz(func(t *testing.T, source, agent string) {
		if strings.Contains(source, "range") || strings.Count(source, "define")+strings.Count(source, "block") > 1 {
			t.Skip("may end only after a very long time")
		}
		text, err := render.ParseText(source)
		if err != nil {
			return
		}
		d := render.Sample()
		d.Query["agent"] = agent
		got, err := text.Execute(d)
		if err != nil {
			return
		}
		if len(got) > 1000 || strings.ContainsFunc(got, unicode.IsControl) || strings.TrimSpace(got) != got {
			t.Errorf("ParseText(%q).Execute = %q, want one short line", source, got)
		}
	})
}
