package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"ringpost/relay/channel"
)

const (
	// sumKey is the metadata under which an object's SHA-256 is kept, in hexadecimal
	// digits: not every server keeps the one below.
	sumKey = "Sha256"
	// checksumKey is the header of a checksum that the server makes, too, and
	// keeps; in base64.
	checksumKey = "X-Amz-Checksum-Sha256"
	// slowDown is how long a server that is asked too much is left alone.
	slowDown = 10 * time.Second
)

// s3 is a bucket at Amazon, or at another server that speaks S3's protocol.
type s3 struct {
	client    minio.Core
	bucket    string
	prefix    string
	transport *http.Transport
}

func newS3(l Location, accessKey, secretKey string) (*s3, error) {
	endpoint, secure := "s3."+l.Region+".amazonaws.com", true
	if l.Endpoint != "" {
		u, err := url.Parse(l.Endpoint)
		if err != nil {
			return nil, errors.New("the endpoint is no URL")
		}
		endpoint, secure = u.Host, u.Scheme == "https"
	}
	transport := newTransport()
	client, err := minio.NewCore(endpoint, &minio.Options{
		Creds:      credentials.NewStaticV4(accessKey, secretKey, ""),
		Secure:     secure,
		Region:     l.Region,
		Transport:  transport,
		MaxRetries: 1, // a delivery is tried again by the rules of all others
	})
	if err != nil {
		return nil, fmt.Errorf("make a client of S3: %w", err)
	}
	return &s3{client: *client, bucket: l.Bucket, prefix: l.Prefix, transport: transport}, nil
}

// newTransport returns a transport whose every step is bounded in time, but for
// the passing of what is sent and received.
func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	t.TLSHandshakeTimeout = 10 * time.Second
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	t.ResponseHeaderTimeout = patience
	t.IdleConnTimeout = 30 * time.Second
	t.MaxResponseHeaderBytes = 64 << 10
	t.DisableCompression = true
	return t
}

func (b *s3) close() { b.transport.CloseIdleConnections() }

// put sends the object in one request, which is signed over its SHA-256: the
// server refuses anything else.
func (b *s3) put(ctx context.Context, o *object, replace bool) error {
	ctx, content, cancel := watch(ctx, o.content(), patience)
	defer cancel()
	options := minio.PutObjectOptions{
		ContentType:          o.contentType,
		DisableContentSha256: true, // of pieces; it is of the whole
		UserMetadata:         map[string]string{sumKey: hex.EncodeToString(o.sum[:])},
	}
	if host := b.client.EndpointURL().Hostname(); !strings.HasSuffix(host, "googleapis.com") { // which refuses it
		options.UserMetadata[checksumKey] = base64.StdEncoding.EncodeToString(o.sum[:])
	}
	if !replace {
		options.SetMatchETagExcept("*")
	}
	if o.size == 0 {
		content = bytes.NewReader(nil)
	}
	_, err := b.client.PutObject(ctx, b.bucket, within(b.prefix, o.path), content, o.size, "", hex.EncodeToString(o.sum[:]), options)
	return s3Error(ctx, err)
}

func (b *s3) stat(ctx context.Context, path string, _ bool) (i info, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	found, err := b.client.StatObject(ctx, b.bucket, within(b.prefix, path), minio.StatObjectOptions{Checksum: true})
	if err != nil {
		return i, s3Error(ctx, err)
	}
	i = info{size: found.Size, contentType: found.ContentType}
	i.setSum(found.UserMetadata[sumKey])
	// The server's own is the better one, where it is of the whole object.
	if sum, err := base64.StdEncoding.DecodeString(found.ChecksumSHA256); err == nil && len(sum) == sha256.Size {
		i.sum, i.summed = [sha256.Size]byte(sum), true
	}
	return i, nil
}

// errPart is what a server does that knows no ranges.
var errPart = errors.New("the server does not answer with the part that was asked for")

// setSum sets the checksum from its hexadecimal digits, if they are some.
func (i *info) setSum(digits string) {
	if sum, err := hex.DecodeString(digits); err == nil && len(sum) == sha256.Size {
		i.sum, i.summed = [sha256.Size]byte(sum), true
	}
}

func (b *s3) open(ctx context.Context, path string, offset int64) (io.ReadCloser, error) {
	var options minio.GetObjectOptions
	if offset > 0 {
		if err := options.SetRange(offset, 0); err != nil {
			return nil, err
		}
	}
	content, _, header, err := b.client.GetObject(ctx, b.bucket, within(b.prefix, path), options)
	if err != nil {
		return nil, s3Error(ctx, err)
	}
	if offset > 0 && !strings.HasPrefix(header.Get("Content-Range"), fmt.Sprintf("bytes %d-", offset)) {
		content.Close()
		return nil, errPart
	}
	return content, nil
}

// errorCode is a word that a server calls an error by.
var errorCode = regexp.MustCompile(`^[A-Za-z0-9.]{1,60}$`)

// s3Error says what an answer of the server, or its absence, means.
func s3Error(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[minio.ErrorResponse](err)
	if !ok || e.StatusCode == 0 {
		return unanswered(ctx, err)
	}
	code := e.Code
	if !errorCode.MatchString(code) {
		code = "an error"
	}
	said := fmt.Errorf("the server answers %s (HTTP status %d)", code, e.StatusCode)
	switch {
	case code == "NoSuchBucket":
		return channel.Down(said)
	case e.StatusCode == http.StatusNotFound:
		return errNoObject
	case e.StatusCode == http.StatusPreconditionFailed:
		return errOccupied
	case code == "KeyTooLongError", code == "EntityTooLarge":
		return channel.Permanent(said)
	}
	return storeError(e.StatusCode, said)
}

// storeError says what a status means that is no success, whichever the store is.
func storeError(status int, said error) error {
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return channel.RetryAfter(slowDown, said)
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status >= 500, status/100 == 3:
		return channel.Down(said)
	}
	return said
}

// unanswered says why there was no answer, without the URL.
func unanswered(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errStalled) || errors.Is(cause, context.DeadlineExceeded) {
		return channel.Down(errors.New("the server does not get on: nothing moved for a minute"))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return channel.Down(fmt.Errorf("the server cannot be reached: %w", e))
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return channel.Down(errors.New("the server does not answer in time"))
	}
	return channel.Down(errors.New("the server cannot be reached, or breaks off"))
}
