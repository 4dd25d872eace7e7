package callback_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"ringpost/relay/callback"
)

// raw writes a request as it is on the wire, with that end of line.
func raw(r *callback.Request, eol string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1%s", r.Method, r.Target, eol)
	if r.ContentType != "" {
		fmt.Fprintf(&b, "Content-Type: %s%s", r.ContentType, eol)
	}
	for name, values := range r.Header {
		for _, v := range values {
			fmt.Fprintf(&b, "%s: %s%s", strings.ToLower(name), v, eol)
		}
	}
	fmt.Fprintf(&b, "Content-Length: %d%s%s%s", len(r.Body), eol, eol, r.Body)
	return b.String()
}

func TestReadRawTakesARequestAsPeopleCopyIt(t *testing.T) {
	const head = "POST /callbacks/recording?agent=alice HTTP/1.1\r\nHost: hooks.example.com\r\nContent-Type: application/json\r\n"
	for name, test := range map[string]struct{ text, target, host, body string }{
		"as it was":               {head + "Content-Length: 7\r\n\r\n{\"a\":1}", "/callbacks/recording?agent=alice", "hooks.example.com", `{"a":1}`},
		"line feeds alone":        {strings.ReplaceAll(head, "\r", "") + "\n{\"a\":1}\n", "/callbacks/recording?agent=alice", "hooks.example.com", `{"a":1}`},
		"an editor's line feed":   {head + "Content-Length: 7\r\n\r\n{\"a\":1}\n", "/callbacks/recording?agent=alice", "hooks.example.com", `{"a":1}`},
		"a line feed that counts": {head + "Content-Length: 8\r\n\r\n{\"a\":1}\n\n", "/callbacks/recording?agent=alice", "hooks.example.com", "{\"a\":1}\n"},
		"cut off":                 {head + "Content-Length: 70\r\n\r\n{\"a\":1}", "/callbacks/recording?agent=alice", "hooks.example.com", `{"a":1}`},
		"longer than it says":     {head + "Content-Length: 3\r\n\r\n{\"a\":1}", "/callbacks/recording?agent=alice", "hooks.example.com", `{"a":1}`},
		"a strange length":        {head + "Content-Length: -x\r\n\r\n{\"a\":1}", "/callbacks/recording?agent=alice", "hooks.example.com", `{"a":1}`},
		"no body, no empty line":  {strings.TrimRight(head, "\r\n"), "/callbacks/recording?agent=alice", "hooks.example.com", ""},
		"a whole address":         {"\ufeff\n\nPOST https://a.example:8443?x=1 HTTP/2\n\n", "/?x=1", "a.example:8443", ""},
		"no version":              {"GET /x\nhost:b.example\n", "/x", "b.example", ""},
		"a folded header":         {"GET /x HTTP/1.0\nhost: b.example\nx-long: one\n  two\n\tthree\n\nbody", "/x", "b.example", "body"},
	} {
		r, err := callback.ReadRaw(strings.NewReader(test.text))
		if err != nil || r.Target != test.target || r.Header.Get("Host") != test.host || string(r.Body) != test.body {
			t.Errorf("%s: ReadRaw = %+v, %v\nwant target %q, host %q and body %q", name, r, err, test.target, test.host, test.body)
		} else if name == "a folded header" && r.Header.Get("X-Long") != "one two three" {
			t.Errorf("%s: ReadRaw: got %q, want its lines joined", name, r.Header.Get("X-Long"))
		}
	}
}

func TestReadRawRefusesWhatIsNoRequestAndWhatIsTooLong(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"nothing":            {"", "not a raw HTTP request: want a first line such as POST /callbacks/recording HTTP/1.1"},
		"a form":             {"AccountSid=b3877c40", "not a raw HTTP request"},
		"words":              {"what is this file ?", "not a raw HTTP request"},
		"no path":            {"GET x HTTP/1.1\n\n", "not a raw HTTP request"},
		"a bad method":       {"G@T /x HTTP/1.1\n\n", "not a raw HTTP request"},
		"a bad header":       {"GET /x HTTP/1.1\nhost\n\n", "not a raw HTTP request"},
		"a folded request":   {"GET /x HTTP/1.1\n host: x\n\n", "not a raw HTTP request"},
		"too many headers":   {"GET /x HTTP/1.1\n" + strings.Repeat("a: b\n", 201), "more than 200 headers"},
		"far too much of it": {"GET /x HTTP/1.1\n\n" + strings.Repeat("a", 128<<10), "longer than 128 KiB"},
	} {
		if r, err := callback.ReadRaw(strings.NewReader(test.text)); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: ReadRaw = %+v, %v; want an error that begins with %q", name, r, err, test.want)
		}
	}
}

func TestReadRawReadsEveryVectorBack(t *testing.T) {
	for _, v := range vectors(t) {
		want := v.request(t)
		for _, eol := range []string{"\n", "\r\n"} {
			got, err := callback.ReadRaw(strings.NewReader(raw(want, eol)))
			if err != nil || got.Method != want.Method || got.Target != want.Target || got.ContentType != want.ContentType ||
				string(got.Body) != string(want.Body) || got.Header.Get(v.Header) != v.Signature {
				t.Errorf("%s: ReadRaw = %+v, %v; want %+v", v.Name, got, err, want)
			}
		}
	}
}

// FuzzReadRaw reads whatever people paste: what is read is bounded, is a request,
// and is read the same once it is written as it should be.
func FuzzReadRaw(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(raw(v.request(f), "\r\n"))
	}
	f.Add("POST https://a.example?x HTTP/1.1\nA: b\n c\n\nbody\n")
	f.Add("GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n\r\n")
	f.Add("\ufeff\n\nGET /x\nContent-Length: 1\n\n \n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := callback.ReadRaw(strings.NewReader(text))
		if err != nil {
			return
		}
		if r.Method == "" || !strings.HasPrefix(r.Target, "/") || len(r.Body) > len(text) || len(r.Header) > 201 {
			t.Fatalf("ReadRaw(%q) = %+v, which is no request", text, r)
		}
		for name := range r.Header {
			if http.CanonicalHeaderKey(name) != name || len(r.Header[name]) == 0 {
				t.Errorf("ReadRaw(%q): header %q is not in canonical form", text, name)
			}
		}
		r.Header.Del("Content-Length")
		r.Header.Del("Content-Type")
		if strings.ContainsAny(r.ContentType, "\r\n") || strings.ContainsAny(fmt.Sprint(r.Header), "\r\n") {
			return // a bare CR, which cannot be written again
		}
		again, err := callback.ReadRaw(strings.NewReader(raw(r, "\r\n")))
		if err != nil || again.Method != r.Method || again.Target != r.Target || !slices.Equal(again.Body, r.Body) {
			t.Errorf("ReadRaw(%q): got %+v, and once it is written again %+v, %v", text, r, again, err)
		}
	})
}
