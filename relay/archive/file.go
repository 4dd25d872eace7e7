package archive

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"ringpost/relay/channel"
)

const (
	// incoming is the folder of files that are not whole yet: nobody takes one for
	// a recording, and what a crash leaves is found.
	incoming = ".incoming"
	// leftover is how old a file there is that nobody writes any more.
	leftover = 24 * time.Hour
)

// folder is a bucket on disk. Its folder must be there: were it made, a disk that
// is not mounted would go unnoticed.
type folder struct{ dir string }

// put writes the object under another name first, so that it is whole once it has
// its own, and returns once it is on disk with all the folders above it.
func (f *folder) put(ctx context.Context, o *object, replace bool) error {
	root, err := f.root()
	if err != nil {
		return err
	}
	defer root.Close()
	if err := makeFolders(root, path.Dir(o.path)); err != nil {
		return trouble("make the folder", err)
	}
	if err := makeFolders(root, incoming); err != nil {
		return trouble("make the folder", err)
	}
	removeLeftovers(root, time.Now())
	part := path.Join(incoming, rand.Text())
	if err := write(ctx, root, part, o); err != nil {
		_ = root.Remove(part)
		return err
	}
	if replace {
		err = root.Rename(part, o.path)
	} else {
		err = publish(root, part, o.path)
	}
	if err == nil {
		err = syncFolder(root, path.Dir(o.path))
	}
	_ = root.Remove(part)
	if errors.Is(err, fs.ErrExist) {
		return errOccupied
	}
	if err != nil {
		return trouble("name the file", err)
	}
	return nil
}

// publish gives a file its name, unless something has it. Where the file system
// has no links, two processes could still take one at once: they would have to
// keep two recordings at one path in the same moment.
func publish(root *os.Root, part, name string) error {
	err := root.Link(part, name)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := root.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fs.ErrExist, err)
	}
	return root.Rename(part, name)
}

// write writes the object to a new file and has it on disk.
func write(ctx context.Context, root *os.Root, name string, o *object) error {
	file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return trouble("make a file", err)
	}
	defer file.Close()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(file, sum), &untilDone{ctx, o.content()})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return trouble("write the file", err)
	case n != o.size || [sha256.Size]byte(sum.Sum(nil)) != o.sum:
		return errors.New("what was written is not what was to be kept: it is written again")
	}
	if err := file.Sync(); err != nil {
		return trouble("write the file", err)
	}
	return file.Close()
}

// makeFolders makes the folder called name and those above it, each on disk
// before what is in it.
func makeFolders(root *os.Root, name string) error {
	if name == "." {
		return nil
	}
	if info, err := root.Stat(name); err == nil && info.IsDir() {
		return nil
	}
	parent := path.Dir(name)
	if err := makeFolders(root, parent); err != nil {
		return err
	}
	if err := root.Mkdir(name, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(root, parent)
}

// syncFolder has the names in a folder on disk.
func syncFolder(root *os.Root, name string) error {
	dir, err := root.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// removeLeftovers removes what processes that are gone have not finished.
func removeLeftovers(root *os.Root, now time.Time) {
	dir, err := root.Open(incoming)
	if err != nil {
		return
	}
	defer dir.Close()
	entries, _ := dir.ReadDir(1000)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > leftover {
			_ = root.Remove(path.Join(incoming, e.Name()))
		}
	}
}

func (f *folder) stat(ctx context.Context, name string, whole bool) (i info, err error) {
	root, err := f.root()
	if err != nil {
		return i, err
	}
	defer root.Close()
	file, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return i, errNoObject
	}
	if err != nil {
		return i, trouble("open the file", err)
	}
	defer file.Close()
	found, err := file.Stat()
	if err != nil {
		return i, trouble("open the file", err)
	}
	if !found.Mode().IsRegular() {
		return i, channel.Permanent(errors.New("at the recording's path is a folder, or no file"))
	}
	i.size = found.Size()
	if !whole {
		return i, nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, &untilDone{ctx, file}); err != nil {
		return i, trouble("read the file", err)
	}
	i.sum, i.summed = [sha256.Size]byte(sum.Sum(nil)), true
	return i, nil
}

func (f *folder) open(_ context.Context, name string, offset int64) (io.ReadCloser, error) {
	root, err := f.root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoObject
	}
	if err == nil {
		if _, err = file.Seek(offset, io.SeekStart); err != nil {
			file.Close()
		}
	}
	if err != nil {
		return nil, trouble("open the file", err)
	}
	return file, nil
}

func (f *folder) close() {}

// root opens the folder, out of which no name leads.
func (f *folder) root() (*os.Root, error) {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return nil, trouble("open the archive's folder", err)
	}
	return root, nil
}

// trouble says that the disk, not the recording, is why something cannot be done.
// File names stay out of it: they are recordings' ids.
func trouble(doing string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		err = e.Err
	}
	return channel.Down(fmt.Errorf("%s: %w", doing, err))
}

// untilDone is a reader that ends with its context.
type untilDone struct {
	ctx context.Context
	io.Reader
}

func (r *untilDone) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(p)
}
