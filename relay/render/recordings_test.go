package render_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ringpost/relay/render"
)

// several returns the data of so many recordings, each a second longer than the one
// before, with links of their own.
func several(n int) (all []*render.Data) {
	for i := range n {
		d := render.Sample()
		d.RecordingSid, d.RecordingDuration = fmt.Sprint("rec-", i), 90+i
		d.ReceivedAt = d.ReceivedAt.Add(time.Duration(i) * time.Minute)
		d.Link = func() string { return fmt.Sprint("https://hooks.example.com/r/token-", i) }
		d.Rule = "managers get every finished recording"
		all = append(all, d)
	}
	return all
}

func TestADigestSaysWhatTheGoldenFilesSay(t *testing.T) {
	templates := builtin(t)
	for _, kind := range []string{render.Email, render.SMS} {
		m, err := templates.RenderDigest(kind, "digest", several(3))
		if err != nil {
			t.Fatalf("RenderDigest(%q): %v", kind, err)
		}
		text := m.Text
		if kind == render.Email {
			text = "Subject: " + m.Subject + "\n\n" + m.Text
			golden(t, "digest-of-three.email.html", m.HTML)
		}
		golden(t, "digest-of-three."+kind+".txt", text)
	}
}

func TestOneTemplateServesOneRecordingAndSeveral(t *testing.T) {
	templates := with(t, "{{len .Recordings}} of {{.RecordingSid}} {{.Link}}:{{range .Recordings}} {{.RecordingSid}} {{.To}} {{.Link}}{{end}}")
	one, err := templates.Render(render.SMS, "t", several(1)[0])
	if want := "1 of rec-0 https://hooks.example.com/r/token-0: rec-0 alice@example.com https://hooks.example.com/r/token-0"; one.Text != want || err != nil {
		t.Errorf("Render: got %q, %v, want %q", one.Text, err, want)
	}
	all, err := templates.RenderDigest(render.SMS, "t", several(2))
	want := "2 of rec-1 https://hooks.example.com/r/token-1: rec-0 alice@example.com https://hooks.example.com/r/token-0 " +
		"rec-1 alice@example.com https://hooks.example.com/r/token-1"
	if all.Text != want || err != nil {
		t.Errorf("RenderDigest: got %q, %v, want %q", all.Text, err, want)
	}
}

func TestEachRecordingOfADigestHasOneLink(t *testing.T) {
	made := make(map[string]int)
	data := several(3)
	for _, d := range data {
		link := d.Link
		d.Link = func() string { made[link()]++; return link() }
	}
	if _, err := builtin(t).RenderDigest(render.Email, "digest", data); err != nil {
		t.Fatal(err)
	}
	if len(made) != 3 {
		t.Errorf("links to %d recordings, want 3", len(made))
	}
	for link, n := range made {
		if n != 1 {
			t.Errorf("%s was made %d times, want once for text and HTML", link, n)
		}
	}
}

func TestATemplateThatTellsOfOneRecordingIsFound(t *testing.T) {
	templates, _, errs := load(t, map[string]string{
		"half.email.txt": "Subject: x\n\n{{range .Recordings}}{{.Link}}{{end}}\n", "half.email.html": "{{.Link}}",
		"half.sms.txt":   "{{.Link}}",
		"part.email.txt": "Subject: {{len .Recordings}}\n\n{{.Link}}\n",
		"part.sms.txt":   `{{define "all"}}{{range $r := .Recordings}}{{$r.Link}}{{end}}{{end}}{{template "all" .}}`,
	})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, test := range []struct{ kind, name, want string }{
		{render.Email, "digest", ""}, {render.SMS, "digest", ""}, {render.Log, "digest", ""},
		{render.Email, "recording", "it has no {{range .Recordings}}"},
		{render.Email, "half", "its HTML has no {{range .Recordings}}"},
		{render.SMS, "half", "it has no {{range .Recordings}}"},
		{render.Email, "part", "it has no {{range .Recordings}}"}, {render.Log, "part", "it has no {{range .Recordings}}"},
		{render.SMS, "part", ""},
	} {
		err := templates.TellsAll(test.kind, test.name)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("TellsAll(%q, %q) = %v, want %q", test.kind, test.name, err, test.want)
		}
	}
}

func TestADigestThatFailsNamesItsTemplate(t *testing.T) {
	if _, err := builtin(t).RenderDigest(render.SMS, "digest", several(60)); err == nil || !strings.Contains(err.Error(), "template digest: the SMS has") {
		t.Errorf("RenderDigest of 60 = %v, want that the SMS is too long", err)
	}
}
