package config

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"net/mail"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"ringpost/relay/render"
	"ringpost/relay/rules"
)

// kinds are those of channels.
var kinds = []string{render.Email, render.SMS, render.Archive, render.Log}

// shortCode is a number that SMS may come from beside those of E.164.
var shortCode = regexp.MustCompile(`^[0-9]{5,6}$`)

func (l *loader) checkChannels(at place, c *Config) {
	if len(c.Channels) == 0 {
		l.fault(at, "missing: want at least one, such as [channel.email]")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Channels)) {
		ch := c.Channels[name]
		l.checkChannel(at.named(name), name, &ch)
		c.Channels[name] = ch
	}
}

// checkChannel completes and checks the channel called name.
func (l *loader) checkChannel(at place, name string, ch *Channel) {
	if kind := at.key("kind"); !l.has(kind) {
		ch.Kind = name
	}
	if l.oneOf(at.key("kind"), ch.Kind, kinds...); !slices.Contains(kinds, ch.Kind) {
		return
	}
	l.foreignKeys(at, ch.Kind)
	if ch.Kind == render.Log {
		return
	}
	if connections := at.key("connections"); !l.has(connections) {
		if ch.Connections = 4; ch.Kind == render.Archive {
			ch.Connections = 2
		}
	} else if ch.Connections < 1 || ch.Connections > 64 {
		l.fault(connections, "want 1 to 64")
	}
	switch ch.Kind {
	case render.Email:
		l.checkEmail(at, ch)
	case render.SMS:
		l.checkSMS(at, ch)
	case render.Archive:
		l.checkArchive(at, ch)
	}
}

// foreignKeys reports the keys that channels of the kind do not have.
func (l *loader) foreignKeys(at place, kind string) {
	for f := range reflect.TypeFor[Channel]().Fields() {
		only := f.Tag.Get("for")
		if only == "" || slices.Contains(strings.Fields(only), kind) {
			continue
		}
		for _, key := range []string{f.Tag.Get("toml"), f.Tag.Get("toml") + "_file"} {
			if own := at.key(key); l.has(own) {
				l.fault(own, "a channel of kind %s has no such key, only %s", kind, and(strings.Fields(only)))
			}
		}
	}
}

// and joins names for people.
func and(names []string) string {
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

func (l *loader) checkEmail(at place, ch *Channel) {
	if ch.Host == "" {
		l.fault(at.key("host"), "missing: want the mail server, such as smtp.example.com")
	} else if strings.ContainsAny(ch.Host, ":/@ ") {
		l.fault(at.key("host"), "want a host name or address alone; the port has a key of its own")
	}
	if ch.TLS == "" && !l.has(at.key("tls")) {
		ch.TLS = "mandatory"
	}
	l.oneOf(at.key("tls"), ch.TLS, "mandatory", "opportunistic", "implicit", "none")
	if port := at.key("port"); l.has(port) && (ch.Port < 1 || ch.Port > 65535) {
		l.fault(port, "want 1 to 65535")
	} else if ch.Port == 0 {
		ch.Port = map[string]int{"implicit": 465, "none": 25}[ch.TLS]
		if ch.Port == 0 {
			ch.Port = 587
		}
	}
	if _, err := mail.ParseAddress(ch.From); err != nil {
		l.fault(at.key("from"), "want an address, such as Call recordings <recordings@example.com>")
	}
	switch {
	case ch.Username == "" && ch.Password != "":
		l.fault(at.key("username"), "missing: password is given")
	case ch.Username != "" && ch.Password == "":
		l.fault(at.key("password"), "missing: username is given")
	case ch.Username != "" && ch.TLS == "none" && !loopback(ch.Host):
		l.warn(at.key("tls"), "the password travels unencrypted: want mandatory or implicit")
	}
	if ch.DKIM != nil {
		l.checkDKIM(at.key("dkim"), ch.DKIM)
	}
}

func (l *loader) checkDKIM(at place, d *DKIM) {
	if !hostName.MatchString(d.Domain) {
		l.fault(at.key("domain"), "want the domain that signs, such as example.com")
	}
	if d.Selector == "" || strings.ContainsAny(d.Selector, " ;=") {
		l.fault(at.key("selector"), "want the name of the key in DNS, such as s1")
	}
	if d.Key == "" {
		l.fault(at.key("key"), "missing: want key_file")
	} else if !isDKIMKey([]byte(d.Key)) {
		l.fault(at.key("key"), "want a private key in PEM: RSA or Ed25519")
	}
}

// isDKIMKey reports whether src is a private key that DKIM knows (RFC 6376,
// 3.3.1 and RFC 8463).
func isDKIMKey(src []byte) bool {
	block, _ := pem.Decode(src)
	if block == nil {
		return false
	}
	if _, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return true
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return false
	}
	switch key.(type) {
	case *rsa.PrivateKey, ed25519.PrivateKey:
		return true
	}
	return false
}

func (l *loader) checkSMS(at place, ch *Channel) {
	switch {
	case ch.From == "" && ch.MessagingService == "":
		l.fault(at.key("from"), "missing: want the number that messages come from, or messaging_service")
	case ch.From != "" && ch.MessagingService != "":
		l.fault(at.key("messaging_service"), "from is given too: want one of them")
	case ch.From != "" && !rules.IsPhone(ch.From) && !shortCode.MatchString(ch.From):
		l.fault(at.key("from"), "want a number in international form such as +15550100000, or a short code")
	}
}
