package render

import (
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"

	"ringpost/relay/callback"
	builtin "ringpost/templates"
)

// The endings that make a file a part of a template.
const (
	emailText = ".email.txt"
	emailHTML = ".email.html"
	smsText   = ".sms.txt"
)

// partsFile holds what templates of HTML may share: each may use what is defined
// there, and define it anew.
const partsFile = "parts.html"

// What {{.Query.agent}} is where the query has no agent: empty while a template
// is tried, since a sample cannot know, and an error afterwards. Where it may be
// missing, a template says {{index .Query "agent"}}.
const (
	emptyWhereMissing = "missingkey=zero"
	errorWhereMissing = "missingkey=error"
)

// source is a template's file.
type source struct {
	file string // as it is named in errors
	text string
}

// Load reads the built-in templates and the files of dir, which override and
// extend them; dir may be empty. It returns every fault it finds, each an
// [*Error] unless dir itself cannot be read, and the templates that have none.
// Each must render with [Sample].
func Load(dir string) (*Templates, []error) { return Contacts(nil).Load(dir) }

// Load is [Load] for templates that know those contacts.
func (c Contacts) Load(dir string) (*Templates, []error) {
	known := c.funcs()
	sources := make(map[string]source)
	errs := read(sources, builtin.Files, "built-in ")
	shared := sources[partsFile]
	if dir != "" {
		errs = append(errs, read(sources, os.DirFS(dir), filepath.Clean(dir)+string(filepath.Separator))...)
	}
	parts, faults := parseParts(known, shared, sources[partsFile])
	errs = append(errs, faults...)
	t := &Templates{emails: make(map[string]*email), texts: make(map[string]*template.Template)}
	for _, file := range slices.Sorted(maps.Keys(sources)) {
		src := sources[file]
		name := base(file)
		switch file {
		case name + emailText:
			mail, faults := parseEmail(known, src, sources[name+emailHTML], parts)
			if errs = append(errs, faults...); len(faults) == 0 {
				t.emails[name] = mail
			}
		case name + smsText:
			text, err := parse(known, src.file, src.text)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			t.texts[name] = text
		case name + emailHTML:
			if _, ok := sources[name+emailText]; !ok {
				errs = append(errs, &Error{src.file, 1, "has no text beside it: want " + name + emailText + " too"})
			}
		}
	}
	t.findCalls()
	return t, errs
}

// read adds the template files of files to sources.
func read(sources map[string]source, files fs.FS, prefix string) (errs []error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return []error{fmt.Errorf("templates: read %s: %w", filepath.Clean(prefix), cause(err))}
	}
	found := make(map[string]source)
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".go") {
			continue // .go: the directory of the built-in ones may be given too
		}
		if base(name) == "" && name != partsFile {
			errs = append(errs, &Error{prefix + name, 1,
				"not a template: want a name such as recording.email.txt, recording.email.html or recording.sms.txt"})
			continue
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			errs = append(errs, &Error{prefix + name, 1, "cannot be read: " + cause(err).Error()})
			continue
		}
		found[name] = source{prefix + name, unify.Replace(string(text))}
	}
	for name := range found {
		if own, ok := strings.CutSuffix(name, emailText); ok {
			delete(sources, own+emailHTML) // it would say something else than the new text
		}
	}
	maps.Copy(sources, found)
	return errs
}

// unify undoes what editors on Windows do to a file.
var unify = strings.NewReplacer("\r\n", "\n", "\ufeff", "")

// cause returns err without the path, which is the error's file already.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// base returns the template's name in a file's name, and nothing where it has
// none.
func base(file string) string {
	for _, ending := range []string{emailText, emailHTML, smsText} {
		if name, ok := strings.CutSuffix(file, ending); ok {
			return name
		}
	}
	return ""
}

// parseEmail parses an email's text, and its HTML, which may use parts, where there
// is some.
func parseEmail(known template.FuncMap, text, html source, parts *htmltemplate.Template) (*email, []error) {
	e := new(email)
	var errs []error
	keep := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	header, body, ok := strings.Cut(text.text, "\n\n")
	subject, named := strings.CutPrefix(header, "Subject: ")
	if ok && named && !strings.Contains(subject, "\n") && strings.TrimSpace(subject) != "" {
		var err error
		e.subject, err = parse(known, text.file, subject)
		keep(err)
		// The comment gives the body the lines that it has in the file.
		e.text, err = parse(known, text.file, "{{/*\n\n*/}}"+body)
		keep(err)
	} else {
		keep(&Error{text.file, 1, `want "Subject: …" in the first line, and an empty second line before the text`})
	}
	if html.file != "" {
		var err error
		e.html, err = parseHTML(html, parts)
		keep(err)
	}
	return e, errs
}

// parse parses a template of text, and tries it.
func parse(known template.FuncMap, file, src string) (*template.Template, error) {
	if strings.TrimSpace(src) == "" {
		return nil, &Error{file, 1, "is empty"}
	}
	t, err := template.New(file).Option(emptyWhereMissing).Funcs(known).Parse(src)
	if err != nil {
		return nil, locate(file, err)
	}
	if err := try(t, textAsks(t, "Call")); err != nil {
		return nil, err
	}
	return t.Option(errorWhereMissing), nil
}

// parseParts parses what templates of HTML share: what a later file defines is in
// the place of what an earlier one does.
func parseParts(known htmltemplate.FuncMap, files ...source) (parts *htmltemplate.Template, errs []error) {
	parts = htmltemplate.New("").Option(emptyWhereMissing).Funcs(known)
	for _, src := range files {
		if _, err := parts.New(src.file).Parse(src.text); err != nil {
			errs = append(errs, locate(src.file, err))
		}
	}
	return parts, errs
}

// parseHTML parses a template of HTML, and tries it: the first execution finds
// what cannot be escaped.
func parseHTML(src source, parts *htmltemplate.Template) (*htmltemplate.Template, error) {
	t, err := htmltemplate.Must(parts.Clone()).New(src.file).Parse(src.text)
	if err != nil {
		return nil, locate(src.file, err)
	}
	if err := try(t, htmlAsks(t, "Call")); err != nil {
		return nil, err
	}
	return t.Option(errorWhereMissing), nil
}

// try renders t with the sample in every status, since a template may have
// words for one of them only. What a sample's query and fields lack is empty. One
// that asks for the call must do without, too.
func try(t executable, call bool) error {
	for _, status := range callback.AllStatuses {
		v := Sample().view()
		v.RecordingStatus = status
		if _, err := execute(t, v); err != nil {
			return err
		}
	}
	if call {
		return tryWithoutCall(t)
	}
	return nil
}

// Sample returns data such as a template meets: a call of a minute and a half.
func Sample() *Data {
	const account, recording = "b3877c40-da60-4998-90ad-b792e98472af", "19e436af-5688-4307-b03b-bdb2b42b8142"
	return &Data{
		Callback: &callback.Callback{
			AccountSid:        account,
			RecordingSid:      recording,
			RecordingStatus:   "completed",
			CallSid:           "43bb71ee-553f-4074-bb20-8e2747647cce",
			RecordingUrl:      "https://example.signalwire.com/api/laml/2010-04-01/Accounts/" + account + "/Recordings/" + recording,
			RecordingDuration: 94,
			RecordingSource:   "DialVerb",
			RecordingChannels: "2",
			Fields:            map[string]string{},
			Query:             map[string]string{},
			ReceivedAt:        time.Date(2025, time.March, 14, 15, 9, 26, 0, time.UTC),
			Call: &callback.Call{Known: true, From: "+15550100002", To: "+15550100001", Direction: "inbound",
				StartTime: time.Date(2025, time.March, 14, 15, 7, 12, 0, time.UTC)},
		},
		Rule: "sample",
		To:   "alice@example.com",
		Link: func() string { return SampleLink("https://hooks.example.com") },
	}
}
