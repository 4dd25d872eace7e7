package callback

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

const (
	// maxParams bounds the parameters of a body, and of a query, before
	// anything is done with them.
	maxParams = 128
	// maxTarget bounds the path and query; the body is for the reader to bound.
	maxTarget = 16 << 10
)

// The content types of a callback's body.
const (
	typeForm = "application/x-www-form-urlencoded"
	typeJSON = "application/json"
)

// ErrMediaType means that the body is neither a form nor JSON.
var ErrMediaType = errors.New("want " + typeForm + " or " + typeJSON)

// Request is a callback as it came in.
type Request struct {
	Method      string // GET or POST
	Target      string // the raw request target, byte for byte: path and query
	ContentType string
	Header      http.Header // for the signatures
	Body        []byte

	format format
	params []param // of the body, or of a GET's query, in wire order
	query  []param
}

type format int

const (
	formatQuery format = iota // a GET
	formatForm
	formatJSON
)

type param struct{ name, value string }

// Decode reads the parameters of the request, once, for Verify and Parse. It
// returns [ErrMediaType], or a [*FieldError] where they cannot be read.
func (r *Request) Decode() error {
	if len(r.Target) > maxTarget {
		return &FieldError{"query", fmt.Sprintf("longer than %d bytes", maxTarget)}
	}
	var err error
	_, query, _ := strings.Cut(r.Target, "?")
	if r.query, err = decodeForm(query); err != nil {
		return &FieldError{"query", err.Error()}
	}
	if r.Method == http.MethodGet {
		r.format, r.params = formatQuery, r.query
		return nil
	}
	mediaType := r.ContentType
	if mediaType != typeForm {
		if mediaType, _, err = mime.ParseMediaType(r.ContentType); err != nil {
			return ErrMediaType
		}
	}
	switch mediaType {
	case typeForm:
		r.format = formatForm
		r.params, err = decodeForm(string(r.Body))
	case typeJSON:
		r.format = formatJSON
		r.params, err = decodeJSON(r.Body)
	default:
		return ErrMediaType
	}
	if err != nil {
		return &FieldError{"body", err.Error()}
	}
	return nil
}

// decodeForm decodes application/x-www-form-urlencoded, keeping the order.
func decodeForm(s string) ([]param, error) {
	if s == "" {
		return nil, nil
	}
	n := strings.Count(s, "&") + 1
	if n > maxParams {
		return nil, fmt.Errorf("more than %d parameters", maxParams)
	}
	params := make([]param, 0, n)
	for pair := range strings.SplitSeq(s, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		var err error
		if name, err = url.QueryUnescape(name); err != nil {
			return nil, errors.New("bad percent-encoding")
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, errors.New("bad percent-encoding")
		}
		params = append(params, param{name, value})
	}
	return params, nil
}

// decodeJSON decodes an object. Numbers and booleans keep their spelling, null
// is empty, and what is nested stays JSON.
func decodeJSON(body []byte) ([]param, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("want a JSON object")
	}
	var params []param
	for d.More() {
		if len(params) == maxParams {
			return nil, fmt.Errorf("more than %d parameters", maxParams)
		}
		name, err := d.Token()
		if err != nil {
			return nil, errors.New("not valid JSON")
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errors.New("not valid JSON")
		}
		text, err := textOf(value)
		if err != nil {
			return nil, errors.New("not valid JSON")
		}
		params = append(params, param{name.(string), text})
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("not valid JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the JSON object")
	}
	return params, nil
}

// textOf returns a JSON value as the form would have carried it.
func textOf(value json.RawMessage) (string, error) {
	switch value[0] {
	case '"':
		var s string
		err := json.Unmarshal(value, &s)
		return s, err
	case '{', '[':
		var b bytes.Buffer
		err := json.Compact(&b, value)
		return b.String(), err
	case 'n':
		return "", nil
	}
	return string(value), nil
}
