package recording

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"ringpost/relay/render"
	"ringpost/relay/signalwire"
)

// maxSpools bounds the temporary files at once, and with them the connections
// to the provider. Who wants another one waits.
const maxSpools = 32

var (
	// ErrNotThere means that the provider does not have the recording: not yet,
	// or no longer.
	ErrNotThere = errors.New("the provider does not have the recording")
	// ErrRefused means that asking again is of no use as long as the callback and
	// the configuration stay as they are: the recording is somewhere nothing is
	// fetched from, or the provider wants other credentials, or has something
	// there that is no audio.
	ErrRefused = errors.New("the recording is not fetched")
)

// TooLargeError means that a recording is larger than whoever wants it can use.
type TooLargeError struct {
	Max  int64
	Size int64 // 0 where the provider did not say
}

func (e *TooLargeError) Error() string {
	if e.Size == 0 {
		return fmt.Sprintf("the recording has more than %d bytes", e.Max)
	}
	return fmt.Sprintf("the recording has %d bytes, and %d are allowed", e.Size, e.Max)
}

// Spooled is the audio of a recording in a temporary file that has no name any
// more: nothing is left of it once it is closed, or the process is gone. Its
// methods may be called at once.
type Spooled struct {
	Size        int64 // never 0
	SHA256      [sha256.Size]byte
	ContentType string // as the provider says, such as audio/mpeg

	file  *os.File
	close func()
}

// ReadAt is [io.ReaderAt]'s.
func (s *Spooled) ReadAt(p []byte, off int64) (int, error) { return s.file.ReadAt(p, off) }

// Open returns a reader of all of it. There may be several, each of which is
// where it is; they are of no use once s is closed.
func (s *Spooled) Open() io.ReadSeeker { return io.NewSectionReader(s.file, 0, s.Size) }

// Close lets go of the file. A second Close does nothing.
func (s *Spooled) Close() error {
	s.close()
	return nil
}

// Spool fetches the whole audio of the recording at recordingURL to disk, in the
// format mp3 or wav where the provider has it in several. It is to be closed.
// Who wants the same at the same time shares one file, which is fetched once.
//
// It fails with a [TooLargeError] as soon as there are more than limit bytes,
// where limit is not 0; with an error that is [ErrNotThere] or [ErrRefused]; and
// with any other one where it may go well later. No error holds a URL. The
// provider may take as long as ctx lets it, if only it sends something all the
// time.
func (f *Fetcher) Spool(ctx context.Context, recordingURL, format string, limit int64) (*Spooled, error) {
	var audioURL string
	switch format {
	case "mp3":
		audioURL = render.MP3(recordingURL)
	case "wav":
		audioURL = render.WAV(recordingURL)
	default:
		return nil, fmt.Errorf("there are no recordings in the format %q: want mp3 or wav", format)
	}
	s := f.join(ctx, wanted{audioURL, limit})
	select {
	case <-s.fetched:
	case <-ctx.Done():
		f.leave(s)
		return nil, fmt.Errorf("the recording was not fetched in time: %w", context.Cause(ctx))
	}
	if s.err != nil {
		f.leave(s)
		return nil, s.err
	}
	return &Spooled{Size: s.size, SHA256: s.sum, ContentType: s.kind, file: s.file,
		close: sync.OnceFunc(func() { f.leave(s) })}, nil
}

// spools are the recordings that are fetched, or are on disk and in use.
type spools struct {
	mu   sync.Mutex
	all  map[wanted]*spool
	room chan struct{} // holds a value for each that has a file
}

func newSpools() spools {
	return spools{all: make(map[wanted]*spool), room: make(chan struct{}, maxSpools)}
}

// wanted is what makes one spool the same as another.
type wanted struct {
	audioURL string
	limit    int64
}

// spool is one recording for all who want it at once.
type spool struct {
	wanted  wanted
	users   int                     // guarded by the mutex of spools
	abandon context.CancelCauseFunc // ends fetching it
	fetched chan struct{}           // closed once there is what follows

	err     error
	file    *os.File // nil where there is an error
	discard func()   // of the file
	size    int64
	sum     [sha256.Size]byte
	kind    string
}

// join adds one to those who use the spool of what is wanted, which is begun
// where there is none.
func (f *Fetcher) join(ctx context.Context, w wanted) *spool {
	f.spools.mu.Lock()
	defer f.spools.mu.Unlock()
	s := f.spools.all[w]
	if s == nil {
		s = &spool{wanted: w, fetched: make(chan struct{})}
		// It goes on for the others where the first one leaves.
		ctx, s.abandon = context.WithCancelCause(context.WithoutCancel(ctx))
		f.spools.all[w] = s
		go f.fill(ctx, s)
	}
	s.users++
	return s
}

// leave takes one from those who use s, and ends it with the last one.
func (f *Fetcher) leave(s *spool) {
	f.spools.mu.Lock()
	defer f.spools.mu.Unlock()
	s.users--
	if s.users > 0 {
		return
	}
	s.abandon(context.Canceled)
	f.forget(s)
	select {
	case <-s.fetched:
		f.discard(s)
	default: // fill discards it
	}
}

// forget makes the next one who wants the same fetch it anew. It must be called
// with the mutex held.
func (f *Fetcher) forget(s *spool) {
	if f.spools.all[s.wanted] == s {
		delete(f.spools.all, s.wanted)
	}
}

// discard closes the file of s, which nobody uses any more.
func (f *Fetcher) discard(s *spool) {
	if s.file == nil {
		return
	}
	s.discard()
	s.file = nil
	<-f.spools.room
}

// fill fetches s.
func (f *Fetcher) fill(ctx context.Context, s *spool) {
	defer s.abandon(nil)
	err := f.fetchTo(ctx, s)
	f.spools.mu.Lock()
	defer f.spools.mu.Unlock()
	s.err = err
	if err != nil {
		f.forget(s)
	}
	if err != nil || s.users == 0 {
		f.discard(s)
	}
	close(s.fetched)
}

// fetchTo fetches s into a file of its own.
func (f *Fetcher) fetchTo(ctx context.Context, s *spool) (err error) {
	select {
	case f.spools.room <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.file, s.discard, err = newFile(); err != nil {
		<-f.spools.room
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(f.patience, func() { cancel(errStalled) })
	defer stall.Stop()

	req, err := newRequest(ctx, http.MethodGet, s.wanted.audioURL)
	if err != nil {
		return err
	}
	resp, err := f.ask(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if s.kind, err = check(resp); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK { // 416, though nobody asked for a part
		return refusal(resp)
	}
	return f.write(ctx, s, resp, stall)
}

// write takes the audio of resp to the file of s, and no more of it than is
// wanted.
func (f *Fetcher) write(ctx context.Context, s *spool, resp *http.Response, stall *time.Timer) error {
	limit := s.wanted.limit
	if limit > 0 && resp.ContentLength > limit {
		return &TooLargeError{Max: limit, Size: resp.ContentLength}
	}
	sum := sha256.New()
	buffer := make([]byte, chunk)
	for {
		stall.Reset(f.patience)
		n, err := resp.Body.Read(buffer)
		stall.Stop()
		s.size += int64(n)
		if limit > 0 && s.size > limit {
			return &TooLargeError{Max: limit}
		}
		sum.Write(buffer[:n])
		if _, err := s.file.Write(buffer[:n]); err != nil {
			return fmt.Errorf("keep the recording on disk: %w", err)
		}
		switch {
		case err == io.EOF && s.size == 0:
			return &failure{status: http.StatusBadGateway, text: "the provider answers with an empty recording: try again later"}
		case err == io.EOF:
			sum.Sum(s.sum[:0])
			return nil
		case err != nil: // which it is too where fewer bytes come than were announced
			return brokenOff(ctx, err)
		}
	}
}

func brokenOff(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errStalled) {
		return &failure{status: http.StatusGatewayTimeout, text: "the provider does not go on with the recording: try again later", cause: errStalled}
	}
	return &failure{status: http.StatusBadGateway, text: "the provider breaks the recording off: try again later",
		cause: errors.New(signalwire.Redact(err.Error()))}
}

// Keep takes audio that comes from elsewhere than the provider to disk, as
// [Fetcher.Spool] does.
func Keep(audio io.Reader, contentType string, limit int64) (*Spooled, error) {
	file, discard, err := newFile()
	if err != nil {
		return nil, err
	}
	s := &Spooled{ContentType: contentType, file: file, close: sync.OnceFunc(discard)}
	if limit > 0 {
		audio = io.LimitReader(audio, limit+1)
	}
	sum := sha256.New()
	s.Size, err = io.Copy(io.MultiWriter(file, sum), audio)
	if err == nil && limit > 0 && s.Size > limit {
		err = &TooLargeError{Max: limit}
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("keep the recording on disk: %w", err)
	}
	sum.Sum(s.SHA256[:0])
	return s, nil
}

// newFile makes a temporary file without a name, and returns what closes it.
func newFile() (file *os.File, discard func(), err error) {
	if file, err = os.CreateTemp("", "ringpost-*"); err != nil {
		return nil, nil, fmt.Errorf("keep the recording on disk: %w", err)
	}
	if os.Remove(file.Name()) == nil {
		return file, func() { file.Close() }, nil
	}
	return file, func() { // as on systems that keep the name of what is open
		file.Close()
		_ = os.Remove(file.Name())
	}, nil
}
