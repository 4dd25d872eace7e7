package channel

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
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

	// wire is what follows DATA, with the line that ends it; or what comes before
	// the file, and tail what comes after.
	wire []byte
	file *Attachment // nil where there is none
	tail []byte

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
	body := newBody(m.Text, m.HTML, m.Attachment)
	body.describe(l.header)
	l.data.Reset()
	if _, err := l.header.WriteTo(&l.data); err != nil {
		return nil, err
	}
	l.data.WriteString("\r\n")
	body.write(&l.data)
	if l.file = m.Attachment; l.file != nil {
		return l, l.attach(body.end(), e.dkim)
	}
	message := l.data.Bytes()
	if e.dkim != nil {
		signed := new(bytes.Buffer)
		if err := dkim.Sign(signed, &l.data, e.dkim); err != nil {
			return nil, err
		}
		message = signed.Bytes()
	}
	l.wire = append(stuff(l.wire[:0], message), endOfData...)
	return l, nil
}

// attach makes l ready to be handed over with its file, which end follows. To be
// signed, the file is read once before that.
func (l *letter) attach(end string, how *dkim.SignOptions) error {
	if err := l.file.check(); err != nil {
		return err
	}
	l.tail = append(append(l.tail[:0], end...), endOfData...)
	l.wire = l.wire[:0]
	if how != nil {
		signer, err := dkim.NewSigner(how)
		if err != nil {
			return err
		}
		_, err = signer.Write(l.data.Bytes())
		if err == nil {
			err = l.file.write(signer, func() {})
		}
		if err == nil {
			_, err = io.WriteString(signer, end)
		}
		if err := errors.Join(err, signer.Close()); err != nil {
			return err
		}
		l.wire = stuff(l.wire, []byte(signer.Signature()))
	}
	l.wire = stuff(l.wire, l.data.Bytes())
	return nil
}

// size is how many bytes the message has with its file, as a server counts them
// (RFC 1870), and a few more.
func (l *letter) size() int64 { return int64(len(l.wire)+len(l.tail)) + l.file.encodedSize() }

// release takes back a letter that is not used any more.
func (e *Email) release(l *letter) {
	l.file = nil
	e.letters.Put(l)
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
