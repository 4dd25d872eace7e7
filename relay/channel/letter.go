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

// letter is an email ready to be handed over. What it consists of is used again
// for another message.
type letter struct {
	from, to string // of the envelope, in angle brackets
	wire     []byte // what follows DATA, with the line that ends it

	header *mail.Msg // has no parts: see body
	data   bytes.Buffer
}

// newLetter returns a letter with what is the same in all of them.
func (e *Email) newLetter() *letter {
	l := &letter{from: envelope(e.from), header: mail.NewMsg(mail.WithNoDefaultUserAgent())}
	l.header.FromMailAddress(e.from)
	l.header.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office replies
	return l
}

// compose makes m an email. The letter is to be given back with release.
func (e *Email) compose(m *Message) (*letter, error) {
	to, err := netmail.ParseAddress(m.To)
	if err != nil {
		return nil, fmt.Errorf("recipient: %w", err)
	}
	l := e.letters.Get().(*letter)
	l.to = envelope(to)
	l.header.ToMailAddress(to)
	l.header.SetDateWithValue(time.Now())
	l.header.SetMessageIDWithValue(m.ID)
	l.header.Subject(oneLine(m.Subject))
	body := newBody(m.Text, m.HTML)
	body.describe(l.header)
	l.data.Reset()
	if _, err := l.header.WriteTo(&l.data); err != nil {
		return nil, err
	}
	l.data.WriteString("\r\n")
	body.write(&l.data)
	if e.dkim == nil {
		l.wire = stuff(l.wire[:0], l.data.Bytes())
		return l, nil
	}
	signed := new(bytes.Buffer)
	if err := dkim.Sign(signed, &l.data, e.dkim); err != nil {
		return nil, err
	}
	l.wire = stuff(l.wire[:0], signed.Bytes())
	return l, nil
}

// release takes back a letter that is not used any more.
func (e *Email) release(l *letter) { e.letters.Put(l) }

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
