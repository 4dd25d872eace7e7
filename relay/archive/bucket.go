package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"time"
)

var (
	// errNoObject means that there is no object at that path.
	errNoObject = errors.New("there is nothing at that path")
	// errOccupied means that there is an object at that path already.
	errOccupied = errors.New("there is something at that path already")
)

// bucket keeps objects by their paths. Its methods may be called at once. What an
// error means for a delivery is in it, as package channel has it; none holds a
// credential or a URL.
type bucket interface {
	// put writes an object. Where there is one at its path already it fails with
	// errOccupied, unless that is to be replaced. What it has written is there for
	// good, with the checksum that the object says, or not there at all.
	put(ctx context.Context, o *object, replace bool) error
	// stat says what is at path, or fails with errNoObject. Only where whole is true
	// it may take as long as reading all of it does.
	stat(ctx context.Context, path string, whole bool) (info, error)
	// open reads the object at path from an offset on.
	open(ctx context.Context, path string, offset int64) (io.ReadCloser, error)
	// close ends idle connections.
	close()
}

// object is what is to be written.
type object struct {
	path        string
	contentType string
	size        int64
	sum         [sha256.Size]byte
	content     func() io.ReadSeeker // from its beginning, each time anew
}

// info is what a bucket knows of an object.
type info struct {
	size        int64
	contentType string // empty where it is not kept
	sum         [sha256.Size]byte
	summed      bool // whether the sum is known
}

// like reports whether it is the object o, as far as that is known.
func (i info) like(o *object) bool { return i.size == o.size && (!i.summed || i.sum == o.sum) }

// patience is how long a store may take to take, or to send, the next bytes, or
// to answer once it has all.
const patience = time.Minute

// errStalled ends a transfer that does not get on.
var errStalled = errors.New("nothing moved for a minute")

// watched is a reader that ends a transfer once nothing has been read for a
// while.
type watched struct {
	io.Reader
	stall *time.Timer
	after time.Duration
}

// watch returns a context for a transfer of r, which ends with cancel, and where
// the reader it returns is not read from for that long.
func watch(ctx context.Context, r io.Reader, after time.Duration) (_ context.Context, _ io.Reader, cancel func()) {
	ctx, stop := context.WithCancelCause(ctx)
	w := &watched{r, time.AfterFunc(after, func() { stop(errStalled) }), after}
	return ctx, w, func() {
		w.stall.Stop()
		stop(nil)
	}
}

func (w *watched) Read(p []byte) (int, error) {
	w.stall.Reset(w.after)
	return w.Reader.Read(p)
}
