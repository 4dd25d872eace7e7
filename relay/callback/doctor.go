package callback

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxHashed bounds, in bytes, what one diagnosis hashes: some tenths of a second.
const maxHashed = 64 << 20

// Receiver is who receives callbacks: what their signatures are checked with.
type Receiver struct {
	PublicURL string
	Keys      []string // any of them verifies
	Token     string   // of the REST API, which verifies nothing; may be empty
}

// Diagnosis says what the signature of a request is worth. It holds no signature
// and no key.
type Diagnosis struct {
	Verifies bool     `json:"verifies"`
	URL      string   `json:"url"`      // the spelling of the address that verifies; else the one that was checked
	Scheme   string   `json:"scheme"`   // how it was signed; empty where that is not known
	Key      int      `json:"key"`      // the position of the key that verifies, from 1; 0 where none does
	Findings []string `json:"findings"` // what is wrong and what to change, a sentence each
}

// Diagnose says by which spelling of the address, which scheme and which key a
// request verifies or, where it does not, which single change would let it. It
// tries the signature that the request has, and never shows one that it makes.
// r need not be decoded.
func Diagnose(r *Request, to Receiver) Diagnosis {
	d := doctor{receiver: to, left: maxHashed, states: make(map[stateOf]*state)}
	d.URL = bases(to.PublicURL)[0] + r.Target
	d.Findings = []string{}
	copied := *r
	r = &copied
	readable, known := d.decode(r)
	if !readable {
		return d.Diagnosis
	}
	m, ok := d.verify(&guess{request: *r, publicURL: to.PublicURL, keys: to.Keys})
	switch {
	case ok && known:
		d.Verifies, d.URL, d.Scheme, d.Key = true, m.base+m.target, m.scheme, m.key
		d.refusedAllTheSame(r)
	case ok:
		d.find("with that changed, the signature verifies")
	default:
		d.look(r)
		d.tryGuesses(r)
	}
	return d.Diagnosis
}

// doctor is one diagnosis under way.
type doctor struct {
	Diagnosis
	receiver Receiver
	left     int // of maxHashed
	states   map[stateOf]*state
}

// stateOf names the state of a key and hash.
type stateOf struct {
	key  string
	size int // of the hash
}

func (d *doctor) find(format string, args ...any) {
	d.Findings = append(d.Findings, fmt.Sprintf(format, args...))
}

// decode decodes the request, as a form or as JSON where it does not say which.
// It reports whether it can be read, and whether Verify could read it.
func (d *doctor) decode(r *Request) (readable, known bool) {
	known = r.Method == http.MethodGet || r.Method == http.MethodPost
	if !known {
		d.find("the method is %s: callbacks come by POST or GET, and any other is answered with 405", r.Method)
	}
	err := r.Decode()
	if errors.Is(err, ErrMediaType) {
		known = false
		d.find("the content type is %q: a form's is application/x-www-form-urlencoded and JSON's application/json, "+
			"and any other is answered with 415", r.ContentType)
		r.ContentType = typeForm
		if bytes.HasPrefix(bytes.TrimSpace(r.Body), []byte("{")) {
			r.ContentType = typeJSON
		}
		err = r.Decode()
	}
	if err != nil {
		d.find("the request cannot be read, and is answered with 400: %v", err)
	}
	return err == nil, known
}

// look finds what is wrong with the request, or with the keys, by itself.
func (d *doctor) look(r *Request) {
	if n, ok := r.contentLength(); ok && n != len(r.Body) {
		d.find("the body has %d bytes and Content-Length says %d: it was cut off or changed, perhaps when it was copied", len(r.Body), n)
	}
	signature, sha256Signature := r.signatures()
	_, digested := r.bodyDigest()
	switch {
	case signature == "" && sha256Signature == "":
		d.find("there is no signature: a proxy took the header X-SignalWire-Signature or X-Twilio-Signature away, " +
			"or neither SignalWire nor Twilio sent this")
	case !isSignature(signature) && !isSignature(sha256Signature):
		d.find("the signature has not the form of one: it was cut off or changed on its way")
	case r.format == formatJSON && digested && !r.digestInQuery():
		d.find("the body is not the one whose digest the address has as bodySHA256: it was changed on its way")
	}
	if len(d.receiver.Keys) == 0 {
		d.find("[signalwire] signing_keys is empty: put the project's Signing Key (PSK_…) there, or Twilio's auth token")
	}
	for i, key := range d.receiver.Keys {
		if key != "" && key == d.receiver.Token || strings.HasPrefix(key, "PT") {
			d.find("key %d of signing_keys looks like the API token, which signs nothing at SignalWire: "+
				"its Signing Key begins with PSK_", i+1)
		}
	}
}

// isSignature reports whether s may be one: base64 or hexadecimal of a hash.
func isSignature(s string) bool {
	b, err := exactBase64.DecodeString(s)
	if h, hexErr := hex.DecodeString(s); hexErr == nil {
		b, err = h, nil
	}
	return err == nil && (len(b) == sha1.Size || len(b) == sha256.Size)
}

// refusedAllTheSame finds why a request whose signature verifies is refused.
func (d *doctor) refusedAllTheSame(r *Request) {
	path, _, _ := strings.Cut(r.Target, "?")
	if path != Path && path != ReceiptPath {
		d.find("the signature verifies, and yet the answer is 404: callbacks are received at %s", Path)
	}
	var err error
	if path == ReceiptPath {
		_, err = r.ParseReceipt()
	} else {
		_, err = r.Parse("example.signalwire.com", time.Time{})
	}
	if err != nil {
		d.find("the signature verifies, and yet the answer is 400: %v", err)
	}
}

// tryGuesses finds the changes that let the request verify, one of each sort.
func (d *doctor) tryGuesses(r *Request) {
	for _, guesses := range []func(*Request) []guess{
		d.otherAddresses, d.otherKeys, d.otherTargets, d.otherSignatures, d.otherBodies, d.otherPorts,
	} {
		for _, g := range guesses(r) {
			m, ok := d.verify(&g)
			if !ok {
				continue
			}
			if text := g.finding(m); !slices.Contains(d.Findings, text) {
				d.find("%s", text)
			}
			break
		}
	}
	switch {
	case d.left < 0:
		d.find("not all that is usually wrong was tried: the request is too large for that")
	case len(d.Findings) == 0:
		d.find("no single change that was tried lets it verify: the key is another project's, or the body or the address " +
			"is not what was signed; compare the address above with the one that SignalWire was given, letter by letter")
	}
}

// guess is a request as it may have been signed.
type guess struct {
	request   Request // decoded
	publicURL string
	keys      []string

	// finding says what to change where the guess is right.
	finding func(match) string
}

// match is how a guess verifies.
type match struct {
	base, target string
	scheme       string
	key          int // from 1
}

// verify reports whether a guess is right.
func (d *doctor) verify(g *guess) (m match, ok bool) {
	all := bases(g.publicURL)
	for _, s := range g.request.schemes() {
		spellings := all
		if !s.ports {
			spellings = all[:1]
		}
		for _, base := range spellings {
			for i, key := range g.keys {
				if key != "" && d.holds(&s, key, base, g.request.Target) {
					return match{base, g.request.Target, s.name, i + 1}, true
				}
			}
		}
	}
	return match{}, false
}

// holds reports whether the signature is that of key, unless too much was hashed
// already.
func (d *doctor) holds(s *scheme, key, base, target string) bool {
	d.left -= len(base) + len(target) + len(s.body) + s.size()
	if d.left < 0 {
		return false
	}
	of := stateOf{key, len(s.want)}
	if d.states[of] == nil {
		d.states[of] = newState(s.hash, key)
	}
	return hmac.Equal(d.states[of].sum(base, target, s.fields, s.body), s.want)
}

// scheme is one way in which a request may be signed, and the signature that it
// has by it.
type scheme struct {
	name   string
	hash   func() hash.Hash
	want   []byte
	fields []param
	body   []byte
	ports  bool // senders spell the address with and without port
}

func (s *scheme) size() (n int) {
	for _, f := range s.fields {
		n += len(f.name) + len(f.value)
	}
	return n
}

// schemes returns the ways in which the request's signatures may be made: those
// that Verify accepts.
func (r *Request) schemes() (all []scheme) {
	signature, sha256Signature := r.signatures()
	form, err := exactBase64.DecodeString(signature)
	isForm := err == nil && len(form) == sha1.Size
	if r.format == formatJSON {
		if want, err := hex.DecodeString(sha256Signature); err == nil && len(want) == sha256.Size {
			all = append(all, scheme{name: "JSON, SHA-256", hash: sha256.New, want: want, body: r.Body})
		}
		if want, err := hex.DecodeString(signature); err == nil && len(want) == sha1.Size {
			all = append(all, scheme{name: "JSON", hash: sha1.New, want: want, body: r.Body})
		}
		if isForm && r.digestInQuery() {
			all = append(all, scheme{name: "JSON, bodySHA256", hash: sha1.New, want: form, ports: true})
		}
		return all
	}
	if !isForm {
		return nil
	}
	if r.format == formatQuery {
		return []scheme{{name: "GET", hash: sha1.New, want: form, ports: true}}
	}
	all = append(all, scheme{name: "form", hash: sha1.New, want: form, fields: sortByName(r.params), ports: true})
	if unique, repeated := sortUnique(r.params); repeated {
		all = append(all, scheme{name: "form, repeated names once", hash: sha1.New, want: form, fields: unique, ports: true})
	}
	return all
}
