package render_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/render"
)

// loadKnowing loads templates of those files that know alice.
func loadKnowing(t *testing.T, files map[string]string) (*render.Templates, []error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return render.Contacts{"+15550100001": "alice"}.Load(dir)
}

func TestAMessageSaysWhoCalledWhereThatIsKnown(t *testing.T) {
	const text = `{{if .Call.Known}}{{.Call.From}} called {{contact .Call.To | default .Call.To}} ({{.Call.Direction}}, {{time .Call.StartTime "15:04"}}){{else}}somebody called{{end}}`
	templates, errs := loadKnowing(t, map[string]string{"t.sms.txt": text, "t.email.txt": "Subject: " + text + "\n\n" + text, "t.email.html": "<p>" + text + "</p>"})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	d := render.Sample()
	for _, test := range []struct {
		call *callback.Call
		want string
	}{
		{&callback.Call{Known: true, From: "+15550100002", To: "+15550100001", Direction: "inbound",
			StartTime: time.Date(2026, time.November, 24, 15, 9, 0, 0, time.UTC)}, "+15550100002 called alice (inbound, 15:09)"},
		{&callback.Call{Known: true, From: "anonymous", To: "+15550100009"}, "anonymous called +15550100009 (, 00:00)"},
		{&callback.Call{Problem: "no answer in time"}, "somebody called"},
		{nil, "somebody called"},
	} {
		d.Call = test.call
		m, err := templates.Render(render.Email, "t", d)
		if got := strings.ReplaceAll(m.HTML, "&#43;", "+"); err != nil || m.Subject != test.want || m.Text != test.want || got != "<p>"+test.want+"</p>" {
			t.Errorf("Render with %+v = %+v, %v, want %q", test.call, m, err, test.want)
		}
		if m, err = templates.Render(render.SMS, "t", d); err != nil || m.Text != test.want {
			t.Errorf("Render of an SMS with %+v = %+v, %v, want %q", test.call, m, err, test.want)
		}
	}
}

func TestARecipientIsTheContactWithThatNumber(t *testing.T) {
	text, err := render.Contacts{"+15550100001": "alice"}.ParseText("{{contact .Call.To}}")
	if err != nil || !text.HasCall() {
		t.Fatalf("ParseText = %v, %v, want a text that asks for the call", text, err)
	}
	d := render.Sample()
	for to, want := range map[string]string{"+15550100001": "alice", " +15550100001": "alice", "+15550100009": "", "": ""} {
		d.Call = &callback.Call{Known: true, To: to}
		if got, err := text.Execute(d); got != want || err != nil {
			t.Errorf("contact of %q = %q, %v, want %q", to, got, err, want)
		}
	}
	if text, err = render.ParseText(`{{contact "+15550100001"}}`); err != nil || text.HasCall() {
		t.Fatalf("ParseText = %v, %v, want a text that does not ask for the call", text, err)
	}
	if got, err := text.Execute(d); got != "" || err != nil {
		t.Errorf("contact where there is none = %q, %v, want nothing", got, err)
	}
}

func TestTemplatesThatAskForTheCallAreKnown(t *testing.T) {
	for text, want := range map[string]bool{
		"{{.Call.From}}x": true, "x{{$.Call.To}}": true, "{{contact .Call.To}}x": true, "x{{if .Call.Known}}x{{end}}": true,
		"x{{with .Call}}{{.From}}{{end}}": true, "x{{printf `%s` (lower .Call.From)}}": true, "x{{range $k, $v := .Fields}}{{$.Call.To}}{{end}}": true,
		`x{{define "a"}}{{.Call.From}}{{end}}{{template "a" .}}`:                                           true,
		`x{{define "a"}}{{template "b" .}}{{end}}{{define "b"}}{{.Call.To}}{{end}}{{template "a" .}}`:      true,
		`x{{define "a"}}{{.From}}{{end}}{{template "a" .Call}}`:                                            true,
		`{{define "a"}}{{if .Late}}{{template "a" .}}{{end}}x{{end}}{{template "a" .}}{{.Call.Direction}}`: true,

		"x": false, "{{.CallSid}}": false, "x{{.Query.Call}}": false, "x{{/* .Call.From */}}": false, `{{".Call.From"}}`: false,
		`x{{define "a"}}{{.Call.From}}{{end}}`: false, "{{.Link}}": false,
	} {
		templates := with(t, text)
		if got := templates.HasCall(render.SMS, "t"); got != want || templates.HaveCall() != want {
			t.Errorf("HasCall of %s = %v, HaveCall %v, want %v", text, got, templates.HaveCall(), want)
		}
		if templates.HasCall(render.SMS, "recording") || templates.HasCall(render.Email, "t") || templates.HasCall(render.SMS, "none") {
			t.Errorf("with %s, another template has the call", text)
		}
	}
	templates, _, errs := load(t, map[string]string{
		"parts.html":         `{{define "own-caller"}}<b>{{.Call.From}}</b>{{end}}`,
		"subject.email.txt":  "Subject: {{.Call.From}}\n\nx",
		"html.email.txt":     "Subject: x\n\nx",
		"html.email.html":    `<p>{{template "own-caller" .}}</p>`,
		"without.email.txt":  "Subject: x\n\nx",
		"without.email.html": "<p>x</p>",
		"html.sms.txt":       "x",
	})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, test := range []struct {
		kind, name string
		want       bool
	}{
		{render.Email, "subject", true}, {render.Log, "subject", true}, {render.SMS, "subject", false},
		{render.Email, "html", true}, {render.Log, "html", true}, {render.SMS, "html", false}, {render.Email, "without", false},
		{render.Email, "recording", false},
	} {
		if got := templates.HasCall(test.kind, test.name); got != test.want {
			t.Errorf("HasCall(%s, %s) = %v, want %v", test.kind, test.name, got, test.want)
		}
	}
	if builtin(t).HaveCall() {
		t.Error("a built-in template asks for the call, and would have all who use it wait")
	}
}

func TestATemplateMustDoWithoutTheCall(t *testing.T) {
	_, errs := loadKnowing(t, map[string]string{
		"slice.sms.txt":  "one\n{{slice .Call.From 0 2}}",
		"field.sms.txt":  "one\n{{.Call.Form}}",
		"number.sms.txt": "{{contact .RecordingDuration}}",
	})
	var got []string
	for _, err := range errs {
		_, text, _ := strings.Cut(err.Error(), ".sms.txt")
		got = append(got, text)
	}
	want := []string{
		":2: <.Call.Form>: the call has no field Form (have Direction, From, Known, Problem, StartTime, To)",
		":1: <.RecordingDuration>: wrong type for value; expected string; got int",
		":2: <slice .Call.From 0 2>: error calling slice: index out of range: 2; so it is where the provider has not said who called: " +
			"want {{if .Call.Known}}…{{end}} around it",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("Load: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
