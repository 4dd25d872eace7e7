package channel

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"
	"unicode"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/wneessen/go-mail"
)

// DKIM signs emails (RFC 6376).
type DKIM struct {
	Domain   string
	Selector string
	Key      []byte // PEM: an RSA key of 1024 bits or more, or an Ed25519 one
}

// options returns how to sign.
func (d *DKIM) options() (*dkim.SignOptions, error) {
	if d.Domain == "" || d.Selector == "" {
		return nil, errors.New("domain and selector are required")
	}
	key, err := mail.PrivKeyFromPEM(d.Key)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	if key, ok := key.(*rsa.PrivateKey); ok && key.N.BitLen() < 1024 {
		return nil, fmt.Errorf("key: %d bits are too short (RFC 8301)", key.N.BitLen())
	}
	return &dkim.SignOptions{
		Domain:                 d.Domain,
		Selector:               d.Selector,
		Signer:                 key,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed,
		BodyCanonicalization:   dkim.CanonicalizationRelaxed,
		// A field named once more than it occurs cannot be added afterwards.
		HeaderKeys: []string{
			"From", "From", "To", "To", "Subject", "Subject", "Date", "Date", "Message-ID", "Message-ID",
			"MIME-Version", "Content-Type", "Content-Type", "Content-Transfer-Encoding", "Auto-Submitted",
		},
	}, nil
}

// letter is an email ready to be handed over.
type letter struct {
	from, to string // of the envelope, in angle brackets
	wire     []byte // what follows DATA, with the line that ends it
}

// compose makes m an email.
func (e *Email) compose(m *Message) (*letter, error) {
	to, err := netmail.ParseAddress(m.To)
	if err != nil {
		return nil, fmt.Errorf("recipient: %w", err)
	}
	body := newBody(m.Text, m.HTML)
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	msg.FromMailAddress(e.from)
	msg.ToMailAddress(to)
	msg.SetDateWithValue(time.Now())
	msg.SetMessageIDWithValue(m.ID)
	msg.Subject(oneLine(m.Subject))
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office replies
	body.describe(msg)
	data := bytes.NewBuffer(make([]byte, 0, 1024+2*(len(m.Text)+len(m.HTML))))
	if _, err := msg.WriteTo(data); err != nil { // the header only: msg has no parts
		return nil, err
	}
	data.WriteString("\r\n")
	body.write(data)
	if e.dkim != nil {
		signed := new(bytes.Buffer)
		if err := dkim.Sign(signed, data, e.dkim); err != nil {
			return nil, err
		}
		data = signed
	}
	wire := stuff(make([]byte, 0, data.Len()+64), data.Bytes())
	return &letter{from: e.sender, to: envelope(to), wire: wire}, nil
}

// envelope returns the address as MAIL and RCPT take it.
func envelope(a *netmail.Address) string { return (&netmail.Address{Address: a.Address}).String() }

// oneLine puts a space in the place of each control character.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}
