// Package archive keeps recordings: the audio in a bucket of S3 or Azure, or in a
// folder, with what is known of each as JSON beside it.
//
// An [Archive] is a channel. Its deliveries are retried, given up and shown like
// all others; where a message has a recipient, they have a path, and where it has
// words, what is known of the recording (render/archive.go, made when the callback
// was routed). For each, the audio is fetched to disk, sent with its SHA-256, and
// looked at there. The metadata, PATH.json, is written after that: once it is
// there, the recording is kept. Only then, and where the configuration says so,
// it is deleted at the provider.
//
// It promises that nothing is overwritten: what is at a path already is compared,
// and either it is the recording, which makes an attempt after a crash find its
// work done, or the delivery is refused. The audio is never in memory whole.
//
// Whoever plays a recording is served from here (serve.go), where it is kept.
//
// What stores do differently is a [bucket]: S3 (s3.go), Azure (azure.go), a folder
// (file.go); location.go reads their URLs. For S3 there is minio-go, which knows
// the dialects of servers beside Amazon's and makes the stripped binary 1.5 MB
// larger. Of Azure three requests are needed, which azure.go makes by itself:
// its SDK adds 5.6 MB (azblob v1.8.3), and gocloud.dev/blob, which has all three,
// 14.7 MB.
package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"ringpost/relay/channel"
	"ringpost/relay/recording"
	"ringpost/relay/render"
)

const (
	// maxSize is the largest recording that is kept: what Azure takes in one
	// request, and less than S3 does.
	maxSize = 5000 << 20
	// maxMetadata bounds what is read of a metadata file. A callback has 64 KiB.
	maxMetadata = 1 << 20
	// lateFor is how long the provider may not have a recording of which it has
	// posted a callback, or refuse it: recordings are sometimes late, and
	// credentials are being changed.
	lateFor = time.Hour
)

// Config says where and how recordings are kept.
type Config struct {
	URL string // as [ParseURL] reads it

	AccessKey, SecretKey string // of S3
	Account, Key         string // of Azure; the key in base64

	// Fetch fetches the audio: [recording.Fetcher.Spool].
	Fetch func(ctx context.Context, recordingURL, format string, limit int64) (*recording.Spooled, error)
	// Delete deletes a recording at the provider, by its account's id and its own.
	// It may be gone already. Nil: it stays there.
	Delete func(ctx context.Context, account, recording string) error
}

// Archive is a channel that keeps recordings. Its methods may be called at once.
type Archive struct {
	config Config
	bucket bucket
}

// New returns an archive. It does not connect.
func New(config Config) (*Archive, error) {
	l, err := ParseURL(config.URL)
	if err != nil {
		return nil, err
	}
	a := &Archive{config: config}
	switch l.Kind {
	case S3:
		a.bucket, err = newS3(l, config.AccessKey, config.SecretKey)
	case Azure:
		a.bucket, err = newAzure(l, config.Account, config.Key)
	default:
		a.bucket = &folder{l.Dir}
	}
	return a, err
}

// Close ends idle connections.
func (a *Archive) Close() error {
	a.bucket.close()
	return nil
}

// Send keeps the recording that m is about at the path m.To, and returns its
// checksum, as in sha256:0123…. A test message is kept itself.
func (a *Archive) Send(ctx context.Context, m *channel.Message) (providerID string, err error) {
	if m.Delivery == 0 {
		return a.try(ctx, m)
	}
	wanted := new(render.Metadata)
	if err := json.Unmarshal([]byte(m.Text), wanted); err != nil || wanted.Recording == "" {
		return "", channel.Permanent(errors.New("it is not known which recording is to be kept"))
	}
	sum, err := a.kept(ctx, m.To, wanted)
	if errors.Is(err, errNoObject) {
		sum, err = a.keep(ctx, m)
	}
	if err != nil {
		return "", err
	}
	if a.config.Delete != nil {
		if err := a.config.Delete(ctx, wanted.Account, wanted.Recording); err != nil {
			return "", fmt.Errorf("it is kept, and not yet deleted at the provider: %w", err)
		}
	}
	return provider(sum), nil
}

// provider is what the delivery of an object with that checksum says.
func provider(sum [sha256.Size]byte) string { return "sha256:" + hex.EncodeToString(sum[:]) }

// metadata is what is in the file beside a recording.
type metadata struct {
	SHA256      string          `json:"sha256"`
	Size        int64           `json:"size"`
	ContentType string          `json:"content_type"`
	Recording   json.RawMessage `json:"recording"` // a [render.Metadata]
}

// kept returns the checksum of the recording at path, where it is kept whole. The
// error is errNoObject where it is not, or not yet.
func (a *Archive) kept(ctx context.Context, path string, wanted *render.Metadata) (sum [sha256.Size]byte, err error) {
	if _, err := a.bucket.stat(ctx, path, false); err != nil {
		return sum, looking(err)
	}
	m, of, err := a.metadata(ctx, path)
	if err != nil {
		return sum, err
	}
	if of.Recording != wanted.Recording || of.Account != wanted.Account {
		return sum, channel.Permanent(errors.New("another recording is kept at this path: see that the channel's path differs for each"))
	}
	found, err := a.bucket.stat(ctx, path, true)
	if err != nil {
		return sum, looking(err)
	}
	if found.size != m.Size || found.summed && hex.EncodeToString(found.sum[:]) != m.SHA256 {
		return sum, channel.Permanent(errors.New("what is at this path is not what was kept there: somebody has changed it"))
	}
	digits, err := hex.DecodeString(m.SHA256)
	if err != nil || len(digits) != sha256.Size {
		return sum, channel.Permanent(errors.New("the metadata beside the recording has no checksum: somebody has changed it"))
	}
	return [sha256.Size]byte(digits), nil
}

// looking says what was being done.
func looking(err error) error {
	if errors.Is(err, errNoObject) {
		return err
	}
	return fmt.Errorf("look into the archive: %w", err)
}

// metadata reads what is known of the recording at path.
func (a *Archive) metadata(ctx context.Context, path string) (m metadata, of render.Metadata, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	content, err := a.bucket.open(ctx, metadataPath(path), 0)
	if err != nil {
		return m, of, looking(err)
	}
	defer content.Close()
	text, err := io.ReadAll(io.LimitReader(content, maxMetadata))
	if err != nil {
		return m, of, fmt.Errorf("read what is known of the recording: %w", unanswered(ctx, err))
	}
	if json.Unmarshal(text, &m) != nil || json.Unmarshal(m.Recording, &of) != nil {
		return m, of, channel.Permanent(errors.New("beside this path is no metadata of a recording: somebody has changed it"))
	}
	return m, of, nil
}

// keep fetches the recording and keeps it, the metadata last.
func (a *Archive) keep(ctx context.Context, m *channel.Message) (sum [sha256.Size]byte, err error) {
	if m.RecordingURL == "" {
		return sum, channel.Permanent(errors.New("the provider has not said where the recording is"))
	}
	audio, err := a.config.Fetch(ctx, m.RecordingURL, render.PathFormat(m.To), maxSize)
	if err != nil {
		return sum, fetching(err, m.Age)
	}
	defer audio.Close()
	o := &object{path: m.To, contentType: audio.ContentType, size: audio.Size, sum: audio.SHA256, content: audio.Open}
	if err := a.store(ctx, o); err != nil {
		return sum, err
	}
	text, err := json.MarshalIndent(metadata{SHA256: hex.EncodeToString(o.sum[:]), Size: o.size, ContentType: o.contentType,
		Recording: json.RawMessage(m.Text)}, "", "  ")
	if err != nil {
		return sum, fmt.Errorf("write down what is known of the recording: %w", err)
	}
	beside := newObject(metadataPath(m.To), "application/json", append(text, '\n'))
	if err := a.bucket.put(ctx, beside, true); err != nil {
		return sum, fmt.Errorf("keep what is known of the recording: %w", err)
	}
	return o.sum, nil
}

// newObject returns an object that is in memory.
func newObject(path, contentType string, content []byte) *object {
	return &object{path: path, contentType: contentType, size: int64(len(content)), sum: sha256.Sum256(content),
		content: func() io.ReadSeeker { return bytes.NewReader(content) }}
}

// fetching says what it means that a recording was not fetched, of which a
// callback told that long ago.
func fetching(err error, age time.Duration) error {
	said := fmt.Errorf("fetch the recording: %w", err)
	_, tooLarge := errors.AsType[*recording.TooLargeError](err)
	if tooLarge || age > lateFor && (errors.Is(err, recording.ErrRefused) || errors.Is(err, recording.ErrNotThere)) {
		return channel.Permanent(said)
	}
	return said
}

// store puts an object where nothing else is, and sees that it is there.
func (a *Archive) store(ctx context.Context, o *object) error {
	err := a.bucket.put(ctx, o, false)
	occupied := errors.Is(err, errOccupied)
	if err != nil && !occupied {
		return fmt.Errorf("put it into the archive: %w", err)
	}
	found, err := a.bucket.stat(ctx, o.path, true)
	switch {
	case err != nil:
		return fmt.Errorf("look for it in the archive: %w", err)
	case found.like(o):
		return nil
	case occupied:
		return channel.Permanent(errors.New("something else is kept at this path, and it is not overwritten"))
	}
	return errors.New("what is in the archive is not what was put there")
}

// try keeps the words of a test message, and reads them back.
func (a *Archive) try(ctx context.Context, m *channel.Message) (providerID string, err error) {
	o := newObject(m.To, "text/plain; charset=utf-8", []byte(m.Text+"\n"))
	if err := a.store(ctx, o); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	content, err := a.bucket.open(ctx, o.path, 0)
	if err != nil {
		return "", fmt.Errorf("read it back: %w", err)
	}
	defer content.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, io.LimitReader(content, o.size+1)); err != nil {
		return "", fmt.Errorf("read it back: %w", unanswered(ctx, err))
	}
	if [sha256.Size]byte(sum.Sum(nil)) != o.sum {
		return "", errors.New("what is read back is not what was put there")
	}
	return provider(o.sum), nil
}
