package recording

import (
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

var (
	// part and beyond are what Content-Range says of a part, and of one that is
	// not there (RFC 9110, 14.4).
	part   = regexp.MustCompile(`^bytes \d{1,19}-\d{1,19}/(\d{1,19}|\*)$`)
	beyond = regexp.MustCompile(`^bytes \*/\d{1,19}$`)
	// entityTag is a validator that a player may give back in If-Range.
	entityTag = regexp.MustCompile(`^(W/)?"[!#-~]{0,128}"$`)
)

// pass sets the headers of an answer with what resp says of the audio, and
// nothing else of it; or it returns why resp is no answer, and sets none.
func pass(h http.Header, resp *http.Response) error {
	kind, err := check(resp)
	if err != nil {
		return err
	}
	h.Set("Cache-Control", "private, no-store")
	if span := resp.Header.Get("Content-Range"); part.MatchString(span) || beyond.MatchString(span) {
		h.Set("Content-Range", span)
	}
	if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return nil // which has no body
	}
	h.Set("Content-Type", kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if resp.ContentLength >= 0 {
		h.Set("Content-Length", strconv.FormatInt(resp.ContentLength, 10))
	}
	if resp.StatusCode == http.StatusPartialContent || resp.Header.Get("Accept-Ranges") == "bytes" {
		h.Set("Accept-Ranges", "bytes")
	}
	if tag := resp.Header.Get("ETag"); entityTag.MatchString(tag) {
		h.Set("ETag", tag)
	}
	if at, err := http.ParseTime(resp.Header.Get("Last-Modified")); err == nil {
		h.Set("Last-Modified", at.UTC().Format(http.TimeFormat))
	}
	return nil
}

// check returns the content type of an answer with audio, or why it has none.
func check(resp *http.Response) (kind string, err error) {
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusPartialContent:
		if resp.Request.Header.Get("Range") == "" || !part.MatchString(resp.Header.Get("Content-Range")) {
			return "", refused("the provider answers with a part that nobody asked for", nil)
		}
	case http.StatusRequestedRangeNotSatisfiable:
		return "", nil
	default:
		return "", refusal(resp)
	}
	kind, ok := audioType(resp.Header.Get("Content-Type"))
	if encoding := resp.Header.Get("Content-Encoding"); !ok || encoding != "" && encoding != "identity" {
		return "", refused("the provider answers with something else than audio", nil)
	}
	return kind, nil
}

// audioType returns a content type that a player may be given. A playlist is
// none: it would have the player ask elsewhere.
func audioType(contentType string) (kind string, ok bool) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || strings.Contains(kind, "mpegurl") || strings.Contains(kind, "scpls") ||
		!strings.HasPrefix(kind, "audio/") && kind != "application/octet-stream" {
		return "", false
	}
	return mime.FormatMediaType(kind, params), true
}

// refusal says what the provider's status means to whoever wants to hear the
// recording.
func refusal(resp *http.Response) error {
	cause := fmt.Errorf("HTTP status %d", resp.StatusCode)
	asked := resp.Request.Header.Get("Authorization") != ""
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound || code == http.StatusGone:
		return &failure{status: http.StatusNotFound, text: "the provider has no such recording, or has it no longer", cause: cause}
	case (code == http.StatusUnauthorized || code == http.StatusForbidden) && asked:
		return refused("the provider refuses the project and token of the configuration", cause)
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return refused("the provider asks for a password at a host that the project's is not for", cause)
	case code == http.StatusGatewayTimeout:
		return &failure{status: http.StatusGatewayTimeout, text: "the provider does not answer in time: try again later", cause: cause}
	}
	return &failure{status: http.StatusBadGateway, text: "the provider answers with an error: try again later", cause: cause}
}
