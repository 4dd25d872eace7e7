package main_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"ringpost/relay/callback"
)

// rawCallback is a callback on the wire, signed for an address.
func rawCallback(t *testing.T, key, address, target string) string {
	t.Helper()
	body := completed("rec-1").Encode()
	header, signature, err := callback.Sign(key, address+target, body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("POST %s HTTP/1.1\nHost: hooks.example.com\nContent-Type: application/x-www-form-urlencoded\n%s: %s\nContent-Length: %d\n\n%s\n",
		target, header, signature, len(body), body)
}

func TestVerifyExitsWith0WhereTheSignatureVerifiesAndElseSaysWhatWouldLetIt(t *testing.T) {
	config := filepath.Join("testdata", "nobody-was-told.toml")
	const target = callback.Path + "?agent=alice"
	for _, test := range []struct {
		name, key, address string
		code               int
		text               string
	}{
		{"as it is", "PSK_test", publicURL, 0, "✓ the signature verifies, by key 1 of signing_keys (form)\n    over https://hooks.example.com/callbacks/recording?agent=alice\n"},
		{"a port", "PSK_test", publicURL + ":443", 0, "✓ the signature verifies, by key 1 of signing_keys (form)\n    over https://hooks.example.com:443/callbacks/recording?agent=alice\n"},
		{"http", "PSK_test", "http://hooks.example.com", 1, "✗ the signature does not verify\n    over https://hooks.example.com/callbacks/recording?agent=alice\n" +
			"  - it was signed for another address: set [server] public_url = \"http://hooks.example.com\"\n"},
		{"token", "t", publicURL, 1, "✗ the signature does not verify\n    over https://hooks.example.com/callbacks/recording?agent=alice\n" +
			"  - [signalwire] token verifies it: put that into signing_keys too; Twilio signs with it, while SignalWire has a Signing Key of its own\n"},
	} {
		text := rawCallback(t, test.key, test.address, target)
		file := filepath.Join(t.TempDir(), "request")
		write(t, file, text)
		out, errs, code := ringpost(t, nil, "verify", "-c", config, file)
		if code != test.code || out != test.text || errs != "" {
			t.Errorf("%s: verify = %d\n%s%s\nwant %d\n%s", test.name, code, out, errs, test.code, test.text)
		}
		if piped, _, code := ringpostReading(t, text, "verify", "-c", config, "-"); code != test.code || piped != out {
			t.Errorf("%s: verify - = %d\n%s\nwant the same as of a file", test.name, code, piped)
		}
		var d callback.Diagnosis
		out, _, code = ringpost(t, nil, "verify", "-c", config, "-o", "json", file)
		if err := json.Unmarshal([]byte(out), &d); err != nil || code != test.code || d.Verifies != (code == 0) || (d.Key == 1) != d.Verifies {
			t.Errorf("%s: verify -o json = %d %s (%v)", test.name, code, out, err)
		}
		if strings.Contains(out, "PSK_test") {
			t.Errorf("%s: verify prints the key: %s", test.name, out)
		}
	}
}

func TestVerifyRefusesWhatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "words"), "no request")
	write(t, filepath.Join(dir, "request"), rawCallback(t, "PSK_test", publicURL, callback.Path))
	write(t, filepath.Join(dir, "unset.toml"), "[server]\npublic_url = \"https://hooks.example.com\"\n[signalwire]\nsigning_keys = [\"${KEY_OF_NOWHERE}\"]\n[channel.console]\nkind = \"log\"\n")
	for _, test := range []struct {
		config, file string
		want         string
	}{
		{"testdata/nobody-was-told.toml", "words", "words: not a raw HTTP request: want a first line such as POST /callbacks/recording HTTP/1.1"},
		{"testdata/nobody-was-told.toml", "nowhere", "nowhere"},
		{filepath.Join(dir, "unset.toml"), "request", "signing_keys needs a variable that is not set in the environment"},
		{"nowhere.toml", "request", "nowhere.toml"},
	} {
		_, errs, code := ringpost(t, nil, "verify", "-c", test.config, filepath.Join(dir, test.file))
		if code != 1 || !strings.Contains(errs, test.want) {
			t.Errorf("verify -c %s %s = %d %s, want 1 and %s", test.config, test.file, code, errs, test.want)
		}
	}
	if _, errs, code := ringpost(t, nil, "verify"); code != 2 || errs == "" {
		t.Errorf("verify without a file = %d %s, want 2", code, errs)
	}
}
