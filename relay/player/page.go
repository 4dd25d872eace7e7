package player

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"ringpost/relay/rules"
	"ringpost/relay/store"
)

//go:embed page.html
var source string

// page is the page that a link opens.
type page struct {
	template *template.Template
	policy   string // its Content-Security-Policy
}

// view is what the page says.
type view struct {
	Title  string
	Length string // empty where it is not known
	Source string // how the call came about; empty where it is not known
	At     time.Time
	Audio  string // where it is, from the page; empty where there is none
	Text   string // in place of the audio
}

var (
	missing = view{Title: "This link does not open anything",
		Text: "It may have expired, or it was not copied whole. Ask whoever sent it to you for another one."}
	unavailable = view{Title: "It cannot be played at the moment", Text: "Try again in a moment."}
	tooMany     = view{Title: "Too many links that do not open anything", Text: "Try again in a minute."}
)

// show returns what the page of a recording says.
func show(token string, callbacks []store.Stored) view {
	newest := callbacks[0]
	v := view{Title: "Call recording", Source: rules.SourceInWords(newest.RecordingSource), At: newest.ReceivedAt.UTC()}
	if newest.RecordingDuration > 0 {
		v.Length = (time.Duration(newest.RecordingDuration) * time.Second).String()
	}
	switch {
	case audible(callbacks) != nil:
		v.Audio = token + audioPath
	case newest.RecordingStatus == "in-progress":
		v.Text = "It cannot be played yet. Open this link again once the call has ended."
	default:
		v.Text = "There is nothing to hear: the call was not recorded, or it was silent."
	}
	return v
}

// loadPage parses the page. The policy names its style by what it holds.
func loadPage() (p page, err error) {
	if p.template, err = template.New("page").Parse(source); err != nil {
		return p, fmt.Errorf("parse the player's page: %w", err)
	}
	var sample bytes.Buffer
	if err := p.template.Execute(&sample, missing); err != nil {
		return p, fmt.Errorf("render the player's page: %w", err)
	}
	_, style, begun := bytes.Cut(sample.Bytes(), []byte("<style>"))
	style, _, ended := bytes.Cut(style, []byte("</style>"))
	if !begun || !ended {
		return p, errors.New("the player's page has no style")
	}
	sum := sha256.Sum256(style)
	p.policy = "default-src 'none'; media-src 'self'; img-src data:; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
	return p, nil
}

// headers sets what every answer about a link says, whether it opens or not.
func (p *page) headers(h http.Header) {
	h.Set("Content-Security-Policy", p.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "private, no-store")
}

// write answers with the page.
func (p *page) write(w http.ResponseWriter, r *http.Request, status int, v view) {
	var body bytes.Buffer
	if err := p.template.Execute(&body, v); err != nil { // as of no view
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body.Bytes())
	}
}
