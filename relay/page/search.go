package page

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringpost/relay/store"
)

// pageSize is how many recordings a page of the list has.
const pageSize = 50

// maxSearch bounds what is searched for. No id or address is longer.
const maxSearch = 254

// search is what somebody looks for among the recordings, as the form and links
// spell it.
type search struct {
	Text, State, From, Until string

	before      int64 // the cursor
	since, till time.Time
}

// readSearch reads a search from a query.
func readSearch(q url.Values) (search, error) {
	s := search{
		Text:  strings.TrimSpace(q.Get("q")),
		State: q.Get("state"),
		From:  q.Get("from"),
		Until: q.Get("until"),
	}
	if len(s.Text) > maxSearch {
		return s, badRequest("Search for a recording's id, a call's id, or the beginning of an address: none is that long.")
	}
	if s.State != "" && !slices.Contains(store.States, store.State(s.State)) {
		return s, badRequest("There is no such state. Choose one from the list.")
	}
	begin, _, err := readTime(s.From)
	if err != nil {
		return s, err
	}
	_, end, err := readTime(s.Until)
	if err != nil {
		return s, err
	}
	// A form takes no other spelling than this, which names the last minute.
	if s.since = begin; !begin.IsZero() {
		s.From = begin.Format(minute)
	}
	if s.till = end; !end.IsZero() {
		s.Until = end.Add(-time.Minute).Format(minute)
	}
	if before := q.Get("before"); before != "" {
		s.before, err = strconv.ParseInt(before, 10, 64)
		if err != nil || s.before < 1 {
			return s, badRequest("That is no place in the list. Begin again at the newest recordings.")
		}
	}
	return s, nil
}

// minute is how a form spells a time.
const minute = "2006-01-02T15:04"

// readTime reads a time in the server's zone as a form sends it. What it names is
// a minute or a day, from begin to end.
func readTime(value string) (begin, end time.Time, err error) {
	if value == "" {
		return begin, end, nil
	}
	if begin, err = time.ParseInLocation(minute, value, time.Local); err == nil {
		return begin, begin.Add(time.Minute), nil
	}
	if begin, err = time.ParseInLocation(time.DateOnly, value, time.Local); err == nil {
		return begin, begin.AddDate(0, 0, 1), nil
	}
	return begin, end, badRequest("That is no time: want a date and time such as 2026-11-24T15:04, or a date.")
}

// store is the search as the store takes it.
func (s search) store() store.Search {
	return store.Search{Text: s.Text, State: store.State(s.State), Since: s.since, Until: s.till, Before: s.before, Limit: pageSize}
}

// narrowed reports whether something is looked for, not just all that is newest.
func (s search) narrowed() bool {
	return s.Text != "" || s.State != "" || s.From != "" || s.Until != ""
}

// query is the search as a link carries it, without the cursor: the same search
// is the same text.
func (s search) query() url.Values {
	q := make(url.Values)
	for name, value := range map[string]string{"q": s.Text, "state": s.State, "from": s.From, "until": s.Until} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// link is the address under path that carries the search and name=value beside
// it.
func (s search) link(path, name, value string) string {
	q := s.query()
	if value != "" {
		q.Set(name, value)
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}
