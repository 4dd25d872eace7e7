// Package player opens a recording to whoever was sent a link to it: a small page
// for phones, and the audio, on the callbacks' listener. Who opens it has no
// password here and none at the provider.
//
// It promises to tell nothing but the recording: a link that is unknown, has
// expired or was revoked gets one and the same answer, guessing is slowed down
// (guesses.go), and neither the provider's URL nor anybody's number or name is on
// the page (page.go), in a header or in an error. It keeps to itself: search
// engines, proxies, and the sites where a link goes on to learn nothing, and no
// script runs. What links may cost the rest of the service is bounded
// (streams.go).
package player

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/render"
	"ringpost/relay/store"
)

// Path is what the paths of links begin with.
const Path = render.LinkPath

const (
	// storeTime is how long a request waits for the store.
	storeTime = 4 * time.Second
	// maxLookups bounds the links that are looked for, or counted, at once:
	// callbacks need the same store.
	maxLookups = 32
	// audioPath is what a link's path ends with where it is for the audio.
	audioPath = "/audio"
)

// Links knows what links open.
type Links interface {
	// Linked returns the callbacks of the recording that a link opens, newest
	// first, or [store.ErrNotFound].
	Linked(ctx context.Context, token string) ([]store.Stored, error)
	// Opened counts that a link was opened.
	Opened(ctx context.Context, token string) error
}

// Player is the handler of links.
type Player struct {
	links Links
	audio func(w http.ResponseWriter, r *http.Request, of *callback.Callback)
	log   *slog.Logger

	page    page
	guesses guesses
	lookups chan struct{}
	streams streams
	closing context.Context
	close   context.CancelFunc
}

// New returns the handler. audio answers a request with the audio of the recording
// that a callback tells of, in words for strangers where it cannot.
func New(links Links, audio func(w http.ResponseWriter, r *http.Request, of *callback.Callback), log *slog.Logger) (*Player, error) {
	p := &Player{links: links, audio: audio, log: log, lookups: make(chan struct{}, maxLookups)}
	var err error
	if p.page, err = loadPage(); err != nil {
		return nil, err
	}
	p.closing, p.close = context.WithCancel(context.Background())
	return p, nil
}

// Close ends what is being played: it would keep the listener open. Players ask
// for the rest again.
func (p *Player) Close() { p.close() }

// ServeHTTP answers a request whose path begins with [Path].
func (p *Player) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.page.headers(w.Header())
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	from := client(r)
	if p.guesses.tooMany(from) {
		p.slowDown(w, r)
		return
	}
	token, audio := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, Path), audioPath)
	callbacks, err := p.find(r, token)
	switch {
	case r.Context().Err() != nil: // nobody is there any more
	case errors.Is(err, store.ErrNotFound):
		if !p.guesses.note(from) {
			p.slowDown(w, r)
			return
		}
		p.page.write(w, r, http.StatusNotFound, missing)
	case err != nil:
		p.log.Error("link not opened", "err", err)
		w.Header().Set("Retry-After", "5")
		p.page.write(w, r, http.StatusServiceUnavailable, unavailable)
	case audio:
		p.play(w, r, token, callbacks)
	default:
		p.count(r, token)
		p.page.write(w, r, http.StatusOK, show(token, callbacks))
	}
}

// errBusy means that a link was not even looked for.
var errBusy = errors.New("too many links are opened at once")

// find returns the callbacks of the recording that the link opens. An escaped
// spelling of a path is no link.
func (p *Player) find(r *http.Request, token string) ([]store.Stored, error) {
	if !store.IsToken(token) || r.URL.RawPath != "" {
		return nil, store.ErrNotFound
	}
	if !p.enter() {
		return nil, errBusy
	}
	defer p.leave()
	ctx, cancel := context.WithTimeout(r.Context(), storeTime)
	defer cancel()
	return p.links.Linked(ctx, token)
}

// enter reports whether the store may be asked for one more link. Whoever has
// asked it calls leave.
func (p *Player) enter() bool {
	select {
	case p.lookups <- struct{}{}:
		return true
	default:
		return false
	}
}

func (p *Player) leave() { <-p.lookups }

// count counts that a person has opened the link. A browser that only gets ready
// for it says so. That it is not counted is no reason not to open it.
func (p *Player) count(r *http.Request, token string) {
	if r.Method != http.MethodGet || r.Header.Get("Sec-Purpose") != "" || r.Header.Get("Purpose") != "" {
		return
	}
	if !p.enter() {
		return
	}
	defer p.leave()
	ctx, cancel := context.WithTimeout(r.Context(), storeTime)
	defer cancel()
	if err := p.links.Opened(ctx, token); err != nil {
		p.log.Warn("opening of a link not counted", "err", err)
	}
}

// play answers with the audio.
func (p *Player) play(w http.ResponseWriter, r *http.Request, token string, callbacks []store.Stored) {
	of := audible(callbacks)
	if of == nil {
		p.page.write(w, r, http.StatusNotFound, show(token, callbacks))
		return
	}
	end, ok := p.streams.begin(token)
	if !ok {
		w.Header().Set("Retry-After", "10")
		p.page.write(w, r, http.StatusServiceUnavailable, unavailable)
		return
	}
	defer end()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(p.closing, cancel)()
	p.audio(w, r.WithContext(ctx), of)
}

// slowDown answers an address that has asked for too much that is not there,
// whatever it asks for now.
func (p *Player) slowDown(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Retry-After", "60")
	p.page.write(w, r, http.StatusTooManyRequests, tooMany)
}

// audible is the newest of a recording's callbacks that says where it is. Nil: there
// is nothing to hear, or not yet.
func audible(callbacks []store.Stored) *callback.Callback {
	for _, cb := range callbacks {
		switch {
		case cb.RecordingStatus == "absent" || cb.RecordingStatus == "failed":
			return nil
		case cb.RecordingUrl != "":
			return cb.Callback
		}
	}
	return nil
}
