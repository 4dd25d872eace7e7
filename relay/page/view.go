package page

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

//go:embed templates
var templateFiles embed.FS

// view is what a page is rendered from.
type view struct {
	Title  string
	Page   any // what the page of that name shows
	Nav    []link
	User   string
	Notice string
	Now    time.Time
	Zone   string
}

// link is an entry of the navigation.
type link struct {
	Name, Path string
	Here       bool
	Alarm      string // what is wrong there; empty where nothing is
}

// sections are the pages that the navigation names.
var sections = [...]link{
	{Name: "Recordings", Path: "/recordings"},
	{Name: "Rules", Path: "/rules"},
	{Name: "Channels", Path: "/channels"},
	{Name: "Health", Path: "/health"},
}

// loadTemplates parses the templates of all pages, by the names of their files
// without the ending. Each is the layout with that page in it.
func loadTemplates(asset func(string) (string, error)) (map[string]*template.Template, error) {
	funcs := template.FuncMap{
		"asset":   asset,
		"rfc3339": func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"exact":   exact,
		"clock":   func(t time.Time) string { return clock(t, time.Now()) },
		"ago":     func(t time.Time) string { return ago(t, time.Now()) },
		"hourOf":  func(t time.Time) string { return t.Local().Format("15:04") },
		"length":  length,
		"took":    took,
		"count": func(n any) string {
			if n, ok := n.(int); ok {
				return count(n)
			}
			return count(n.(int64))
		},
		"plural":      plural,
		"sentence":    sentence,
		"stateWords":  inStateWords,
		"statusWords": inStatusWords,
		"sourceWords": inSourceWords,
		"kindWords":   inKindWords,
		"join":        strings.Join,
	}
	layout, err := template.New("").Funcs(funcs).ParseFS(templateFiles, "templates/layout.html")
	if err != nil {
		return nil, err
	}
	files, err := templateFiles.ReadDir("templates")
	if err != nil {
		return nil, err
	}
	pages := make(map[string]*template.Template)
	for _, file := range files {
		t, err := layout.Clone()
		if err == nil {
			_, err = t.ParseFS(templateFiles, "templates/"+file.Name())
		}
		if err != nil {
			return nil, err
		}
		pages[strings.TrimSuffix(file.Name(), path.Ext(file.Name()))] = t
	}
	return pages, nil
}

// show answers with the page of that name.
func (p *Page) show(w http.ResponseWriter, r *http.Request, status int, name, title string, data any) {
	now := time.Now()
	v := view{
		Title:  title,
		Page:   data,
		Nav:    p.navigation(r),
		User:   asker(r),
		Notice: notices[r.URL.Query().Get("notice")],
		Now:    now,
		Zone:   zone(now),
	}
	// Into memory first, so that half a page is never sent.
	var b bytes.Buffer
	if err := p.pages[name].ExecuteTemplate(&b, "layout", v); err != nil {
		p.log.Error("page not made", "page", name, "err", err)
		http.Error(w, "this page cannot be shown; the log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := b.WriteTo(w); err != nil {
		p.log.Debug("answer not written", "err", err)
	}
}

// navigation marks the section that the request is for, and where something is
// wrong.
func (p *Page) navigation(r *http.Request) []link {
	nav := slices.Clone(sections[:])
	for i := range nav {
		l := &nav[i]
		l.Here = r.URL.Path == l.Path || strings.HasPrefix(r.URL.Path, l.Path+"/")
		switch l.Path {
		case "/channels":
			down := 0
			for _, s := range p.service.Status() {
				if s.Down {
					down++
				}
			}
			if down > 0 {
				l.Alarm = count(down) + " down"
			}
		case "/health":
			if len(p.service.ConfigState().Problems) > 0 {
				l.Alarm = "reload refused"
			}
		}
	}
	return nav
}
