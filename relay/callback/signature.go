package callback

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// The headers that carry a signature, in canonical form.
const (
	headerSignalWire = "X-Signalwire-Signature"
	headerTwilio     = "X-Twilio-Signature"
	headerSHA256     = "X-Signalwire-Sha256-Signature"
)

// SignatureError means that no key verifies a request.
type SignatureError struct {
	Missing bool   // there was no signature at all
	URL     string // what it was checked against
}

func (e *SignatureError) Error() string {
	if e.Missing {
		return "signature missing"
	}
	return "signature does not verify"
}

// Verifier checks signatures. Its methods may be called at once.
//
// The form scheme is Twilio's (https://www.twilio.com/docs/usage/security),
// which SignalWire's compatibility API took over; the JSON ones are
// SignalWire's, and Twilio's bodySHA256. How ports and repeated names are signed
// is documented nowhere, so every way that their own libraries sign is accepted.
type Verifier struct {
	bases []string // the public URL as configured, without port, with the scheme's own
	keys  []key
}

// key is a signing key with its hash states, which are dear to make.
type key struct{ sha1, sha256 *sync.Pool }

// state is a keyed hash, and room for what goes through it and comes out.
type state struct {
	mac    hash.Hash
	signed []byte
	code   [sha256.Size]byte
}

func newState(h func() hash.Hash, key string) *state {
	return &state{mac: hmac.New(h, []byte(key))}
}

// NewVerifier returns a verifier for requests to publicURL, which are signed
// with any of keys. An empty key is none: anyone could sign with it.
func NewVerifier(publicURL string, keys []string) *Verifier {
	v := &Verifier{bases: bases(publicURL)}
	for _, k := range keys {
		if k == "" {
			continue
		}
		v.keys = append(v.keys, key{
			sha1:   &sync.Pool{New: func() any { return newState(sha1.New, k) }},
			sha256: &sync.Pool{New: func() any { return newState(sha256.New, k) }},
		})
	}
	return v
}

// bases returns the spellings of a URL that senders sign: as it is, without a
// port, and with the scheme's own port.
func bases(publicURL string) []string {
	publicURL = strings.TrimSuffix(publicURL, "/")
	all := []string{publicURL}
	u, err := url.Parse(publicURL)
	if err != nil || u.Host == "" {
		return all
	}
	host := u.Hostname()
	port := "443"
	if u.Scheme == "http" {
		port = "80"
	}
	bare := host
	if strings.Contains(host, ":") {
		bare = "[" + host + "]"
	}
	for _, h := range []string{bare, net.JoinHostPort(host, port)} {
		v := *u
		v.Host = h
		if s := v.String(); !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// Verify returns nil where a decoded request carries a signature by one of the
// keys over the public URL, and a [*SignatureError] otherwise.
func (v *Verifier) Verify(r *Request) error {
	signature, sha256Signature := r.signatures()
	if signature == "" && sha256Signature == "" {
		return &SignatureError{Missing: true, URL: v.bases[0] + r.Target}
	}
	if r.format == formatJSON {
		if v.verifyJSON(r, signature, sha256Signature) {
			return nil
		}
	} else if v.verifyForm(r, signature) {
		return nil
	}
	return &SignatureError{URL: v.bases[0] + r.Target}
}

func (r *Request) signatures() (signature, sha256Signature string) {
	signature = r.Header.Get(headerSignalWire)
	if signature == "" {
		signature = r.Header.Get(headerTwilio)
	}
	if r.format == formatJSON {
		sha256Signature = r.Header.Get(headerSHA256)
	}
	return signature, sha256Signature
}

// exactBase64 refuses what only decodes to the same bytes.
var exactBase64 = base64.StdEncoding.Strict()

// verifyForm checks base64(HMAC-SHA1(key, URL + for each form field, sorted by
// name: name + value)). The fields of a GET are in its URL.
func (v *Verifier) verifyForm(r *Request, signature string) bool {
	want, err := exactBase64.DecodeString(signature)
	if err != nil || len(want) != sha1.Size {
		return false
	}
	var fields []param
	if r.format == formatForm {
		fields = r.params
	}
	if v.verifyFields(r.Target, sortByName(fields), want) {
		return true
	}
	unique, repeated := sortUnique(fields)
	return repeated && v.verifyFields(r.Target, unique, want)
}

// verifyFields checks the form scheme over fields as they are ordered.
func (v *Verifier) verifyFields(target string, fields []param, want []byte) bool {
	for _, base := range v.bases {
		for _, k := range v.keys {
			if k.verify(k.sha1, want, base, target, fields, nil) {
				return true
			}
		}
	}
	return false
}

// verifyJSON checks hex(HMAC(key, URL + body)), or Twilio's way: the form
// scheme over the URL, whose query holds the body's digest.
func (v *Verifier) verifyJSON(r *Request, signature, sha256Signature string) bool {
	if want, err := hex.DecodeString(sha256Signature); err == nil && len(want) == sha256.Size {
		for _, k := range v.keys {
			if k.verify(k.sha256, want, v.bases[0], r.Target, nil, r.Body) {
				return true
			}
		}
	}
	if want, err := hex.DecodeString(signature); err == nil && len(want) == sha1.Size {
		for _, k := range v.keys {
			if k.verify(k.sha1, want, v.bases[0], r.Target, nil, r.Body) {
				return true
			}
		}
	}
	return r.digestInQuery() && v.verifyForm(r, signature)
}

// digestInQuery reports whether the query's bodySHA256 is the body's digest.
func (r *Request) digestInQuery() bool {
	text, _ := r.bodyDigest()
	digest, err := hex.DecodeString(text)
	sum := sha256.Sum256(r.Body)
	return err == nil && subtle.ConstantTimeCompare(digest, sum[:]) == 1
}

// bodyDigest returns the query's bodySHA256, and whether it has one.
func (r *Request) bodyDigest() (text string, ok bool) {
	for _, p := range r.query {
		if p.name == "bodySHA256" {
			return p.value, true
		}
	}
	return "", false
}

// verify compares want with the code of what is signed, in constant time.
func (k key) verify(states *sync.Pool, want []byte, base, target string, fields []param, body []byte) bool {
	s := states.Get().(*state)
	defer states.Put(s)
	return hmac.Equal(s.sum(base, target, fields, body), want)
}

// sum returns the code of what is signed. It is valid until the next call.
func (s *state) sum(base, target string, fields []param, body []byte) []byte {
	s.signed = append(append(s.signed[:0], base...), target...)
	for _, f := range fields {
		s.signed = append(append(s.signed, f.name...), f.value...)
	}
	s.signed = append(s.signed, body...)
	s.mac.Reset()
	_, _ = s.mac.Write(s.signed) // a hash does not fail
	return s.mac.Sum(s.code[:0])
}

// sortByName orders fields by the bytes of their names. Repeated ones stay in
// wire order, as SignalWire signs them.
func sortByName(fields []param) []param {
	byName := func(a, b param) int { return strings.Compare(a.name, b.name) }
	if slices.IsSortedFunc(fields, byName) {
		return fields
	}
	sorted := slices.Clone(fields)
	slices.SortStableFunc(sorted, byName)
	return sorted
}

// sortUnique orders fields by name and value and drops what is given twice, as
// Twilio signs them, and reports whether a name is repeated at all.
func sortUnique(fields []param) (sorted []param, repeated bool) {
	sorted = slices.Clone(fields)
	slices.SortFunc(sorted, func(a, b param) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	for i := 1; i < len(sorted); i++ {
		repeated = repeated || sorted[i].name == sorted[i-1].name
	}
	return slices.Compact(sorted), repeated
}

// Sign returns the header and the signature that a sender with that key gives a
// form POST of body to fullURL.
func Sign(key, fullURL, body string) (header, signature string, err error) {
	fields, err := decodeForm(body)
	if err != nil {
		return "", "", &FieldError{"body", err.Error()}
	}
	sum := newState(sha1.New, key).sum(fullURL, "", sortByName(fields), nil)
	return headerSignalWire, base64.StdEncoding.EncodeToString(sum), nil
}
