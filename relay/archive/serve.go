package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"

	"ringpost/relay/recording"
)

// sendTime is how long a listener may take to take the next bytes: as long as
// where the provider plays.
const sendTime = 30 * time.Second

// oneRange is a Range that asks for one part (RFC 9110, 14.2): several parts would
// come as something else than audio.
var oneRange = regexp.MustCompile(`^bytes=(\d{1,18}-\d{0,18}|-\d{1,18})$`)

// Serve answers r with the recording at path, or the part of it that r asks for.
// checksum is as [Archive.Send] returned it. Where it returns an error, r is not
// answered yet.
func (a *Archive) Serve(w http.ResponseWriter, r *http.Request, at, checksum string) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	found, err := a.bucket.stat(ctx, at, false)
	if err != nil {
		return looking(err)
	}
	content := &stream{ctx: ctx, cancel: cancel, bucket: a.bucket, path: at, size: found.size}
	defer content.Close()
	if r.Method != http.MethodHead && found.size > 0 {
		// So that what cannot be read is known before the answer begins.
		if err := content.begin(firstByte(r, found.size)); err != nil {
			return err
		}
	}
	h := w.Header()
	h.Set("Content-Type", audioType(found.contentType, at))
	h.Set("Cache-Control", "private, no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if tag, ok := strings.CutPrefix(checksum, "sha256:"); ok && len(tag) == 64 {
		h.Set("ETag", `"`+tag[:32]+`"`)
	}
	if !oneRange.MatchString(r.Header.Get("Range")) {
		r = r.Clone(ctx)
		r.Header.Del("Range")
	}
	http.ServeContent(&patient{w, http.NewResponseController(w)}, r, "", time.Time{}, content)
	return nil
}

// Fetch fetches the recording at path to disk, as [recording.Fetcher.Spool] does
// from the provider. checksum is as [Archive.Send] returned it.
func (a *Archive) Fetch(ctx context.Context, at, checksum string, limit int64) (*recording.Spooled, error) {
	found, err := a.bucket.stat(ctx, at, false)
	if err != nil {
		return nil, looking(err)
	}
	if limit > 0 && found.size > limit {
		return nil, &recording.TooLargeError{Max: limit, Size: found.size}
	}
	ctx, cancel := context.WithCancel(ctx)
	content := &stream{ctx: ctx, cancel: cancel, bucket: a.bucket, path: at, size: found.size}
	defer content.Close()
	spooled, err := recording.Keep(content, audioType(found.contentType, at), limit)
	if err != nil {
		return nil, err
	}
	if provider(spooled.SHA256) != checksum {
		spooled.Close()
		return nil, errors.New("what is in the archive is not what was kept there: somebody has changed it")
	}
	return spooled, nil
}

// firstByte guesses which byte r asks for first. Where it is wrong, the stream is
// begun anew.
func firstByte(r *http.Request, size int64) int64 {
	var first int64
	if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &first); n == 1 && first >= 0 && first < size {
		return first
	}
	return 0
}

// audioType is what a player is told: what is kept, if that is audio, else what
// the path says. Whoever can write into the bucket shall not have a page shown.
func audioType(kept, at string) string {
	if kind, _, err := mime.ParseMediaType(kept); err == nil && strings.HasPrefix(kind, "audio/") && !strings.Contains(kind, "mpegurl") {
		return kind
	}
	if path.Ext(at) == ".wav" {
		return "audio/x-wav"
	}
	return "audio/mpeg"
}

// patient is a writer that a listener may not hold up for ever. Some writers have
// no deadlines, such as those in tests.
type patient struct {
	http.ResponseWriter
	out *http.ResponseController
}

func (p *patient) Write(b []byte) (int, error) {
	_ = p.out.SetWriteDeadline(time.Now().Add(sendTime))
	n, err := p.ResponseWriter.Write(b)
	if err == nil {
		if e := p.out.Flush(); e != nil && !errors.Is(e, http.ErrNotSupported) {
			err = e
		}
	}
	return n, err
}

// stream reads an object from wherever it is told to, as an [io.ReadSeeker]. It
// asks for nothing before it is read.
type stream struct {
	ctx    context.Context
	cancel context.CancelFunc
	bucket bucket
	path   string
	size   int64
	at     int64         // where the next Read is
	open   io.ReadCloser // nil where nothing is open
	opened int64         // where the next byte of open is
}

// begin opens the object at an offset.
func (s *stream) begin(offset int64) error {
	stall := time.AfterFunc(patience, s.cancel)
	defer stall.Stop()
	content, err := s.bucket.open(s.ctx, s.path, offset)
	if err != nil {
		return looking(err)
	}
	s.close()
	s.open, s.opened = content, offset
	return nil
}

func (s *stream) Read(p []byte) (int, error) {
	if s.at >= s.size {
		return 0, io.EOF
	}
	if s.open == nil || s.opened != s.at {
		if err := s.begin(s.at); err != nil {
			return 0, err
		}
	}
	stall := time.AfterFunc(patience, s.cancel)
	n, err := s.open.Read(p)
	stall.Stop()
	s.at += int64(n)
	s.opened = s.at
	if err == io.EOF && s.at < s.size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Seek is [io.Seeker]'s.
func (s *stream) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.at
	case io.SeekEnd:
		offset += s.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning of a recording")
	}
	s.at = offset
	return offset, nil
}

// Close ends what is open.
func (s *stream) Close() error {
	s.close()
	s.cancel()
	return nil
}

func (s *stream) close() {
	if s.open != nil {
		s.open.Close()
		s.open = nil
	}
}
