package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"ringpost/relay/archive/archivetest"
	"ringpost/relay/channel"
)

// promise runs a test against every kind of store.
func promise(t *testing.T, test func(t *testing.T, c Config)) {
	t.Run("file", func(t *testing.T) { test(t, Config{URL: "file://" + t.TempDir()}) })
	t.Run("s3", func(t *testing.T) { test(t, configOf(archivetest.S3(t))) })
	t.Run("azblob", func(t *testing.T) { test(t, configOf(archivetest.Azure(t))) })
}

func configOf(s *archivetest.Store) Config {
	return Config{URL: s.URL, AccessKey: s.AccessKey, SecretKey: s.SecretKey, Account: s.Account, Key: s.Key}
}

func open(t *testing.T, c Config) *Archive {
	t.Helper()
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func TestWhatIsPutIsThereWhole(t *testing.T) {
	promise(t, func(t *testing.T, c Config) {
		b := open(t, c).bucket
		for path, content := range map[string]string{
			"2026/11/24/rec-1.mp3":   strings.Repeat("tone", 100_000),
			"übung/+1555@a=b,c~.mp3": "small",
			"empty.mp3":              "",
		} {
			o := newObject(path, "audio/mpeg", []byte(content))
			if _, err := b.stat(t.Context(), path, true); !errors.Is(err, errNoObject) {
				t.Errorf("stat of %s before it is there = %v, want errNoObject", path, err)
			}
			if _, err := b.open(t.Context(), path, 0); !errors.Is(err, errNoObject) {
				t.Errorf("open of %s before it is there = %v, want errNoObject", path, err)
			}
			if err := b.put(t.Context(), o, false); err != nil {
				t.Fatalf("put %s: %v", path, err)
			}
			found, err := b.stat(t.Context(), path, true)
			if err != nil || found.size != o.size || !found.summed || found.sum != o.sum {
				t.Errorf("stat of %s = %+v, %v; want its size and checksum", path, found, err)
			}
			for _, offset := range []int{0, 1, len(content) / 2} {
				if offset >= len(content) {
					continue
				}
				if got := read(t, b, path, int64(offset)); got != content[offset:] {
					t.Errorf("%s read from %d has %d bytes, want the %d behind that", path, offset, len(got), len(content)-offset)
				}
			}
		}
	})
}

func read(t *testing.T, b bucket, path string, offset int64) string {
	t.Helper()
	r, err := b.open(t.Context(), path, offset)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestNothingIsOverwrittenUnlessItIsToBe(t *testing.T) {
	promise(t, func(t *testing.T, c Config) {
		b := open(t, c).bucket
		put := func(content string, replace bool) error {
			return b.put(t.Context(), newObject("a/b.mp3", "audio/mpeg", []byte(content)), replace)
		}
		if err := put("first", false); err != nil {
			t.Fatal(err)
		}
		if err := put("second", false); !errors.Is(err, errOccupied) {
			t.Errorf("put where something is = %v, want errOccupied", err)
		}
		if got := read(t, b, "a/b.mp3", 0); got != "first" {
			t.Errorf("after that there is %q, want the first", got)
		}
		if err := put("third", true); err != nil {
			t.Errorf("put in its place = %v, want nil", err)
		}
		if got := read(t, b, "a/b.mp3", 0); got != "third" {
			t.Errorf("after that there is %q, want the third", got)
		}
	})
}

// What arrives otherwise than it was sent is no object, not even for a moment.
func TestWhatIsDamagedOnTheWayIsRefused(t *testing.T) {
	promise(t, func(t *testing.T, c Config) {
		b := open(t, c).bucket
		o := newObject("a.mp3", "audio/mpeg", []byte("what is meant"))
		times := 0
		o.content = func() io.ReadSeeker {
			// Azure's is checked against what was read the first time.
			if times++; times == 1 && strings.HasPrefix(c.URL, "azblob:") {
				return bytes.NewReader([]byte("what is meant"))
			}
			return bytes.NewReader([]byte("what is neant"))
		}
		if err := b.put(t.Context(), o, false); err == nil || errors.Is(err, errOccupied) {
			t.Errorf("put of something else than its checksum says = %v, want an error", err)
		}
		if _, err := b.stat(t.Context(), "a.mp3", false); !errors.Is(err, errNoObject) {
			t.Errorf("stat after that = %v, want errNoObject", err)
		}
	})
}

func TestOfManyAtOnceOneIsKept(t *testing.T) {
	promise(t, func(t *testing.T, c Config) {
		b := open(t, c).bucket
		var putting sync.WaitGroup
		results := make(chan error, 8)
		for i := range cap(results) {
			putting.Go(func() {
				results <- b.put(t.Context(), newObject("a/b/c.mp3", "audio/mpeg", bytes.Repeat([]byte{byte('a' + i)}, 50_000)), false)
			})
		}
		putting.Wait()
		kept := 0
		for range cap(results) {
			switch err := <-results; {
			case err == nil:
				kept++
			case !errors.Is(err, errOccupied) && channel.ClassOf(err) != channel.Temporary:
				t.Errorf("put = %v, want nil, errOccupied or that it is to be tried again", err)
			}
		}
		content := read(t, b, "a/b/c.mp3", 0)
		if kept != 1 || len(content) != 50_000 || strings.Trim(content, content[:1]) != "" {
			t.Errorf("%d were kept, and there are %d bytes; want one of them, whole", kept, len(content))
		}
	})
}

func TestAnS3ServerMakesTheChecksumItself(t *testing.T) {
	b := open(t, configOf(archivetest.S3(t))).bucket.(*s3)
	o := newObject("a.mp3", "audio/mpeg", []byte("tone"))
	if err := b.put(t.Context(), o, false); err != nil {
		t.Fatal(err)
	}
	found, err := b.client.StatObject(t.Context(), b.bucket, o.path, minio.StatObjectOptions{Checksum: true})
	if want := base64.StdEncoding.EncodeToString(o.sum[:]); err != nil || found.ChecksumSHA256 != want {
		t.Errorf("the server's checksum = %q, %v; want %q", found.ChecksumSHA256, err, want)
	}
}

func TestAPrefixComesBeforeEveryPath(t *testing.T) {
	s := archivetest.S3(t)
	c := configOf(s)
	c.URL = strings.Replace(c.URL, "recordings?", "recordings/calls/2026?", 1)
	if err := open(t, c).bucket.put(t.Context(), newObject("a.mp3", "audio/mpeg", []byte("tone")), false); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(filepath.Join(s.Dir, "calls", "2026", "a.mp3")); err != nil || string(content) != "tone" {
		t.Errorf("below the prefix there is %q, %v; want the tone", content, err)
	}
}

func TestNoPathLeadsOutOfAFolder(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	b := open(t, Config{URL: "file://" + dir}).bucket
	for _, path := range []string{"out/a.mp3", "../a.mp3"} {
		if err := b.put(t.Context(), newObject(path, "audio/mpeg", []byte("tone")), false); err == nil {
			t.Errorf("put at %s = nil, want an error", path)
		}
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) != 0 {
		t.Errorf("outside there is %v, %v; want nothing", left, err)
	}
}

func TestAFolderKeepsNothingThatIsNotWhole(t *testing.T) {
	dir := t.TempDir()
	b := open(t, Config{URL: "file://" + dir}).bucket
	stale := filepath.Join(dir, incoming, "left-by-a-crash")
	fresh := filepath.Join(dir, incoming, "being-written")
	if err := os.Mkdir(filepath.Dir(stale), 0o750); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{stale, fresh} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-leftover - time.Hour)
	if err := os.Chtimes(stale, old, old); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o := newObject("a.mp3", "audio/mpeg", []byte("tone"))
	o.content = func() io.ReadSeeker {
		cancel() // as where the service stops
		return bytes.NewReader([]byte("tone"))
	}
	if err := b.put(ctx, o, false); err == nil || channel.ClassOf(err) != channel.Temporary {
		t.Errorf("put that is stopped = %v, want that it is to be tried again", err)
	}
	var left []string
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left = append(left, path)
		}
		return err
	})
	if len(left) != 1 || left[0] != fresh {
		t.Errorf("after that there is %v, want only what somebody may be writing", left)
	}
}

func TestOfAServerThatSaysNoChecksumTheMetadataCount(t *testing.T) {
	var i info
	i.setSum("nonsense")
	if i.summed {
		t.Error("nonsense counts as a checksum")
	}
	o := newObject("a", "b", []byte("tone"))
	for _, test := range []struct {
		found info
		want  bool
	}{
		{info{size: 4}, true}, {info{size: 5}, false},
		{info{size: 4, sum: o.sum, summed: true}, true},
		{info{size: 4, sum: sha256.Sum256(nil), summed: true}, false},
	} {
		if got := test.found.like(o); got != test.want {
			t.Errorf("like(%+v) = %v, want %v", test.found, got, test.want)
		}
	}
}
