package page

import (
	"bytes"
	"fmt"
	"html/template"
	"slices"
	"strings"
)

// snapshot is a list as it was at some time. It does not change.
type snapshot struct {
	id   string // its fingerprint
	all  []byte // an event with everything
	from string // the id of the one before; empty where there is none
	news []byte // an event with what is not as it was there; nil where that is not told apart
}

// newSnapshot renders rows, which are what s asks for, and how they differ from
// those before, if there were any.
func newSnapshot(page *template.Template, s search, before, rows []row) (*snapshot, error) {
	next := &snapshot{id: fingerprint(rows)}
	all := newList(s, rows)
	all.Swap = "true"
	var err error
	if next.all, err = event(page, "everything", "all", next.id, all); err != nil {
		return nil, err
	}
	if news, ok := compare(before, rows); ok {
		news.list = all
		next.from = fingerprint(before)
		next.news, err = event(page, "news", "new", next.id, news)
	}
	return next, err
}

// since returns the event that takes a browser from what it shows to s.
func (s *snapshot) since(shown string) []byte {
	if s.news != nil && s.from == shown {
		return s.news
	}
	return s.all
}

// news is how a list differs from the one before.
type news struct {
	list
	New     []row // at its beginning
	Changed []row
	Gone    []int64
}

// compare tells what is new from what is changed or gone, so that the browser
// leaves all other rows as they are. It is not ok where one came into the
// middle, or where there was or is none.
func compare(before, rows []row) (n news, ok bool) {
	if len(before) == 0 || len(rows) == 0 {
		return n, false
	}
	old := make(map[int64]string, len(before))
	for _, r := range before {
		old[r.ID] = fingerprint([]row{r})
	}
	for i, r := range rows {
		was, known := old[r.ID]
		delete(old, r.ID)
		switch {
		case !known && i > len(n.New):
			return n, false
		case !known:
			n.New = append(n.New, r)
		case was != fingerprint([]row{r}):
			r.Swap = "true"
			n.Changed = append(n.Changed, r)
		}
	}
	for id := range old {
		n.Gone = append(n.Gone, id)
	}
	slices.Sort(n.Gone)
	return n, true
}

// event renders part of the page as a server-sent event.
func event(page *template.Template, part, name, id string, data any) ([]byte, error) {
	var html, event bytes.Buffer
	if err := page.ExecuteTemplate(&html, part, data); err != nil {
		return nil, err
	}
	fmt.Fprintf(&event, "event: %s\nid: %s\n", name, id)
	// A line of its own is an order to the browser. What senders have put into
	// the values must not begin one: a lone CR does, as well.
	for line := range strings.FieldsFuncSeq(html.String(), func(c rune) bool { return c == '\r' || c == '\n' }) {
		fmt.Fprintf(&event, "data: %s\n", line)
	}
	event.WriteByte('\n')
	return event.Bytes(), nil
}
