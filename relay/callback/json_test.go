package callback_test

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"testing"

	"ringpost/relay/callback"
)

func TestVerifyKnowsTheSignaturesOfJSON(t *testing.T) {
	const url = publicURL + target
	twilio := target + "&bodySHA256=" + digest(jsonBody)
	for _, test := range []struct {
		name, target, body, header, signature string
		want                                  bool
	}{
		{"SHA-1", target, jsonBody, "X-SignalWire-Signature", codeHex(sha1.New, url+jsonBody), true},
		{"SHA-1, body changed", target, jsonBody + " ", "X-SignalWire-Signature", codeHex(sha1.New, url+jsonBody), false},
		{"SHA-1, query dropped", callback.Path, jsonBody, "X-SignalWire-Signature", codeHex(sha1.New, url+jsonBody), false},
		{"SHA-1 in base64", target, jsonBody, "X-SignalWire-Signature", codeBase64(url + jsonBody), false},
		{"SHA-1 in the SHA-256 header", target, jsonBody, "X-SignalWire-SHA256-Signature", codeHex(sha1.New, url+jsonBody), false},
		{"SHA-256", target, jsonBody, "X-SignalWire-SHA256-Signature", codeHex(sha256.New, url+jsonBody), true},
		{"SHA-256, body changed", target, jsonBody + " ", "X-SignalWire-SHA256-Signature", codeHex(sha256.New, url+jsonBody), false},
		{"SHA-256 in the SHA-1 header", target, jsonBody, "X-SignalWire-Signature", codeHex(sha256.New, url+jsonBody), false},
		{"URL alone", target, jsonBody, "X-SignalWire-Signature", codeBase64(url), false},
		{"URL alone in hex", target, jsonBody, "X-SignalWire-Signature", codeHex(sha1.New, url), false},
		{"digest in the query", twilio, jsonBody, "X-Twilio-Signature", codeBase64(publicURL + twilio), true},
		{"digest, body changed", twilio, jsonBody + " ", "X-Twilio-Signature", codeBase64(publicURL + twilio), false},
		{"digest not signed", twilio, jsonBody, "X-Twilio-Signature", codeBase64(url), false},
		{"digest of something else", target + "&bodySHA256=" + digest("x"), jsonBody,
			"X-Twilio-Signature", codeBase64(url + "&bodySHA256=" + digest("x")), false},
		{"empty digest", target + "&bodySHA256=", jsonBody, "X-Twilio-Signature", codeBase64(url + "&bodySHA256="), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := receive(post(test.target, jsonType, test.body, test.header, test.signature)); (err == nil) != test.want {
				t.Errorf("Verify() = %v, want accepted %t", err, test.want)
			}
		})
	}
}

func codeHex(h func() hash.Hash, text string) string { return hex.EncodeToString(code(h, text)) }

func digest(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}
