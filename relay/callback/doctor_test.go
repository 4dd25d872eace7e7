package callback_test

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
)

// receiver is who the requests of these tests are for.
func receiver(keys ...string) callback.Receiver {
	if keys == nil {
		keys = []string{"PSK_old", signKey}
	}
	return callback.Receiver{PublicURL: publicURL, Keys: keys, Token: "PTtoken"}
}

func TestDiagnoseAgreesWithVerifyAboutEveryVector(t *testing.T) {
	schemes := map[string]string{
		"form-sha1-base64": "form", "json-sha1-hex": "JSON", "json-sha256-hex": "JSON, SHA-256",
		"form-sha1-base64+bodySHA256": "JSON, bodySHA256",
	}
	for _, v := range vectors(t) {
		d := callback.Diagnose(v.request(t), callback.Receiver{PublicURL: v.base(t), Keys: []string{"other", v.Key}})
		if d.Verifies != v.Valid {
			t.Errorf("%s: Diagnose = %+v, want verifies %t", v.Name, d, v.Valid)
			continue
		}
		if !v.Valid {
			if len(d.Findings) == 0 || d.Key != 0 || d.Scheme != "" {
				t.Errorf("%s: Diagnose = %+v, want findings, no key and no scheme", v.Name, d)
			}
			continue
		}
		want := schemes[v.Scheme]
		if v.Method == http.MethodGet {
			want = "GET"
		}
		if d.Key != 2 || d.URL != v.SignedURL || d.Scheme != want && d.Scheme != want+", repeated names once" {
			t.Errorf("%s: Diagnose = %+v, want key 2, scheme %s and URL %s", v.Name, d, want, v.SignedURL)
		}
	}
}

// signedFor is a form that was signed by key for an address and fields, and
// arrives as target with body.
func signedFor(t testing.TB, key, address, fields, target, body string) *callback.Request {
	t.Helper()
	header, signature, err := callback.Sign(key, address, fields)
	if err != nil {
		t.Fatal(err)
	}
	return post(target, formType, body, header, signature)
}

func TestDiagnoseNamesTheSingleChangeThatWouldDo(t *testing.T) {
	const path = callback.Path
	form := func(address, target string) func(testing.TB) *callback.Request {
		return func(t testing.TB) *callback.Request {
			return signedFor(t, signKey, address, formBody, target, formBody)
		}
	}
	with := func(r func(testing.TB) *callback.Request, header, value string) func(testing.TB) *callback.Request {
		return func(t testing.TB) *callback.Request {
			changed := r(t)
			changed.Header.Set(header, value)
			return changed
		}
	}
	fields := func(signed, sent string) func(testing.TB) *callback.Request {
		return func(t testing.TB) *callback.Request {
			return signedFor(t, signKey, publicURL+target, signed, target, sent)
		}
	}
	byKey := func(key string) func(testing.TB) *callback.Request {
		return func(t testing.TB) *callback.Request {
			return signedFor(t, key, publicURL+target, formBody, target, formBody)
		}
	}
	withSignature := func(change func(r *callback.Request, signature string)) func(testing.TB) *callback.Request {
		return func(t testing.TB) *callback.Request {
			r := signed(t, target, formBody)
			change(r, r.Header.Get("X-SignalWire-Signature"))
			return r
		}
	}
	jsonSigned := func(text, body string) func(testing.TB) *callback.Request {
		return func(testing.TB) *callback.Request {
			return post(target, jsonType, body, "X-SignalWire-Signature", hex.EncodeToString(code(sha1.New, text)))
		}
	}
	digest := sha256.Sum256([]byte(jsonBody))
	digested := target + "&bodySHA256=" + hex.EncodeToString(digest[:])

	for name, test := range map[string]struct {
		request func(testing.TB) *callback.Request
		keys    []string
		want    string
	}{
		// The address.
		"http in place of https": {form("http://hooks.example.com"+path, path), nil, `set [server] public_url = "http://hooks.example.com"`},
		"another port":           {form("https://hooks.example.com:8443"+path, path), nil, `public_url = "https://hooks.example.com:8443"`},
		"a proxy's port":         {with(form("https://hooks.example.com:12345"+path, path), "X-Forwarded-Port", "12345"), nil, `public_url = "https://hooks.example.com:12345"`},
		"the host it arrived at": {with(form("https://pbx.example.org"+path, path), "Host", "pbx.example.org"), nil, `public_url = "https://pbx.example.org"`},
		"the host and scheme of a tunnel": {with(form("http://x7.tunnel.example:8080"+path, path), "X-Forwarded-Host", "a.example, x7.tunnel.example:8080"), nil,
			`public_url = "http://x7.tunnel.example:8080"`},
		"the host of Forwarded": {with(form("https://b.example"+path, path), "Forwarded", `for=1.2.3.4;proto=https;host="b.example"`), nil, `public_url = "https://b.example"`},
		"with www":              {form("https://www.hooks.example.com"+path, path), nil, `public_url = "https://www.hooks.example.com"`},
		"a prefix":              {with(form("https://hooks.example.com/ringpost"+path, path), "X-Forwarded-Prefix", "/ringpost"), nil, `public_url = "https://hooks.example.com/ringpost"`},
		"a slash at the end":    {form(publicURL+path+"/?a=1", path+"?a=1"), nil, "it was signed with a slash at the end of the path"},
		"no slash at the end":   {form(publicURL+path, path+"/"), nil, "it was signed without the slash at the end of the path"},
		"two slashes":           {form(publicURL+"/"+path, path), nil, "it was signed with two slashes before the path"},
		"a rewritten path":      {with(form(publicURL+"/hooks/sw?x=1", path), "X-Original-Uri", "/hooks/sw?x=1"), nil, "it was signed for the path and query that the header X-Original-Uri has"},
		"no query":              {form(publicURL+path, target), nil, "it was signed without the query"},
		"a query decoded":       {form(publicURL+path+"?name=a%20b%2Fc", path+"?name=a b/c"), nil, "it was signed with the query encoded otherwise"},
		"a query encoded":       {form(publicURL+path+"?name=a/b", path+"?name=a%2Fb"), nil, "it was signed with the query encoded otherwise"},
		"a query in lower case": {form(publicURL+path+"?name=a%2fb", path+"?name=a%2Fb"), nil, "it was signed with the query encoded otherwise"},
		"a query with +":        {form(publicURL+path+"?name=a+b", path+"?name=a%20b"), nil, "it was signed with the query encoded otherwise"},
		"a query escaped for XML twice": {form(publicURL+path+"?a=1&amp;b=2", path+"?a=1&b=2"), nil,
			"it was signed with the query encoded otherwise"},
		"a query in another order": {form(publicURL+path+"?a=1&b=2", path+"?b=2&a=1"), nil, "it was signed with the query in another order"},
		"a parameter added":        {form(publicURL+path+"?agent=alice", path+"?agent=alice&utm=x"), nil, `it was signed without "utm" in the query`},

		// The keys.
		"white space around a key": {byKey("PSK_a"), []string{signKey + "x", "PSK_a\n"}, "key 2 of signing_keys verifies it without the white space around it"},
		"quotes around a key":      {byKey("PSK_a"), []string{`"PSK_a"`}, "key 1 of signing_keys verifies it without the quotes around it"},
		"a sender's line feed":     {byKey("PSK_a\n"), []string{"PSK_a"}, "key 1 of signing_keys verifies it with white space at its end"},
		"half a key":               {byKey("PSK_a"), []string{"a"}, "key 1 of signing_keys verifies it with PSK_ before it"},
		"the API token":            {byKey("PTtoken"), nil, "[signalwire] token verifies it: put that into signing_keys too"},
		"the API token for a key":  {byKey("PSK_a"), []string{"PTtoken"}, "key 1 of signing_keys looks like the API token"},
		"no keys":                  {byKey("PSK_a"), []string{}, "[signalwire] signing_keys is empty"},

		// The signature.
		"no signature":   {withSignature(func(r *callback.Request, _ string) { r.Header = http.Header{} }), nil, "there is no signature"},
		"another header": {withSignature(func(r *callback.Request, s string) { r.Header = http.Header{"X-Hub-Signature": {s}} }), nil, "the header X-Hub-Signature has the signature"},
		"the other header": {withSignature(func(r *callback.Request, s string) {
			r.Header.Set("X-Twilio-Signature", s)
			r.Header.Set("X-SignalWire-Signature", codeBase64("x"))
		}), nil, "X-Twilio-Signature verifies; X-SignalWire-Signature, which comes first, does not"},
		"hexadecimal": {withSignature(func(r *callback.Request, s string) {
			b, _ := base64.StdEncoding.DecodeString(s)
			r.Header.Set("X-SignalWire-Signature", hex.EncodeToString(b))
		}), nil, "the signature verifies once it is written as it was"},
		"an encoded signature": {withSignature(func(r *callback.Request, s string) { r.Header.Set("X-SignalWire-Signature", url.QueryEscape(s)) }), nil, "the signature verifies once it is written as it was"},
		"half a signature":     {withSignature(func(r *callback.Request, s string) { r.Header.Set("X-SignalWire-Signature", s[:9]) }), nil, "the signature has not the form of one"},

		// The body.
		"over the address alone": {fields("", formBody), nil, "it was signed over the address alone and not over the body, which anybody could change: that is refused"},
		"a field added":          {fields(formBody, formBody+"&To=x"), nil, `it was signed without the field "To"`},
		"a plus":                 {fields("From=%2B15550100001&Name=a+b", "From=+15550100001&Name=a+b"), nil, "it was signed with a + where the form now has a space"},
		"all plus":               {fields("From=%2B15550100001&To=a%2Bb", "From=+15550100001&To=a+b"), nil, "it was signed with a + where the form now has a space"},
		"%20":                    {fields("Name=a%2520b", "Name=a%20b"), nil, "it was signed over the fields as they are encoded"},
		"encoded twice":          {fields("Name=a%26b", "Name=a%2526b"), nil, "it was signed with values that are encoded once less"},
		"trimmed":                {fields("Name=a", "Name=+a+"), nil, "it was signed without white space around the values"},
		"empty ones dropped":     {fields("A=1", "A=1&B=&C="), nil, "it was signed without the fields that are empty"},
		"line ends":              {fields("T=a%0Ab", "T=a%0D%0Ab"), nil, "it was signed with line ends of LF alone"},
		"Latin-1":                {fields("T=%C3%A9", "T=%E9"), nil, "it was signed in UTF-8, and the body is in Latin-1"},
		"capitals":               {fields("AccountSid=a&CallSid=b", "accountsid=a&callsid=b"), nil, "it was signed with names in other capitals"},
		"the query among them":   {fields(formBody+"&agent=alice", formBody), nil, "it was signed with the query's parameters among the form's"},
		"a line feed":            {fields(formBody, formBody+"\n"), nil, "it was signed with other white space in the body"},
		"cut off": {func(t testing.TB) *callback.Request {
			r := signed(t, target, formBody)
			r.Header.Set("Content-Length", "1000")
			r.Body = r.Body[:200]
			return r
		}, nil, "the body has 200 bytes and Content-Length says 1000"},
		"a form that became a GET": {func(t testing.TB) *callback.Request {
			r := signed(t, callback.Path, formBody)
			r.Method, r.Target, r.Body = http.MethodGet, callback.Path+"?"+formBody, nil
			return r
		}, nil, "it was signed as a form sent by POST"},
		"an unknown type": {func(t testing.TB) *callback.Request {
			r := signed(t, target, formBody)
			r.ContentType = "text/plain"
			return r
		}, nil, "with that changed, the signature verifies"},
		"an unknown method": {func(t testing.TB) *callback.Request {
			r := signed(t, target, formBody)
			r.Method = http.MethodPut
			return r
		}, nil, "the method is PUT: callbacks come by POST or GET"},
		"what cannot be read": {func(t testing.TB) *callback.Request {
			return post(target, formType, "a=%zz", "X-SignalWire-Signature", "x")
		}, nil,
			"the request cannot be read, and is answered with 400: body: bad percent-encoding"},

		// JSON.
		"JSON with http":        {jsonSigned("http://hooks.example.com"+target+jsonBody, jsonBody), nil, `public_url = "http://hooks.example.com"`},
		"JSON of another shape": {jsonSigned(publicURL+target+`{"RecordingSid":"x"}`, `{ "RecordingSid": "x" }`), nil, "it was signed with other white space in the body"},
		"JSON, signed with SHA-256": {func(testing.TB) *callback.Request {
			return post(target, jsonType, jsonBody, "X-SignalWire-Signature", hex.EncodeToString(code(sha256.New, publicURL+target+jsonBody)))
		}, nil, "the signature is an SHA-256 one: want it in X-SignalWire-SHA256-Signature"},
		"JSON that was a form": {func(t testing.TB) *callback.Request {
			header, signature, _ := callback.Sign(signKey, publicURL+target, "RecordingSid=x&RecordingDuration=3")
			return post(target, jsonType, `{"RecordingSid":"x","RecordingDuration":3}`, header, signature)
		}, nil, "it was signed as a form: something made JSON of the body"},
		"JSON over the address alone": {func(testing.TB) *callback.Request {
			return post(target, jsonType, jsonBody, "X-Twilio-Signature", codeBase64(publicURL+target))
		}, nil, "it was signed over the address alone"},
		"a form that was JSON": {func(testing.TB) *callback.Request {
			return post(target, formType, formBody, "X-SignalWire-Signature", hex.EncodeToString(code(sha1.New, publicURL+target+formBody)))
		}, nil, "it was signed over the body as it is, as JSON is"},
		"another body than the digest's": {func(testing.TB) *callback.Request {
			return post(digested, jsonType, jsonBody+" ", "X-Twilio-Signature", codeBase64(publicURL+digested))
		}, nil, "the body is not the one whose digest the address has as bodySHA256"},

		"something else": {byKey("PSK_theirs"), nil, "no single change that was tried lets it verify"},
	} {
		d := callback.Diagnose(test.request(t), receiver(test.keys...))
		all := strings.Join(d.Findings, "\n")
		if d.Verifies || !strings.Contains(all, test.want) {
			t.Errorf("%s: Diagnose = %+v\nwant the finding %q", name, d, test.want)
		}
		if (strings.Contains(test.want, "was signed") || strings.Contains(test.want, "public_url")) && len(d.Findings) > 1 {
			t.Errorf("%s: Diagnose found %q, want one change", name, d.Findings)
		}
	}
}

func TestDiagnoseSaysWhatARequestThatVerifiesIsRefusedFor(t *testing.T) {
	for body, want := range map[string]string{
		formBody: "",
		"RecordingStatus=completed&AccountSid=a&RecordingSid=b": "the answer is 400: RecordingUrl: missing",
	} {
		d := callback.Diagnose(signed(t, target, body), receiver())
		if !d.Verifies || d.Key != 2 || d.URL != publicURL+target || d.Scheme != "form" || strings.Join(d.Findings, "") != "" != (want != "") ||
			!strings.Contains(strings.Join(d.Findings, ""), want) {
			t.Errorf("%s: Diagnose = %+v, want key 2 and the finding %q", body, d, want)
		}
	}
	// Twilio's auth token is both.
	if d := callback.Diagnose(signed(t, target, formBody), callback.Receiver{PublicURL: publicURL, Keys: []string{signKey}, Token: signKey}); !d.Verifies || len(d.Findings) > 0 {
		t.Errorf("a token for a key: Diagnose = %+v, want it verified and nothing found", d)
	}
	d := callback.Diagnose(signed(t, "/elsewhere", formBody), receiver())
	if !d.Verifies || len(d.Findings) != 1 || !strings.Contains(d.Findings[0], "the answer is 404: callbacks are received at /callbacks/recording") {
		t.Errorf("Diagnose = %+v, want it verified, and that nothing is received there", d)
	}
}

// TestNoDiagnosisHoldsASignatureOrAKey makes every signature that could be right
// for a request, and looks for it in what is said of the request.
func TestNoDiagnosisHoldsASignatureOrAKey(t *testing.T) {
	bases := []string{"", "https://hooks.example.com", "http://hooks.example.com", "https://relay.example.org", "https://relay.example.org:443",
		"https://relay.example.org:8443", "http://relay.example.org", "https://mycompany.com"}
	for _, v := range vectors(t) {
		for name, change := range map[string]func(*callback.Request){
			"as it is":        func(*callback.Request) {},
			"no signature":    func(r *callback.Request) { r.Header = http.Header{} },
			"a wrong one":     func(r *callback.Request) { r.Header.Set(v.Header, codeBase64("something")) },
			"another body":    func(r *callback.Request) { r.Body = append(r.Body, '1') },
			"another address": func(r *callback.Request) { r.Target += "/"; r.Header.Set("Host", "hooks.example.com:8443") },
			"another type":    func(r *callback.Request) { r.ContentType = "text/plain" },
		} {
			r := v.request(t)
			change(r)
			for _, base := range bases[1:] {
				d := callback.Diagnose(r, callback.Receiver{PublicURL: base, Keys: []string{v.Key, "PSK_other"}, Token: "PT_token"})
				out, err := json.Marshal(d)
				if err != nil {
					t.Fatal(err)
				}
				for _, secret := range secrets(t, r, v, bases) {
					if strings.Contains(string(out), secret) {
						t.Errorf("%s, %s: Diagnose = %s, which holds %s", v.Name, name, out, secret)
					}
				}
			}
		}
	}
}

// secrets are the keys, and what the request's signature is or could be.
func secrets(t *testing.T, r *callback.Request, v vector, bases []string) []string {
	t.Helper()
	all := []string{v.Key, "PSK_other", "PT_token"}
	if v.Signature != "" {
		all = append(all, v.Signature)
	}
	path, _, _ := strings.Cut(r.Target, "?")
	for _, base := range bases {
		for _, target := range []string{r.Target, path, strings.TrimSuffix(r.Target, "/")} {
			for _, body := range []string{string(r.Body), v.Body, ""} {
				for _, key := range []string{v.Key, "PSK_other", "PT_token"} {
					if _, signature, err := callback.Sign(key, base+target, body); err == nil {
						b, _ := base64.StdEncoding.DecodeString(signature)
						all = append(all, signature, hex.EncodeToString(b))
					}
				}
			}
		}
	}
	return all
}

func TestADiagnosisTakesLittleTimeWhateverTheRequest(t *testing.T) {
	body := strings.Repeat("a=%20b&", 127) + "z=" + strings.Repeat("x", 60<<10)
	r := signedFor(t, "PSK_theirs", publicURL+target, body, callback.Path+"?"+strings.Repeat("q=1&", 120)+"q=1", body)
	for range 50 {
		r.Header.Add("X-Forwarded-Host", strings.Repeat("h.example,", 20))
		r.Header.Add("X-Forwarded-Port", strings.Repeat("1234,", 20))
	}
	keys := make([]string, 20)
	for i := range keys {
		keys[i] = strings.Repeat("k", i+1)
	}
	began := time.Now()
	d := callback.Diagnose(r, callback.Receiver{PublicURL: publicURL, Keys: keys})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Diagnose took %v", took)
	}
	if d.Verifies || !strings.Contains(strings.Join(d.Findings, ""), "the request is too large for that") {
		t.Errorf("Diagnose = %+v, want it to say that it did not try everything", d)
	}
}

// FuzzDiagnose diagnoses whatever comes in: it says that a request verifies where
// Verify does.
func FuzzDiagnose(f *testing.F) {
	for _, v := range vectors(f) {
		r := v.request(f)
		f.Add(r.Method == http.MethodGet, r.Target, r.ContentType, v.Body, v.Signature, v.base(f), v.Key)
	}
	f.Add(false, target, formType, formBody+"&Tag=a&Tag=b&Tag=a", codeBase64(publicURL+target), publicURL, signKey)
	f.Fuzz(func(t *testing.T, get bool, target, contentType, body, signature, public, key string) {
		r := post(target, contentType, body, "X-SignalWire-Signature", signature)
		r.Header.Set("X-SignalWire-SHA256-Signature", signature)
		r.Header.Set("Host", public)
		if get {
			r.Method = http.MethodGet
		}
		d := callback.Diagnose(r, callback.Receiver{PublicURL: public, Keys: []string{key}})
		err := r.Decode()
		if err == nil {
			err = callback.NewVerifier(public, []string{key}).Verify(r)
		}
		if d.Verifies != (err == nil) || !d.Verifies && len(d.Findings) == 0 {
			t.Errorf("Diagnose = %+v, and Verify() = %v", d, err)
		}
	})
}

func TestDiagnoseKnowsReceipts(t *testing.T) {
	r := callback.Receiver{PublicURL: publicURL, Keys: []string{signKey}}
	good := signedFor(t, signKey, publicURL+receiptTarget, receiptBody, receiptTarget, receiptBody)
	if d := callback.Diagnose(good, r); !d.Verifies || len(d.Findings) != 0 {
		t.Errorf("Diagnose of a receipt = %+v, want that it verifies, and nothing else", d)
	}
	bad := signedFor(t, signKey, publicURL+callback.ReceiptPath, receiptBody, callback.ReceiptPath, receiptBody)
	if d := callback.Diagnose(bad, r); !d.Verifies || len(d.Findings) != 1 || !strings.Contains(d.Findings[0], "400: delivery: missing in the query") {
		t.Errorf("Diagnose of a receipt for no delivery = %+v, want that, and an answer of 400", d)
	}
}
