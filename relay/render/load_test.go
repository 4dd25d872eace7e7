package render_test

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ringpost/relay/render"
)

// fieldList are the fields of the data, as errors list them.
var fieldList = func() string {
	names := []string{"Recordings"}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[render.Data]()) {
		if !f.Anonymous {
			names = append(names, f.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}()

// faults are template files with one fault each, and what Load says of it after
// the file's name.
var faults = []struct{ file, text, want string }{
	{"subject.email.txt", "Hello\n\ntext", `:1: want "Subject: …" in the first line, and an empty second line before the text`},
	{"noblank.email.txt", "Subject: s\ntext\n\nmore", `:1: want "Subject: …" in the first line, and an empty second line before the text`},
	{"nobody.email.txt", "Subject: s\n", `:1: want "Subject: …" in the first line, and an empty second line before the text`},
	{"blank.email.txt", "Subject:  \n\ntext", `:1: want "Subject: …" in the first line, and an empty second line before the text`},
	{"empty.email.txt", "", `:1: want "Subject: …" in the first line, and an empty second line before the text`},
	{"header.email.txt", "Subject: {{.Nope}}\n\ntext", ":1: <.Nope>: there is no field Nope (have " + fieldList + ")"},
	{"field.email.txt", "Subject: s\n\nthree\nfour {{.RecordingURL}}\n", ":4: <.RecordingURL>: there is no field RecordingURL (have " + fieldList + ")"},
	{"third.email.txt", "Subject: s\n\n{{.Nope}}", ":3: <.Nope>: there is no field Nope (have " + fieldList + ")"},
	{"windows.email.txt", "\ufeffSubject: s\r\n\r\nthree\r\n{{.Nope}}\r\n", ":4: <.Nope>: there is no field Nope (have " + fieldList + ")"},
	{"status.email.txt", "Subject: s\n\n{{if eq .RecordingStatus \"failed\"}}\n{{.Nope}}{{end}}", ":4: <.Nope>: there is no field Nope (have " + fieldList + ")"},
	{"defined.email.txt", "Subject: s\n\n{{template \"x\" .}}\n{{define \"x\"}}\n{{.Nope}}{{end}}", ":5: <.Nope>: there is no field Nope (have " + fieldList + ")"},
	{"function.email.txt", "Subject: s\n\n\n\n{{shorten .CallSid}}", `:5: function "shorten" not defined`},
	{"open.email.txt", "Subject: s\n\n{{if .CallSid}}\nfour\n", ":5: unexpected EOF"},
	{"argument.sms.txt", "one\n{{duration .CallSid}}", ":2: <.CallSid>: wrong type for value; expected int; got string"},
	{"zone.sms.txt", "one\n{{time .ReceivedAt \"15:04\" \"Mars/Olympus\"}}", `:2: <time .ReceivedAt "15:04" "Mars/Olympus">: error calling time: no such time zone: want a name such as "Europe/Berlin"`},
	{"sub.sms.txt", "one\n{{template \"none\"}}", `:2: <{{template "none"}}>: template "none" not defined`},
	{"syntax.sms.txt", "one\n\n{{.Call Sid", `:3: function "Sid" not defined`},
	{"empty.sms.txt", "\n", ":1: is empty"},
	{"html.email.html", "<p>\n<p>{{.Nope}}", ":2: <.Nope>: there is no field Nope (have " + fieldList + ")"},
	{"escape.email.html", "<p>\n\n<a href=\"{{if .CallSid}}x\"{{end}}>", ":3: {{if}} branches end in different contexts: "},
	{"ends.email.html", "<p>\n<a href=\"{{.RecordingUrl}}", ":1: ends in a non-text context: "},
	{"undefined.email.html", "<p>\n{{template \"none\"}}", `:2: no such template "none"`},
	{"parse.email.html", "<p>\n<p>\n{{shorten .To}}", `:3: function "shorten" not defined`},
	{"notes.txt", "", ":1: not a template: want a name such as recording.email.txt, recording.email.html or recording.sms.txt"},
	{"parts.html", "{{define \"card\"}}\n{{shorten .To}}{{end}}", `:2: function "shorten" not defined`},
	{"alone.email.html", "<p>", ":1: has no text beside it: want alone.email.txt too"},
}

func TestLoadReportsEveryFaultWithItsLine(t *testing.T) {
	files := make(map[string]string)
	for _, fault := range faults {
		files[fault.file] = fault.text
		if html, ok := strings.CutSuffix(fault.file, ".email.html"); ok && html != "alone" {
			files[html+".email.txt"] = "Subject: s\n\ntext"
		}
	}
	templates, dir, errs := load(t, files)
	var got []string
	for _, err := range errs {
		if _, ok := err.(*render.Error); !ok {
			t.Errorf("Load: %v is a %T, want a *render.Error", err, err)
		}
		got = append(got, err.Error())
	}
	for _, fault := range faults {
		want := filepath.Join(dir, fault.file) + fault.want
		i := slices.IndexFunc(got, func(s string) bool { return strings.HasPrefix(s, want) })
		if i < 0 {
			t.Errorf("Load does not say %s", want)
			continue
		}
		got = slices.Delete(got, i, i+1)
	}
	for _, unwanted := range got {
		t.Errorf("Load says too: %s", unwanted)
	}
	for _, fault := range faults {
		name, rest, _ := strings.Cut(fault.file, ".")
		if kind, _, _ := strings.Cut(rest, "."); templates.Has(kind, name) {
			t.Errorf("Has(%q, %q) = true, want false: %s has a fault", kind, name, fault.file)
		}
	}
	if !templates.Has(render.Email, "recording") {
		t.Error(`Has("email", "recording") = false, want true: it has no fault`)
	}
}

func TestLoadReportsSubjectTextAndHTMLOfOneTemplate(t *testing.T) {
	_, dir, errs := load(t, map[string]string{
		"t.email.txt":  "Subject: {{.Subject}}\n\n{{.Text}}",
		"t.email.html": "<p>\n{{.HTML}}",
	})
	var got []string
	for _, err := range errs {
		got = append(got, strings.TrimPrefix(err.Error(), dir+string(filepath.Separator)))
	}
	have := " (have " + fieldList + ")"
	want := []string{
		"t.email.txt:1: <.Subject>: there is no field Subject" + have,
		"t.email.txt:3: <.Text>: there is no field Text" + have,
		"t.email.html:2: <.HTML>: there is no field HTML" + have,
	}
	if !slices.Equal(got, want) {
		t.Errorf("Load = %q, want %q", got, want)
	}
}

func TestLoadFindsTheLineWhateverTheDirectoryIsCalled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a:7: (b\xff")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Skipf("this file system has no such names: %v", err)
	}
	file := filepath.Join(dir, "t.sms.txt")
	if err := os.WriteFile(file, []byte("\n{{shorten}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, errs := render.Load(dir)
	if want := file + `:2: function "shorten" not defined`; len(errs) != 1 || errs[0].Error() != want {
		t.Errorf("Load = %q, want %q", errs, want)
	}
}

func TestLoadSaysThatTheDirectoryIsMissing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	templates, errs := render.Load(dir)
	want := "templates: read " + dir + ": no such file or directory"
	if len(errs) != 1 || errs[0].Error() != want {
		t.Errorf("Load(%q) = %v, want %s", dir, errs, want)
	}
	if !templates.Has(render.SMS, "recording") {
		t.Error("the built-in templates are gone")
	}
}

func TestLoadSaysWhichFileCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "t.sms.txt")
	if err := os.Symlink(filepath.Join(dir, "none"), file); err != nil {
		t.Fatal(err)
	}
	_, errs := render.Load(dir)
	if want := file + ":1: cannot be read: no such file or directory"; len(errs) != 1 || errs[0].Error() != want {
		t.Errorf("Load = %v, want %s", errs, want)
	}
}

func TestLoadPassesOverHiddenFilesAndDirectories(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "old.sms.txt"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".recording.email.txt.swp"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs := render.Load(dir); len(errs) > 0 {
		t.Errorf("Load = %v, want no faults", errs)
	}
}

func TestLoadTakesTheDirectoryOfTheBuiltinTemplates(t *testing.T) {
	if _, errs := render.Load("../../templates"); len(errs) > 0 {
		t.Errorf("Load(../../templates) = %v, want no faults", errs)
	}
}

func TestADirectoryOverridesAndExtends(t *testing.T) {
	const text, html = "Subject: own\n\nown text", "<p>own HTML"
	builtinMail, err := builtin(t).Render(render.Email, "recording", render.Sample())
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		files map[string]string
		want  render.Message
	}{
		"text drops the built-in HTML": {
			map[string]string{"recording.email.txt": text},
			render.Message{Subject: "own", Text: "own text"},
		},
		"text and HTML": {
			map[string]string{"recording.email.txt": text, "recording.email.html": html},
			render.Message{Subject: "own", Text: "own text", HTML: html},
		},
		"HTML beside the built-in text": {
			map[string]string{"recording.email.html": html},
			render.Message{Subject: builtinMail.Subject, Text: builtinMail.Text, HTML: html},
		},
		"an SMS leaves the email": {
			map[string]string{"recording.sms.txt": "own"},
			builtinMail,
		},
		"another template leaves it": {
			map[string]string{"other.email.txt": text, "other.email.html": html},
			builtinMail,
		},
	} {
		templates, _, errs := load(t, test.files)
		if len(errs) > 0 {
			t.Errorf("%s: Load = %v, want no faults", name, errs)
			continue
		}
		got, err := templates.Render(render.Email, "recording", render.Sample())
		if err != nil || got != test.want {
			t.Errorf("%s: Render = %+v, %v, want %+v", name, got, err, test.want)
		}
		for file := range maps.Keys(test.files) {
			own, rest, _ := strings.Cut(file, ".")
			if kind, _, _ := strings.Cut(rest, "."); !templates.Has(kind, own) {
				t.Errorf("%s: Has(%q, %q) = false, want true", name, kind, own)
			}
		}
	}
}

func TestHTMLMayUseTheBuiltInPartsAndChangeThem(t *testing.T) {
	page := `{{define "title"}}Own{{end}}{{define "rows"}}{{template "recording" .}}{{end}}` +
		`{{define "address"}}{{.Link}}{{end}}{{define "below"}}<b>below</b>{{end}}{{template "card" .}}`
	for name, test := range map[string]struct{ parts, want string }{
		"as they are": {"", `<b>below</b>You get this because`},
		"changed":     {`{{define "card"}}mine: {{template "below" .}}{{end}}`, "mine: <b>below</b>"},
	} {
		files := map[string]string{"own.email.txt": "Subject: own\n\nown text", "own.email.html": page}
		if test.parts != "" {
			files["parts.html"] = test.parts
		}
		templates, _, errs := load(t, files)
		if len(errs) > 0 {
			t.Errorf("%s: Load = %v, want no faults", name, errs)
			continue
		}
		got, err := templates.Render(render.Email, "own", render.Sample())
		if err != nil || !strings.Contains(got.HTML, test.want) {
			t.Errorf("%s: Render = %s, %v, want it to contain %s", name, got.HTML, err, test.want)
		}
	}
}
