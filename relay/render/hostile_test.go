package render_test

import (
	"strings"
	"testing"

	"ringpost/relay/callback"
	"ringpost/relay/render"
)

// hostile returns data that is value wherever a sender has a say.
func hostile(value string) *render.Data {
	d := render.Sample()
	d.Callback = &callback.Callback{
		AccountSid: value, RecordingSid: value, RecordingStatus: "completed", CallSid: value, RecordingUrl: value,
		RecordingDuration: 94, RecordingSource: value, RecordingChannels: value,
		Fields: map[string]string{"To": value}, Query: map[string]string{"agent": value}, ReceivedAt: d.ReceivedAt,
	}
	d.Rule, d.To = value, value
	return d
}

func TestCallbackValuesCannotBecomeHTML(t *testing.T) {
	templates := builtin(t)
	plain, err := templates.Render(render.Email, "recording", hostile("x"))
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{
		`<script>alert(1)</script>`,
		`"><img src=x onerror=alert(1)>`,
		`' onmouseover='alert(1)`,
		`</style><style>*{display:none}</style>`,
		`<!-- `, `]]>`, `</td></tr></table>`, "\x00<b>",
	} {
		m, err := templates.Render(render.Email, "recording", hostile(value))
		if err != nil {
			t.Errorf("Render with %q: %v", value, err)
			continue
		}
		for _, mark := range []string{"<", ">", `"`, "'"} {
			if got, want := strings.Count(m.HTML, mark), strings.Count(plain.HTML, mark); got != want {
				t.Errorf("Render with %q has %d %s, want the template's %d:\n%s", value, got, mark, want, m.HTML)
			}
		}
	}
}

func TestOnlyWebAddressesBecomeLinks(t *testing.T) {
	templates, _, errs := load(t, map[string]string{
		"t.email.txt":  "Subject: s\n\ntext",
		"t.email.html": `<a href="{{.RecordingUrl}}">raw</a>`,
	})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, url := range []string{
		"javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)",
		"javascript:alert(1)/Recordings/R", "javascript://example.com/Recordings/R",
		"data:text/html,<script>alert(1)</script>", "vbscript:msgbox(1)", "file:///etc/passwd",
	} {
		for _, name := range []string{"t", "recording"} {
			m, err := templates.Render(render.Email, name, hostile(url))
			if err != nil {
				t.Errorf("Render(%q) with %q: %v", name, url, err)
				continue
			}
			_, link, _ := strings.Cut(m.HTML, `href="`)
			if link, _, _ = strings.Cut(link, `"`); strings.Contains(link, "script:") || link != "#ZgotmplZ" && strings.Contains(link, ":") {
				t.Errorf("Render(%q) with %q links to %q", name, url, link)
			}
		}
	}
}

func TestCallbackValuesCannotBecomeHeaders(t *testing.T) {
	d := hostile("x\r\nBcc: mallory@example.com")
	for _, source := range []string{
		"{{.RecordingSource}}", "{{.Query.agent}}", "{{.Fields.To}}", "{{.Rule}}", "{{.To}}", `{{join "" .CallSid}}`,
	} {
		templates, _, errs := load(t, map[string]string{"t.email.txt": "Subject: " + source + "\n\ntext"})
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		const want = "x Bcc: mallory@example.com"
		if m, err := templates.Render(render.Email, "t", d); err != nil || m.Subject != want {
			t.Errorf("Subject %s = %q, %v, want %q", source, m.Subject, err, want)
		}
		yields(t, source, d, want)
	}
}

func TestATextIsNeverCutToAnotherAddress(t *testing.T) {
	text, err := render.ParseText("{{.Query.agent}}")
	if err != nil {
		t.Fatal(err)
	}
	d := render.Sample()
	d.Query["agent"] = strings.Repeat("a", 1000)
	if got, err := text.Execute(d); err != nil || got != d.Query["agent"] {
		t.Errorf("Execute with 1000 bytes = %q, %v, want them", got, err)
	}
	d.Query["agent"] += "a"
	if got, err := text.Execute(d); err == nil || err.Error() != "it yields more than 1000 bytes" {
		t.Errorf("Execute with 1001 bytes = %q, %v, want an error", got, err)
	}
}

func TestTextErrorsHaveNoFile(t *testing.T) {
	for source, want := range map[string]string{
		"{{.Nope}}":      "<.Nope>: there is no field Nope (have " + fieldList + ")",
		"{{nope}}":       `function "nope" not defined`,
		"{{.Query.agent": "unclosed action",
	} {
		if _, err := render.ParseText(source); err == nil || err.Error() != want {
			t.Errorf("ParseText(%q) = %v, want %s", source, err, want)
		}
	}
	text, err := render.ParseText("{{.Query.agent}}")
	if err != nil {
		t.Fatal(err)
	}
	const want = "?agent= is missing from the callback's address"
	if _, err := text.Execute(render.Sample()); err == nil || err.Error() != want {
		t.Errorf("Execute without ?agent = %v, want %s", err, want)
	}
}

func TestErrorsQuoteNoValue(t *testing.T) {
	d := hostile("secret")
	for _, source := range []string{
		"{{range .Query.agent}}{{end}}", "{{eq .Query .Fields}}", "{{eq .Query .Query.agent}}", "{{slice .Query.agent 9}}",
		"{{index .Query.agent 9}}", "{{duration .Query.agent}}", "{{lt .Query.agent 1}}", "{{call .Query.agent}}",
		`{{time .ReceivedAt "15:04" .Query.agent}}`, "{{template .Query.agent}}", "{{.Query.agent.Nope}}", "{{len .RecordingDuration}}",
		"{{with $x := .Query.agent}}{{range $x}}{{end}}{{end}}",
	} {
		guarded := `{{if index .Query "agent"}}` + source + `{{end}}` // the sample passes
		text, err := render.ParseText(guarded)
		if err == nil {
			var got string
			if got, err = text.Execute(d); err == nil {
				t.Errorf("%s = %q, want an error", guarded, got)
				continue
			}
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error quotes a value: %v", guarded, err)
		}
	}
}
