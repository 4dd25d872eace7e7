package callback

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode"
)

const (
	// maxRaw bounds a raw request. A callback has at most half of it.
	maxRaw = 128 << 10
	// maxHeaders bounds its headers.
	maxHeaders = 200
)

// errNoRequest says what a raw request looks like.
var errNoRequest = errors.New("not a raw HTTP request: want a first line such as POST " + Path +
	" HTTP/1.1, the headers, an empty line, and the body")

// ReadRaw reads an HTTP request as it was on the wire, as people copy it out of
// logs and proxies: lines may end in LF alone, and the body ends where the text
// does, with the line feed that editors add or without. Host is among the
// headers. It is not decoded.
func ReadRaw(in io.Reader) (*Request, error) {
	text, err := io.ReadAll(io.LimitReader(in, maxRaw+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxRaw {
		return nil, fmt.Errorf("longer than %d KiB, which is more than a callback may have", maxRaw>>10)
	}
	text = bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\ufeff")), "\r\n")
	first, rest := line(text)
	r := &Request{Header: make(http.Header)}
	if err := r.readFirst(first); err != nil {
		return nil, err
	}
	last := "" // the header that a folded line goes on with
	for n := 0; ; n++ {
		var next string
		next, rest = line(rest)
		if next == "" {
			break
		}
		if n == maxHeaders {
			return nil, fmt.Errorf("more than %d headers", maxHeaders)
		}
		name, value, ok := strings.Cut(next, ":")
		switch {
		case last != "" && (next[0] == ' ' || next[0] == '\t'):
			values := r.Header[last]
			values[len(values)-1] += " " + strings.TrimSpace(next)
		case !ok || !isToken(name):
			return nil, errNoRequest
		default:
			last = http.CanonicalHeaderKey(name)
			r.Header.Add(last, strings.TrimSpace(value))
		}
	}
	r.ContentType = r.Header.Get("Content-Type")
	r.Body = r.bodyOf(rest)
	return r, nil
}

// readFirst reads METHOD TARGET HTTP/1.1. The address may be whole.
func (r *Request) readFirst(line string) error {
	words := strings.Fields(line)
	if len(words) < 2 || len(words) > 3 || !isToken(words[0]) {
		return errNoRequest
	}
	r.Method, r.Target = words[0], words[1]
	if _, after, ok := strings.Cut(r.Target, "://"); ok && !strings.HasPrefix(r.Target, "/") {
		i := strings.IndexAny(after, "/?")
		if i < 0 {
			i = len(after)
		}
		r.Header.Set("Host", after[:i])
		r.Target = after[i:]
		if !strings.HasPrefix(r.Target, "/") {
			r.Target = "/" + r.Target
		}
	}
	if !strings.HasPrefix(r.Target, "/") {
		return errNoRequest
	}
	return nil
}

// bodyOf returns the body at the beginning of what follows the headers: as long
// as they say if so much is there, else without the line feed at the end.
func (r *Request) bodyOf(rest []byte) []byte {
	if n, ok := r.contentLength(); ok && n <= len(rest) && len(bytes.TrimSpace(rest[n:])) == 0 {
		return rest[:n]
	}
	return bytes.TrimRight(rest, "\r\n")
}

// contentLength is how long the body was when it was sent.
func (r *Request) contentLength() (n int, ok bool) {
	n, err := strconv.Atoi(r.Header.Get("Content-Length"))
	return n, err == nil && n >= 0
}

// line cuts the first line off text.
func line(text []byte) (first string, rest []byte) {
	before, rest, _ := bytes.Cut(text, []byte("\n"))
	return string(bytes.TrimSuffix(before, []byte("\r"))), rest
}

// isToken reports whether s is a token (RFC 9110, section 5.6.2), as methods and
// the names of headers are.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r > '~' || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}
