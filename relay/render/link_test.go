package render_test

import (
	"fmt"
	"strings"
	"testing"

	"ringpost/relay/render"
)

func TestAMessageHasOneLinkThatIsMadeWhereItIsAskedFor(t *testing.T) {
	templates, _, errs := load(t, map[string]string{
		"both.email.txt":    "Subject: at {{.Link}}\n\n{{.Link}} and {{$.Link}}",
		"both.email.html":   `<a href="{{.Link}}" title="{{.Link}}">{{.Link}}</a>`,
		"sometimes.sms.txt": `{{if eq .RecordingSource "Conference"}}{{.Link}}{{else}}no link{{end}}`,
	})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	made := 0
	d := render.Sample()
	d.Link = func() string {
		made++
		return fmt.Sprintf("https://hooks.example.com/r/token%d", made)
	}
	m, err := templates.Render(render.Email, "both", d)
	if err != nil {
		t.Fatal(err)
	}
	if all := m.Subject + m.Text + m.HTML; made != 1 || strings.Count(all, "https://hooks.example.com/r/token1") != 6 {
		t.Errorf("%d links were made for %q, want one, six times", made, all)
	}
	if m, err = templates.Render(render.SMS, "sometimes", d); err != nil || m.Text != "no link" || made != 1 {
		t.Errorf("Render = %q, %v and %d links, want no other link", m.Text, err, made)
	}
	if _, err := templates.Render(render.SMS, "recording", d); err != nil || made != 1 {
		t.Errorf("Render of a template without a link made %d, %v, want none", made-1, err)
	}
	d.Link = nil
	if _, err := templates.Render(render.Email, "both", d); err == nil || !strings.Contains(err.Error(), ".Link is for what a message says") {
		t.Errorf("Render where there is no link = %v, want an error that says so", err)
	}
}

func TestTemplatesWithALinkAreKnown(t *testing.T) {
	for text, want := range map[string]bool{
		"{{.Link}}": true, "{{$.Link}}": true, "{{.Link | upper}}": true, `{{join " " .Rule .Link}}`: true, `{{join " " .Rule (lower .Link)}}`: true,
		"{{if .CallSid}}x{{else}}{{.Link}}{{end}}x": true, "x{{if .Link}}x{{end}}": true, "{{with .CallSid}}{{$.Link}}{{end}}": true,
		"x{{range $k, $v := .Fields}}{{$.Link}}{{end}}": true, "{{with $x := .}}{{$x.Link}}{{end}}": true,
		`{{define "a"}}{{.Link}}{{end}}{{template "a" .}}`: true, `{{define "a"}}{{.}}{{end}}{{template "a" .Link}}`: true,
		"{{with .CallSid}}x{{else with .Link}}{{.}}{{end}}": true,

		"x": false, "{{.RecordingUrl}}": false, "see .Link": false, `{{".Link"}}`: false, "x{{/* .Link */}}": false, "x{{.Query.Link}}": false,
	} {
		if got := with(t, text).HasLink(render.SMS, "t"); got != want {
			t.Errorf("HasLink of %s = %v, want %v", text, got, want)
		}
	}
	templates, _, errs := load(t, map[string]string{
		"subject.email.txt": "Subject: {{.Link}}\n\nx", "html.email.txt": "Subject: x\n\nx", "html.email.html": "<p>{{.Link}}</p>", "html.sms.txt": "x",
	})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, test := range []struct {
		kind, name string
		want       bool
	}{
		{render.Email, "link", true}, {render.SMS, "link", true}, {render.Log, "link", true}, {render.Email, "recording", false},
		{render.Email, "subject", true}, {render.Email, "html", true}, {render.Log, "html", true}, {render.SMS, "html", false},
		{render.SMS, "subject", false}, {render.SMS, "none", false},
	} {
		if got := templates.HasLink(test.kind, test.name); got != test.want {
			t.Errorf("HasLink(%s, %s) = %v, want %v", test.kind, test.name, got, test.want)
		}
	}
}

func TestTheLinkAsAnSMSIsOneSegment(t *testing.T) {
	d := render.Sample()
	d.RecordingDuration = 86399
	d.Link = func() string {
		return render.SampleLink("https://recordings.eu-central.telephony.some-long-company-name.example.com/ringpost")
	}
	m, err := builtin(t).Render(render.SMS, "link", d)
	if err != nil {
		t.Fatal(err)
	}
	if n, encoding := render.Segments(m.Text); n != 1 || encoding != "GSM-7" || !strings.Contains(m.Text, "/r/SampleLink0") {
		t.Errorf("Segments(%q) = %d, %s, want 1, GSM-7, and the link in it", m.Text, n, encoding)
	}
}
