package page

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
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
	if latest != nil && latest.id == fingerprint(rows) {
		return nil
	}
	next, err := newSnapshot(l.page, s, before, rows)
	if err != nil {
		return fmt.Errorf("show the live list: %w", err)
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
