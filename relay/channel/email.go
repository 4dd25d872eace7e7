package channel

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"ringpost/relay/signalwire"
)

const (
	// sendTime bounds one Send, with waiting for a connection and making one.
	sendTime = 30 * time.Second
	// maxProviderID bounds, in bytes, what is kept of a server's answer.
	maxProviderID = 200
)

// EmailConfig says which mail server takes the messages.
type EmailConfig struct {
	Host string
	Port int // 0 is 465 for implicit TLS, 587 otherwise
	TLS  TLS // empty is mandatory

	// Username and Password are given to the server unless Username is empty.
	// Without TLS, they are only sent in clear within this machine.
	Username, Password string

	From        string // an address, with a name or without
	Connections int    // at once at most; 0 is 1
	DKIM        *DKIM  // nil does not sign

	RootCAs *x509.CertPool // who may vouch for the server; nil is whom the system trusts
}

// Email is the channel that hands messages to a mail server. Connections are
// kept for the next message and renewed when the server drops them.
type Email struct {
	server *server
	pool   *pool
	from   *mail.Address
	dkim   *dkim.SignOptions // nil does not sign

	letters  sync.Pool     // of *letter
	patience time.Duration // of one Send
}

// NewEmail returns an email channel. It does not connect.
func NewEmail(config EmailConfig) (*Email, error) {
	server, err := newServer(config)
	if err != nil {
		return nil, err
	}
	from, err := mail.ParseAddress(config.From)
	if err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	e := &Email{server: server, pool: newPool(cmp.Or(config.Connections, 1)), from: from, patience: sendTime}
	e.letters.New = func() any { return e.newLetter() }
	if config.DKIM != nil {
		if e.dkim, err = config.DKIM.options(); err != nil {
			return nil, fmt.Errorf("dkim: %w", err)
		}
	}
	return e, nil
}

// Send hands m to the mail server. The id it returns is what the server said
// when it accepted m, since servers name their queue's id there. A repeat needs
// no look at earlier attempts: mail programs know it by its Message-ID.
func (e *Email) Send(ctx context.Context, m *Message) (providerID string, err error) {
	answer, err := e.send(ctx, m)
	if m.Attachment != nil && tooLarge(err) {
		lighter := *m
		lighter.Attachment = nil
		lighter.Text, lighter.HTML = m.Attachment.Without("the mail server does not take so large a message")
		m = &lighter
		answer, err = e.send(ctx, m)
	}
	if err != nil {
		private := append(e.server.secrets(), m.Subject)
		private = slices.AppendSeq(private, strings.Lines(m.Text+"\n"+m.HTML))
		return "", classifySMTP(ctx, err, signalwire.Redact(err.Error(), private...))
	}
	answer = oneLine(answer)
	return strings.ToValidUTF8(answer[:min(len(answer), maxProviderID)], ""), nil
}

// send hands over m as it is, and returns what the server said.
func (e *Email) send(ctx context.Context, m *Message) (answer string, err error) {
	l, err := e.compose(m)
	if err != nil {
		return "", &uncomposed{err}
	}
	defer e.release(l)
	return e.deliver(ctx, l, time.Now().Add(e.patience))
}

// uncomposed is why there is no email to hand over.
type uncomposed struct{ err error }

func (e *uncomposed) Error() string { return "compose the email: " + e.err.Error() }
func (e *uncomposed) Unwrap() error { return e.err }

// Close ends idle connections.
func (e *Email) Close() error {
	e.pool.close()
	return nil
}

// deliver hands l over on a kept connection or a new one, before the deadline.
// That is not ctx's: setting a timer for each message, which hardly ever goes
// off, costs more than moving the one that a connection has.
func (e *Email) deliver(ctx context.Context, l *letter, deadline time.Time) (answer string, err error) {
	c, err := e.pool.take(ctx, deadline)
	if err != nil {
		return "", err
	}
	defer func() { e.pool.put(c) }()
	if c != nil {
		answer, err = c.deliver(ctx, l, deadline)
		f, ok := errors.AsType[*failure](err)
		if !ok || !f.dropped() || errors.Is(err, errUnreadable) || ctx.Err() != nil || !time.Now().Before(deadline) {
			return answer, err
		}
		c.close() // the server did, as servers do with idle connections
	}
	if c, err = e.server.dial(ctx, deadline); err != nil {
		return "", err
	}
	return c.deliver(ctx, l, deadline)
}

// classifySMTP says what the failure err means for the delivery, and what of it
// may be said. The codes are those of RFC 5321, section 4.2, and of RFC 4954,
// section 6.
func classifySMTP(ctx context.Context, err error, redacted string) error {
	said := errors.New(redacted)
	if errors.Is(err, errUnreadable) {
		return said // nothing is wrong with the message, nor with the server
	}
	if _, ok := errors.AsType[*uncomposed](err); ok {
		return Permanent(said)
	}
	f, ok := errors.AsType[*failure](err)
	switch {
	case !ok:
		return said
	case f.connected && f.code/100 == 5 && !f.aboutLogin():
		return Permanent(said)
	case f.connected && f.code/100 == 4 && f.code != codeClosing:
		return said
	case f.whole && !f.refused():
		return Unsure(said)
	case f.refused():
		return Down(said)
	}
	return downUnlessCancelled(ctx, said)
}
