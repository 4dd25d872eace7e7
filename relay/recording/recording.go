// Package recording passes a recording's audio on from the provider to somebody
// who may hear it and has no credentials there. It promises that a callback,
// whose RecordingUrl anybody may have written, can make this machine ask only
// hosts where recordings are (origin.go), at public addresses (address.go), and
// that of their answer only audio gets through (answer.go), streamed and bounded
// in time. What is to be sent on with a checksum, or more than once, is first
// fetched whole, to disk (spool.go).
package recording

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"ringpost/relay/render"
	"ringpost/relay/signalwire"
)

const (
	// patience is how long the provider may take to begin to answer, and each
	// side to pass on the next bytes. A player that is paused takes none: it
	// comes back for the rest by range.
	patience = 30 * time.Second
	// maxRedirects is how often the provider may send the request elsewhere.
	maxRedirects = 5
	// chunk is how much is passed on at once, in bytes.
	chunk = 32 << 10
)

// Config says where recordings are and how to ask for them.
type Config struct {
	Space   string // host name, e.g. example.signalwire.com; may be empty
	APIURL  string // e.g. https://example.signalwire.com; may be empty
	Project string
	Token   string
	Log     *slog.Logger

	// AllowHosts are host names, in lower case, where recordings may be beside the
	// space, the API and the hosts that the providers document.
	AllowHosts []string

	// Patience is in place of half a minute where it is not zero.
	Patience time.Duration
	// Transport makes the connections; nil makes one that connects to public
	// addresses only, and to that of the APIURL.
	Transport http.RoundTripper
}

// Fetcher fetches recordings. Its methods may be called at once.
type Fetcher struct {
	client   *http.Client
	log      *slog.Logger
	patience time.Duration
	spools   spools
}

// New returns a fetcher. It does not connect.
func New(config Config) (*Fetcher, error) {
	g, err := newGate(config)
	if err != nil {
		return nil, err
	}
	f := &Fetcher{log: config.Log, patience: config.Patience, spools: newSpools()}
	if f.patience == 0 {
		f.patience = patience
	}
	f.client = &http.Client{
		Transport: g,
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return refused("the provider sends the request on again and again", nil)
			}
			return nil
		},
	}
	return f, nil
}

// Close ends idle connections. Recordings that are being played go on.
func (f *Fetcher) Close() { f.client.CloseIdleConnections() }

// failure is why there is no audio: in words for whoever asked, and with what
// lies behind it, which is for the log. Neither holds a URL.
type failure struct {
	status int
	text   string
	cause  error // may be nil
	final  bool  // asking again is of no use; see [ErrRefused]
}

// refused says that there is no audio, and that asking again is of no use.
func refused(text string, cause error) *failure {
	return &failure{status: http.StatusBadGateway, text: text, cause: cause, final: true}
}

func (e *failure) Error() string {
	if e.cause == nil {
		return e.text
	}
	return e.text + ": " + e.cause.Error()
}

func (e *failure) Unwrap() error { return e.cause }

// Is tells the reasons apart that callers of [Fetcher.Spool] branch on.
func (e *failure) Is(target error) bool {
	switch target {
	case ErrRefused:
		return e.final
	case ErrNotThere:
		return e.status == http.StatusNotFound && !e.final
	}
	return false
}

// errStalled ends a request whose provider says nothing more.
var errStalled = errors.New("nothing came in time")

// oneRange is a Range that asks for one part (RFC 9110, 14.2). Players ask for no
// other, and several parts would come as something else than audio.
var oneRange = regexp.MustCompile(`^bytes=(\d{1,19}-\d{0,19}|-\d{1,19})$`)

// ServeAudio answers r with the audio of the recording at recordingURL, or the
// part of it that r asks for. Where there is none, the answer is a status of 404,
// 502 or 504 and a sentence that says why.
func (f *Fetcher) ServeAudio(w http.ResponseWriter, r *http.Request, recordingURL string) {
	f.serve(w, r, recordingURL, func(e *failure) string { return e.text })
}

// ServeGuest is [Fetcher.ServeAudio] for somebody who is not to learn more than
// that it cannot be played.
func (f *Fetcher) ServeGuest(w http.ResponseWriter, r *http.Request, recordingURL string) {
	f.serve(w, r, recordingURL, func(e *failure) string {
		if e.status == http.StatusNotFound {
			return "there is no such recording any more"
		}
		return "the recording cannot be played at the moment: try again later"
	})
}

// serve answers r; say puts why it cannot into words.
func (f *Fetcher) serve(w http.ResponseWriter, r *http.Request, recordingURL string, say func(*failure) string) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	stall := time.AfterFunc(f.patience, func() { cancel(errStalled) })
	defer stall.Stop()

	resp, err := f.fetch(ctx, r, recordingURL)
	if err != nil {
		f.refuse(w, r, err, say)
		return
	}
	defer resp.Body.Close()
	if err := pass(w.Header(), resp); err != nil {
		f.refuse(w, r, err, say)
		return
	}
	w.WriteHeader(resp.StatusCode)
	if r.Method == http.MethodHead || resp.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return
	}
	if err := f.stream(w, resp.Body, stall); err != nil {
		if r.Context().Err() == nil {
			f.log.Warn("recording broken off", "err", errors.Join(err, context.Cause(ctx)))
		}
		panic(http.ErrAbortHandler) // a cut answer must not look like a whole one
	}
}

// fetch asks the provider for what r asks for.
func (f *Fetcher) fetch(ctx context.Context, r *http.Request, recordingURL string) (*http.Response, error) {
	req, err := newRequest(ctx, r.Method, render.MP3(recordingURL))
	if err != nil {
		return nil, err
	}
	if span := r.Header.Get("Range"); oneRange.MatchString(span) {
		req.Header.Set("Range", span)
		if validator := r.Header.Get("If-Range"); validator != "" {
			req.Header.Set("If-Range", validator)
		}
	}
	return f.ask(req)
}

func newRequest(ctx context.Context, method, audioURL string) (*http.Request, error) {
	if audioURL == "" {
		return nil, &failure{status: http.StatusNotFound, text: "the provider has not said where this recording is", final: true}
	}
	req, err := http.NewRequestWithContext(ctx, method, audioURL, nil)
	if err != nil {
		return nil, refused("the recording's URL cannot be read", nil)
	}
	return req, nil
}

// ask makes a request and follows where it is sent on to.
func (f *Fetcher) ask(req *http.Request) (*http.Response, error) {
	resp, err := f.client.Do(req) // #nosec G704 -- the gate judges where it goes
	if err == nil {
		return resp, nil
	}
	if e, ok := errors.AsType[*failure](err); ok {
		return nil, e
	}
	return nil, f.unanswered(req.Context(), err)
}

// unanswered says why there is no answer.
func (f *Fetcher) unanswered(ctx context.Context, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the URL
	}
	cause := errors.New(signalwire.Redact(err.Error())) // a redirect's URL may be in it
	timeout, ok := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, errNotPublic):
		return refused("recordings are fetched from public addresses only, and this one's host has another", cause)
	case errors.Is(context.Cause(ctx), errStalled), ok && timeout.Timeout():
		return &failure{status: http.StatusGatewayTimeout, text: "the provider does not answer in time: try again later", cause: cause}
	}
	return &failure{status: http.StatusBadGateway, text: "the provider cannot be reached: try again later", cause: cause}
}

// stream passes the audio on as it comes. Either side may take its time, but not
// longer than it is waited for.
func (f *Fetcher) stream(w http.ResponseWriter, audio io.Reader, stall *time.Timer) error {
	out := http.NewResponseController(w)
	buffer := make([]byte, chunk)
	for {
		stall.Reset(f.patience)
		n, err := audio.Read(buffer)
		stall.Stop()
		if n > 0 {
			// Some writers have no deadlines, such as those in tests.
			_ = out.SetWriteDeadline(time.Now().Add(f.patience))
			if _, err := w.Write(buffer[:n]); err != nil {
				return fmt.Errorf("pass the recording on: %w", err)
			}
			if err := out.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
				return fmt.Errorf("pass the recording on: %w", err)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the recording: %w", err)
		}
	}
}

// refuse answers that there is no audio, and why.
func (f *Fetcher) refuse(w http.ResponseWriter, r *http.Request, err error, say func(*failure) string) {
	if r.Context().Err() != nil {
		return // nobody is there any more
	}
	why, ok := errors.AsType[*failure](err)
	if !ok {
		why = &failure{status: http.StatusBadGateway, text: err.Error()}
	}
	f.log.Warn("recording not fetched", "status", why.status, "err", err)
	w.Header().Set("Cache-Control", "private, no-store")
	text := say(why)
	http.Error(w, strings.ToUpper(text[:1])+text[1:]+".", why.status)
}
