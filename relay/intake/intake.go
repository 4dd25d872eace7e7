// Package intake answers the senders of callbacks. A callback is read within
// limits, its signature verified, its fields checked, and it is stored; only
// then is the request answered with 200. So it is with the receipts of text
// messages (receipt.go). The last requests that were refused are kept for whoever
// wants to know why (refused.go).
package intake

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/julienschmidt/httprouter"

	"ringpost/relay/callback"
)

const (
	maxBody = 64 << 10
	// maxWaiting bounds the requests that are worked on at once.
	maxWaiting = 4096
	// storeTime is how long a request waits for the store. SignalWire reads for
	// five seconds.
	storeTime = 4 * time.Second
	// retryAfter is what a 503 asks the sender to wait, in seconds.
	retryAfter = "5"
	// maxNames bounds the unknown names that are remembered, of each sort.
	maxNames = 100
	// maxURL bounds the URL in the log.
	maxURL = 1024
	// minPhone is how many digits make a phone number.
	minPhone = 7
)

// Store keeps callbacks. The intake is also measured without one.
type Store interface {
	// Add stores cb durably. stored is false where it was there already. It
	// returns when ctx ends.
	Add(ctx context.Context, cb *callback.Callback) (stored bool, err error)
}

// Senders says whose callbacks are accepted.
type Senders struct {
	Verifier *callback.Verifier // nil accepts unsigned callbacks
	Space    string             // what relative recording URLs belong to
}

// Result is what became of a callback.
type Result string

const (
	Stored       Result = "stored"
	Duplicate    Result = "duplicate"
	BadSignature Result = "bad_signature"
	Invalid      Result = "invalid"
	Failed       Result = "error"
)

// Intake is the handler of the callbacks' listener.
type Intake struct {
	store   Store
	senders atomic.Pointer[Senders]
	count   func(status string, result Result)
	log     *slog.Logger
	routes  *httprouter.Router
	room    chan struct{}
	names   seen // of fields

	receipts Receipts // nil where none are taken
	statuses seen     // of receipts

	refusals refusals
}

// New returns the handler. count is called once for each callback, with its
// recording status, or "unknown".
func New(senders Senders, store Store, count func(status string, result Result), log *slog.Logger) *Intake {
	in := &Intake{store: store, count: count, log: log, room: make(chan struct{}, maxWaiting)}
	in.Accept(senders)
	r := httprouter.New()
	// A signature covers the path as it was sent: no other spelling of it.
	r.RedirectTrailingSlash, r.RedirectFixedPath, r.HandleOPTIONS = false, false, false
	r.MethodNotAllowed = http.HandlerFunc(notAllowed)
	r.HandlerFunc(http.MethodPost, callback.Path, in.receive)
	r.HandlerFunc(http.MethodGet, callback.Path, in.receive)
	in.routes = r
	return in
}

// Accept puts senders in place of those before. It may be called at any time.
func (in *Intake) Accept(senders Senders) { in.senders.Store(&senders) }

// ServeHTTP answers a request on the callbacks' listener.
func (in *Intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawPath != "" { // an escaped spelling of some path
		http.NotFound(w, r)
		return
	}
	in.routes.ServeHTTP(w, r)
}

func notAllowed(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Allow", "GET, POST")
	http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
}

func (in *Intake) receive(w http.ResponseWriter, r *http.Request) {
	select {
	case in.room <- struct{}{}:
		defer func() { <-in.room }()
	default:
		in.busy(w, "unknown", errors.New("too many requests at once"))
		return
	}
	body := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(body)
	body.Reset()
	req := callback.Request{Method: r.Method, Target: r.RequestURI, ContentType: r.Header.Get("Content-Type"), Header: r.Header}
	if r.Method == http.MethodPost {
		if status := read(body, w, r); status != 0 {
			in.refuse(w, r, body.Bytes(), unread(status))
			return
		}
		req.Body = body.Bytes()
	}
	senders := in.senders.Load()
	err := accept(&req, senders)
	if err == nil {
		err = in.take(w, r, &req, senders)
	}
	if err != nil {
		in.refuse(w, r, req.Body, err)
	}
}

// take answers a request that was verified, or says why it is refused.
func (in *Intake) take(w http.ResponseWriter, r *http.Request, req *callback.Request, senders *Senders) error {
	if r.URL.Path == callback.ReceiptPath {
		receipt, err := req.ParseReceipt()
		if err == nil {
			in.note(w, r, receipt)
		}
		return err
	}
	cb, err := req.Parse(senders.Space, time.Now())
	if err == nil {
		in.keep(w, r, cb)
	}
	return err
}

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// read reads the body, and returns the status of the answer where it must not
// be read.
func read(body *bytes.Buffer, w http.ResponseWriter, r *http.Request) (status int) {
	if r.ContentLength > maxBody {
		return http.StatusRequestEntityTooLarge
	}
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge
	}
	if err != nil {
		return http.StatusBadRequest
	}
	return 0
}

// accept decodes the request and verifies its signature.
func accept(req *callback.Request, senders *Senders) error {
	if err := req.Decode(); err != nil {
		return err
	}
	if senders.Verifier == nil {
		return nil
	}
	return senders.Verifier.Verify(req)
}

// keep stores the callback and answers. A sender that goes away is no reason to
// lose what it brought.
func (in *Intake) keep(w http.ResponseWriter, r *http.Request, cb *callback.Callback) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), storeTime)
	defer cancel()
	stored, err := in.store.Add(ctx, cb)
	if err != nil {
		in.busy(w, cb.RecordingStatus, err)
		return
	}
	result, level, text := Stored, slog.LevelInfo, "callback stored"
	if !stored {
		result, level, text = Duplicate, slog.LevelDebug, "callback repeated"
	}
	in.count(cb.RecordingStatus, result)
	if in.log.Enabled(ctx, level) {
		in.log.LogAttrs(ctx, level, text,
			slog.String("recording", cb.RecordingSid), slog.String("status", cb.RecordingStatus))
	}
	for name := range cb.Fields {
		if in.names.isNew(name) {
			in.log.Info("callback has a field that Ringpost does not know; rules reach it with field", "field", name)
		}
	}
	w.WriteHeader(http.StatusOK)
}

// busy answers that the sender must try again: nothing was stored, or nobody
// can say.
func (in *Intake) busy(w http.ResponseWriter, status string, err error) {
	in.count(status, Failed)
	in.log.Error("callback not stored", "err", err)
	tryAgain(w)
}

func tryAgain(w http.ResponseWriter) {
	w.Header().Set("Retry-After", retryAfter)
	http.Error(w, "try again later", http.StatusServiceUnavailable)
}

// unread is the status that answers a request whose body cannot be read.
type unread int

func (u unread) Error() string { return http.StatusText(int(u)) }

// refuse answers a request that is not to be tried again as it is.
func (in *Intake) refuse(w http.ResponseWriter, r *http.Request, body []byte, err error) {
	status, result := http.StatusBadRequest, Invalid
	attrs := []any{"reason", err}
	if s, ok := errors.AsType[*callback.SignatureError](err); ok {
		status, result = http.StatusForbidden, BadSignature
		attrs = append(attrs, "url", loggable(s.URL))
	} else if errors.Is(err, callback.ErrMediaType) {
		status = http.StatusUnsupportedMediaType
	} else if u, ok := errors.AsType[unread](err); ok {
		status = int(u)
	}
	in.count("unknown", result)
	in.log.Warn("callback refused", attrs...)
	in.noteRefused(r, body, status, err.Error())
	http.Error(w, err.Error(), status)
}

// loggable returns a callback's URL without what may be a recording's URL or a
// phone number in its query.
func loggable(raw string) string {
	path, query, ok := strings.Cut(raw[:min(len(raw), maxURL)], "?")
	if !ok {
		return path
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		switch {
		case isPrivate(name):
			pairs[i] = "…"
		case isPrivate(value):
			pairs[i] = name + "=…"
		}
	}
	return path + "?" + strings.Join(pairs, "&")
}

// isPrivate reports whether part of a query holds a slash, as URLs do, or as
// many digits as phone numbers.
func isPrivate(part string) bool {
	text, err := url.QueryUnescape(part)
	digits := 0
	for _, c := range text {
		if '0' <= c && c <= '9' {
			digits++
		}
	}
	return err != nil || digits >= minPhone || strings.Contains(text, "/")
}

// seen remembers names, so that each is logged once.
type seen struct {
	names sync.Map
	count atomic.Int32
}

// isNew reports whether name was not seen before and is to be remembered.
func (f *seen) isNew(name string) bool {
	if _, known := f.names.Load(name); known || f.count.Load() >= maxNames {
		return false
	}
	_, known := f.names.LoadOrStore(name, true)
	if !known {
		f.count.Add(1)
	}
	return !known
}
