package render_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"ringpost/relay/render"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// builtin returns the built-in templates.
func builtin(t testing.TB) *render.Templates {
	t.Helper()
	templates, errs := render.Load("")
	if len(errs) > 0 {
		t.Fatalf("Load(\"\") = %v, want no faults", errs)
	}
	return templates
}

// load returns the built-in templates with these files, by name, over them.
func load(t testing.TB, files map[string]string) (templates *render.Templates, dir string, errs []error) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	templates, errs = render.Load(dir)
	return templates, dir, errs
}

// with returns a template of an SMS called "t".
func with(t testing.TB, text string) *render.Templates {
	t.Helper()
	templates, _, errs := load(t, map[string]string{"t.sms.txt": text})
	if len(errs) > 0 {
		t.Fatalf("Load of %q = %v, want no faults", text, errs)
	}
	return templates
}

func TestBuiltinTemplatesSayWhatTheGoldenFilesSay(t *testing.T) {
	templates := builtin(t)
	statuses := map[string]string{"recording": "completed", "absent": "absent", "started": "in-progress", "failed": "failed", "link": "completed", "digest": "completed", "missing": "missing",
		"undelivered": "undelivered"}
	for _, kind := range []string{render.Email, render.SMS} {
		if got := strings.Join(templates.Names(kind), " "); got != "absent digest failed link missing recording started undelivered" {
			t.Errorf("Names(%q) = %q, want absent digest failed link missing recording started undelivered", kind, got)
		}
		for _, name := range templates.Names(kind) {
			d := render.Sample()
			d.Rule = "managers get every finished recording"
			d.RecordingStatus = statuses[name]
			if name == "undelivered" {
				d.Fields = map[string]string{"DeliveryId": "17", "DeliveryRule": "agents <1>", "DeliveryChannel": "sms",
					"DeliveryTo": "+15550100002", "DeliveryError": "the carrier did not deliver it: the phone is switched off or out of reach (code 30003)"}
			}
			m, err := templates.Render(kind, name, d)
			if err != nil {
				t.Errorf("Render(%q, %q): %v", kind, name, err)
				continue
			}
			text := m.Text
			if kind == render.Email {
				text = "Subject: " + m.Subject + "\n\n" + m.Text
			}
			golden(t, name+"."+kind+".txt", text)
			if m.HTML != "" {
				golden(t, name+"."+kind+".html", m.HTML)
			}
		}
	}
}

// One rule may ask for both, and has one template for them.
func TestTheTemplatesOfOurOwnStatusesHaveWordsForEachOther(t *testing.T) {
	templates := builtin(t)
	for _, kind := range []string{render.Email, render.SMS} {
		for _, status := range []string{"missing", "undelivered"} {
			d := render.Sample()
			d.RecordingStatus = status
			a, err := templates.Render(kind, "missing", d)
			b, err2 := templates.Render(kind, "undelivered", d)
			if err != nil || err2 != nil || a != b {
				t.Errorf("of a callback that is %s, missing says %q (%v) and undelivered %q (%v), want the same", status, a.Text, err, b.Text, err2)
			}
		}
	}
}

// golden compares got with testdata/name.golden.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\ngot:\n%s\nwant:\n%s", name, got, want)
	}
}

func TestTheHTMLOfTheBuiltinTemplatesIsSmall(t *testing.T) {
	templates := builtin(t)
	for _, name := range templates.Names(render.Email) {
		m, err := templates.Render(render.Email, name, render.Sample())
		if err != nil {
			t.Fatal(err)
		}
		if has := m.HTML != ""; has != strings.Contains("recording link digest missing undelivered", name) {
			t.Errorf("Render(email, %q) has HTML: %t", name, has)
		}
		if len(m.HTML) > 3500 {
			t.Errorf("Render(email, %q) has %d bytes of HTML, want at most 3500", name, len(m.HTML))
		}
	}
}

func TestRecordingSMSIsOneSegment(t *testing.T) {
	d := render.Sample()
	if len(d.RecordingUrl) != 144 {
		t.Fatalf("the sample's URL has %d characters, and those of SignalWire have 144", len(d.RecordingUrl))
	}
	m, err := builtin(t).Render(render.SMS, "recording", d)
	if err != nil {
		t.Fatal(err)
	}
	if n, encoding := render.Segments(m.Text); n != 1 || encoding != "GSM-7" {
		t.Errorf("Segments(%q) = %d, %s, want 1, GSM-7", m.Text, n, encoding)
	}
}

func TestLogTakesTheEmailThenTheSMS(t *testing.T) {
	templates, _, errs := load(t, map[string]string{"short.sms.txt": "hello"})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for name, want := range map[string]string{"recording": "A call was recorded", "short": "hello"} {
		m, err := templates.Render(render.Log, name, render.Sample())
		if err != nil || !strings.HasPrefix(m.Text, want) {
			t.Errorf("Render(log, %q) = %q, %v, want it to begin with %q", name, m.Text, err, want)
		}
		if !templates.Has(render.Log, name) {
			t.Errorf("Has(log, %q) = false, want true", name)
		}
	}
}

func TestATemplateIsForItsKindOnly(t *testing.T) {
	templates, _, errs := load(t, map[string]string{"short.sms.txt": "hello", "long.email.txt": "Subject: s\n\nhello"})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, test := range []struct{ kind, name, want string }{
		{render.Email, "short", "template short: there is none for email (have absent, digest, failed, link, long, missing, recording, started, undelivered)"},
		{render.SMS, "long", "template long: there is none for sms (have absent, digest, failed, link, missing, recording, short, started, undelivered)"},
		{render.Log, "none", "template none: there is none for log (have absent, digest, failed, link, long, missing, recording, short, started, undelivered)"},
	} {
		if templates.Has(test.kind, test.name) {
			t.Errorf("Has(%q, %q) = true, want false", test.kind, test.name)
		}
		if _, err := templates.Render(test.kind, test.name, render.Sample()); err == nil || err.Error() != test.want {
			t.Errorf("Render(%q, %q) = %v, want %s", test.kind, test.name, err, test.want)
		}
	}
}

func TestMissingQueryParameterIsNamed(t *testing.T) {
	templates, dir, errs := load(t, map[string]string{
		"t.sms.txt":    "\n{{.Query.agent}}",
		"t.email.txt":  "Subject: s\n\nfirst\n\n{{.Query.agent}}",
		"h.email.txt":  "Subject: s\n\ntext",
		"h.email.html": "<p>\n<p>\n<p>{{.Query.agent}}",
	})
	if len(errs) > 0 {
		t.Fatalf("Load = %v, want no faults: a query is not known before the callback", errs)
	}
	for _, test := range []struct{ kind, name, where string }{
		{render.SMS, "t", "t.sms.txt:2"},
		{render.Email, "t", "t.email.txt:5"},
		{render.Email, "h", "h.email.html:3"},
	} {
		want := "template " + test.name + ": " + filepath.Join(dir, test.where) + ": ?agent= is missing from the callback's address"
		if _, err := templates.Render(test.kind, test.name, render.Sample()); err == nil || err.Error() != want {
			t.Errorf("Render(%q, %q) = %v, want %s", test.kind, test.name, err, want)
		}
	}
	d := render.Sample()
	d.Query = map[string]string{"agent": "alice"}
	if m, err := templates.Render(render.SMS, "t", d); err != nil || m.Text != "alice" {
		t.Errorf("Render with ?agent=alice = %q, %v, want alice", m.Text, err)
	}
}

func TestTemplatesMayBeUsedAtOnce(t *testing.T) {
	templates := builtin(t)
	want, err := templates.Render(render.Email, "recording", render.Sample())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if got, err := templates.Render(render.Email, "recording", render.Sample()); err != nil || got != want {
					t.Errorf("Render = %+v, %v, want %+v", got, err, want)
				}
			}
		})
	}
	wg.Wait()
}

func TestASMSHasBounds(t *testing.T) {
	for _, test := range []struct{ query, want string }{
		{strings.Repeat("é", 1600), ""},
		{strings.Repeat("é", 1601), "template t: the SMS has 1601 characters, and 1600 are allowed"},
		{" \n ", "template t: the SMS is empty"},
	} {
		d := render.Sample()
		d.Query["q"] = test.query
		_, err := with(t, "{{.Query.q}}").Render(render.SMS, "t", d)
		if got := errorText(err); got != test.want {
			t.Errorf("Render with %d characters = %q, want %q", utf8.RuneCountInString(test.query), got, test.want)
		}
	}
}

func TestSubjectIsOneBoundedLine(t *testing.T) {
	templates, _, errs := load(t, map[string]string{"t.email.txt": "Subject: Call {{.Query.q}}\n\ntext"})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, test := range []struct{ query, want string }{
		{"from alice", "Call from alice"},
		{"x\r\nBcc: mallory@example.com\r\n\r\nbody", "Call x Bcc: mallory@example.com body"},
		{"\u0085a\u2028b\u2029c\vd\fe\x00f\x7fg", "Call a b c d e f g"},
		{strings.Repeat("a", 5000), "Call " + strings.Repeat("a", 245)},
		{strings.Repeat("😀", 5000), "Call " + strings.Repeat("😀", 61)},
	} {
		d := render.Sample()
		d.Query["q"] = test.query
		m, err := templates.Render(render.Email, "t", d)
		if err != nil || m.Subject != test.want {
			t.Errorf("Subject with %.40q = %q, %v, want %q", test.query, m.Subject, err, test.want)
		}
	}
}

func TestEndlessOutputAndRecursionEndInAnError(t *testing.T) {
	const (
		output    = `{{range 1000000}}{{$.CallSid}}{{end}}`
		recursion = `{{block "x" .}}{{template "x"}}{{end}}`
	)
	for source, want := range map[string]string{
		output:    "it writes more than 262144 bytes",
		recursion: "exceeded maximum template depth",
	} {
		for _, file := range []string{"t.sms.txt", "t.email.txt", "recording.email.html"} {
			text := source
			if strings.HasSuffix(file, ".email.txt") {
				text = "Subject: s\n\n" + source
			}
			if _, _, errs := load(t, map[string]string{file: text}); len(errs) != 1 || !strings.Contains(errs[0].Error(), want) {
				t.Errorf("Load of %s with %s = %v, want an error with %q", file, source, errs, want)
			}
		}
		guarded := `{{if .Query.q}}` + source + `{{end}}a` // depends on the callback
		d := render.Sample()
		d.Query["q"] = "yes"
		if _, err := with(t, guarded).Render(render.SMS, "t", d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Render of %s = %v, want an error with %q", guarded, err, want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
