package channel_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-msgauth/dkim"

	"ringpost/relay/channel"
	"ringpost/relay/peers"
)

// dkimKey returns a private key as PEM and the DNS record of its public key.
func dkimKey(t testing.TB, kind string) (key []byte, record string) {
	t.Helper()
	var private any
	var public crypto.PublicKey
	switch kind {
	case "rsa":
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		private, public = k, k.Public()
	case "ed25519":
		pub, k, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		private, public = k, pub
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	p, ok := public.(ed25519.PublicKey)
	if !ok {
		if p, err = x509.MarshalPKIXPublicKey(public); err != nil {
			t.Fatal(err)
		}
	}
	record = fmt.Sprintf("v=DKIM1; k=%s; p=%s", kind, base64.StdEncoding.EncodeToString(p))
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), record
}

// verified reports whether the message carries a signature that is good.
func verified(t *testing.T, raw []byte, record string) bool {
	t.Helper()
	signatures, err := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{
		LookupTXT: func(domain string) ([]string, error) {
			if want := "s1._domainkey.example.com"; domain != want {
				t.Errorf("the key is looked up at %q, want %q", domain, want)
			}
			return []string{record}, nil
		},
	})
	if err != nil || len(signatures) != 1 {
		t.Fatalf("%d signatures, %v; want 1", len(signatures), err)
	}
	return signatures[0].Err == nil
}

func TestDKIMSignsEveryEmail(t *testing.T) {
	for _, kind := range []string{"rsa", "ed25519"} {
		key, record := dkimKey(t, kind)
		m := startMail(t, peers.MailConfig{})
		e := newEmail(t, m, channel.EmailConfig{
			TLS:         channel.TLSNone,
			Connections: 4,
			DKIM:        &channel.DKIM{Domain: "example.com", Selector: "s1", Key: key},
		})
		var sends sync.WaitGroup
		for range 8 {
			sends.Go(func() {
				if _, err := e.Send(t.Context(), &testMessage); err != nil {
					t.Errorf("%s: %v", kind, err)
				}
			})
		}
		sends.Wait()
		for _, email := range m.Emails() {
			if !verified(t, email.Raw, record) {
				t.Errorf("%s: the signature is not good:\n%s", kind, email.Raw)
			}
		}
		raw := string(m.Emails()[0].Raw)
		for what, changed := range map[string]string{
			"another subject":    strings.Replace(raw, "Subject: ", "Subject: Re: ", 1),
			"another body":       strings.Replace(raw, "Listen", "listen", 1),
			"a second sender":    "From: eve@example.com\r\n" + raw,
			"a second subject":   "Subject: urgent\r\n" + raw,
			"a second addressee": "To: eve@example.com\r\n" + raw,
		} {
			if changed == raw || verified(t, []byte(changed), record) {
				t.Errorf("%s: the signature is good for %s", kind, what)
			}
		}
	}
}

func TestDKIMRefusesAShortKey(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0") // to make one
	k, err := rsa.GenerateKey(rand.Reader, 768)
	if err != nil {
		t.Fatal(err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)})
	_, err = channel.NewEmail(channel.EmailConfig{
		From: testFrom,
		DKIM: &channel.DKIM{Domain: "example.com", Selector: "s1", Key: key},
	})
	if err == nil || !strings.Contains(err.Error(), "768 bits") {
		t.Errorf("NewEmail = %v, want the length of the key named", err)
	}
}
