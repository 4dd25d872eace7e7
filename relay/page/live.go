package page

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/julienschmidt/httprouter"
)

const (
	livePath = "/live/recordings"

	// lookEvery is how often a list that somebody looks at is read.
	lookEvery = time.Second
	// beatEvery is how often a stream says something though nothing changed, so
	// that neither end takes the other for gone.
	beatEvery = 15 * time.Second
	// writeTime is how long one event may take to reach a browser.
	writeTime = 10 * time.Second
	// maxStreams bounds the lists that are looked at at once.
	maxStreams = 64
)

// live keeps the lists current that people look at. Each is read once for all
// who look at the same one, and only while somebody does.
type live struct {
	load func(context.Context, search) ([]row, error)
	page *template.Template // the page of recordings

	closing context.Context
	close   context.CancelFunc

	mu      sync.Mutex
	streams int
	watches map[string]*watch // by the search's query
}

// watch is one list that is looked at.
type watch struct {
	viewers int
	stop    context.CancelFunc

	mu      sync.Mutex
	latest  *snapshot     // nil until the list was read
	failed  error         // why it cannot be read any more
	changed chan struct{} // closed when one of these changes
}

// snapshot is a list as it was at some time. It does not change.
type snapshot struct {
	id   string // its fingerprint
	all  []byte // an event with everything
	from string // the id of the one before
	news []byte // an event with what is not as it was there; nil where that is not told apart
}

func newLive(load func(context.Context, search) ([]row, error), page *template.Template) *live {
	l := &live{load: load, page: page, watches: make(map[string]*watch)}
	l.closing, l.close = context.WithCancel(context.Background())
	return l
}

// stream streams the changes of a list as server-sent events, until the browser
// or the service goes away, or the store does: then the browser asks again.
// What the browser shows is named by its fingerprint: in the link of the page,
// or, where the connection was lost, in Last-Event-ID.
func (p *Page) stream(w http.ResponseWriter, r *http.Request, _ httprouter.Params) error {
	s, err := readSearch(r.URL.Query())
	if err != nil {
		return err
	}
	watch, leave, ok := p.live.join(s)
	if !ok {
		return &problem{Status: http.StatusServiceUnavailable, Title: "Too many are looking",
			Text: "The list is not live for you now, because too many people have it open. Reload it to see what is new."}
	}
	defer leave()
	if err := watch.await(r.Context()); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // of a proxy between
	shown := r.URL.Query().Get("have")
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		shown = last
	}
	if err := p.live.follow(w, r, watch, shown); err != nil {
		p.log.Debug("stream ended", "err", err)
	}
	return nil
}

// follow writes what differs from what is shown, and then every change.
func (l *live) follow(w http.ResponseWriter, r *http.Request, watch *watch, shown string) error {
	out := http.NewResponseController(w)
	// The listener's time for a request is meant for others.
	if err := out.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	event := []byte("retry: 2000\n\n")
	for {
		if err := out.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
			return err
		}
		if _, err := w.Write(event); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
		latest, changed, err := watch.look()
		if err != nil {
			return err
		}
		if latest.id != shown {
			event = latest.since(shown)
			shown = latest.id
			continue
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-l.closing.Done():
			return nil
		case <-beat.C:
			event = []byte(": nothing new\n\n")
		case <-changed:
			event = nil
		}
	}
}

// join makes somebody look at what s asks for, until leave is called.
func (l *live) join(s search) (w *watch, leave func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.streams >= maxStreams || l.closing.Err() != nil {
		return nil, nil, false
	}
	key := s.query().Encode()
	w = l.watches[key]
	if w == nil {
		ctx, stop := context.WithCancel(l.closing)
		w = &watch{stop: stop, changed: make(chan struct{})}
		l.watches[key] = w
		go l.keep(ctx, w, s)
	}
	l.streams++
	w.viewers++
	return w, func() { l.leave(key, w) }, true
}

func (l *live) leave(key string, w *watch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams--
	if w.viewers--; w.viewers == 0 {
		w.stop()
		delete(l.watches, key)
	}
}

// keep reads the list again and again until ctx ends, or it cannot be read.
func (l *live) keep(ctx context.Context, w *watch, s search) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var before []row
	for {
		rows, err := l.load(ctx, s)
		if err == nil {
			err = l.publish(w, s, before, rows)
		}
		if err != nil {
			w.set(nil, err)
			return
		}
		before = rows
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// publish makes rows the latest of w, where they differ from those before.
func (l *live) publish(w *watch, s search, before, rows []row) error {
	latest, _, _ := w.look()
	next := &snapshot{id: fingerprint(rows)}
	if latest != nil {
		if latest.id == next.id {
			return nil
		}
		next.from = latest.id
	}
	everything := newList(s, rows)
	everything.Swap = "true"
	var err error
	if next.all, err = l.event("all", "everything", next.id, everything); err != nil {
		return err
	}
	if news, ok := compare(before, rows); ok {
		news.list = everything
		if next.news, err = l.event("new", "news", next.id, news); err != nil {
			return err
		}
	}
	w.set(next, nil)
	return nil
}

func (w *watch) set(latest *snapshot, failed error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.latest, w.failed = latest, failed
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *watch) look() (latest *snapshot, changed <-chan struct{}, failed error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.latest, w.changed, w.failed
}

// await returns when the list was read, or why it cannot be.
func (w *watch) await(ctx context.Context) error {
	for {
		latest, changed, err := w.look()
		if latest != nil || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
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

// event renders a template of the page as a server-sent event.
func (l *live) event(name, template, id string, data any) ([]byte, error) {
	var html, event bytes.Buffer
	if err := l.page.ExecuteTemplate(&html, template, data); err != nil {
		return nil, fmt.Errorf("show the live list: %w", err)
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
