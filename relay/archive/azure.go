package archive

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/md5" // #nosec G501 -- against damage on the way, which is what the server checks with it
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringpost/relay/channel"
)

// azureVersion is the version of the protocol: the first in which one request
// takes 5000 MiB.
const azureVersion = "2019-12-12"

// azureMeta is the header of the metadata sumKey.
const azureMeta = "x-ms-meta-sha256"

// azure is a container of Azure's Blob Storage. Of its REST API three requests are
// needed: Put Blob, Get Blob Properties and Get Blob.
type azure struct {
	http     *http.Client
	base     string // URL of the container
	prefix   string
	account  string
	key      []byte
	transfer *http.Transport
}

func newAzure(l Location, account, key string) (*azure, error) {
	secret, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return nil, errors.New("the key of the storage account is not in base64")
	}
	endpoint := cmp.Or(l.Endpoint, "https://"+account+".blob.core.windows.net")
	b := &azure{base: endpoint + "/" + l.Bucket, prefix: l.Prefix, account: account, key: secret, transfer: newTransport()}
	b.http = &http.Client{
		Transport:     b.transfer,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return b, nil
}

func (b *azure) close() { b.transfer.CloseIdleConnections() }

// put sends the object in one request. The server checks it against an MD5, since
// it knows no SHA-256; that one is kept beside.
func (b *azure) put(ctx context.Context, o *object, replace bool) error {
	sum := md5.New() // #nosec G401 -- see above
	if _, err := io.Copy(sum, &untilDone{ctx, o.content()}); err != nil {
		return fmt.Errorf("read what is to be kept: %w", err)
	}
	ctx, content, cancel := watch(ctx, o.content(), patience)
	defer cancel()
	header := http.Header{}
	header.Set("Content-Type", o.contentType)
	header.Set("Content-Md5", base64.StdEncoding.EncodeToString(sum.Sum(nil)))
	header.Set("X-Ms-Blob-Type", "BlockBlob")
	header.Set(azureMeta, hex.EncodeToString(o.sum[:]))
	if !replace {
		header.Set("If-None-Match", "*")
	}
	resp, err := b.do(ctx, http.MethodPut, o.path, header, content, o.size)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (b *azure) stat(ctx context.Context, path string, _ bool) (i info, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	resp, err := b.do(ctx, http.MethodHead, path, http.Header{}, nil, 0)
	if err != nil {
		return i, err
	}
	resp.Body.Close()
	i = info{size: resp.ContentLength, contentType: resp.Header.Get("Content-Type")}
	i.setSum(resp.Header.Get(azureMeta))
	return i, nil
}

func (b *azure) open(ctx context.Context, path string, offset int64) (io.ReadCloser, error) {
	header := http.Header{}
	if offset > 0 {
		header.Set("X-Ms-Range", fmt.Sprintf("bytes=%d-", offset))
	}
	resp, err := b.do(ctx, http.MethodGet, path, header, nil, 0)
	if err != nil {
		return nil, err
	}
	if offset > 0 && resp.StatusCode != http.StatusPartialContent {
		resp.Body.Close()
		return nil, errPart
	}
	return resp.Body, nil
}

// do makes a request and returns its answer, which is a success.
func (b *azure) do(ctx context.Context, method, path string, header http.Header, body io.Reader, size int64) (*http.Response, error) {
	segments := strings.Split(within(b.prefix, path), "/")
	for i := range segments {
		segments[i] = url.PathEscape(segments[i])
	}
	if size == 0 {
		body = nil
	}
	req, err := http.NewRequestWithContext(ctx, method, b.base+"/"+strings.Join(segments, "/"), body)
	if err != nil {
		return nil, errors.New("the request's URL is not valid")
	}
	req.ContentLength = size
	req.Header = header
	header.Set("X-Ms-Version", azureVersion)
	header.Set("X-Ms-Date", time.Now().UTC().Format(http.TimeFormat))
	header.Set("User-Agent", "ringpost")
	header.Set("Authorization", "SharedKey "+b.account+":"+b.sign(req))
	resp, err := b.http.Do(req)
	if err != nil {
		return nil, unanswered(ctx, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	resp.Body.Close()
	return nil, azureError(resp)
}

// sign returns the signature of a request: "Authorize with Shared Key", Blob
// Storage. The requests here have no query.
func (b *azure) sign(req *http.Request) string {
	length := ""
	if req.ContentLength > 0 {
		length = strconv.FormatInt(req.ContentLength, 10)
	}
	h := req.Header
	lines := []string{req.Method, "", "", length, h.Get("Content-Md5"), h.Get("Content-Type"), "", "", "", h.Get("If-None-Match"), "", ""}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-ms-") {
			lines = append(lines, lower+":"+h.Get(name))
		}
	}
	lines = append(lines, "/"+b.account+req.URL.EscapedPath())
	mac := hmac.New(sha256.New, b.key)
	mac.Write([]byte(strings.Join(lines, "\n")))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// azureError says what an answer means that is no success.
func azureError(resp *http.Response) error {
	code := resp.Header.Get("X-Ms-Error-Code")
	if !errorCode.MatchString(code) {
		code = "an error"
	}
	said := fmt.Errorf("the server answers %s (HTTP status %d)", code, resp.StatusCode)
	switch {
	case code == "ContainerNotFound", code == "ResourceNotFound":
		return channel.Down(said)
	case resp.StatusCode == http.StatusNotFound:
		return errNoObject
	case code == "BlobAlreadyExists", resp.StatusCode == http.StatusPreconditionFailed:
		return errOccupied
	case code == "RequestBodyTooLarge":
		return channel.Permanent(said)
	}
	return storeError(resp.StatusCode, said)
}
