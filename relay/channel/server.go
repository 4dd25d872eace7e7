package channel

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// dialTime bounds connecting, up to and including the log-in.
const dialTime = 10 * time.Second

// TLS says how an email channel encrypts its connections. Wherever TLS is used,
// the server's certificate is verified.
type TLS string

const (
	TLSMandatory     TLS = "mandatory"     // STARTTLS or no mail
	TLSOpportunistic TLS = "opportunistic" // STARTTLS where the server offers it
	TLSImplicit      TLS = "implicit"      // from the first byte (RFC 8314)
	TLSNone          TLS = "none"
)

// server is where an email channel connects to.
type server struct {
	host     string
	addr     string // host and port
	hello    string // this machine's name
	policy   TLS
	tls      *tls.Config
	username string // empty does not log in
	password string
}

func newServer(config EmailConfig) (*server, error) {
	policy, port := cmp.Or(config.TLS, TLSMandatory), 587
	switch policy {
	case TLSMandatory, TLSOpportunistic, TLSNone:
	case TLSImplicit:
		port = 465
	default:
		return nil, fmt.Errorf("tls: %q is none of mandatory, opportunistic, implicit, none", policy)
	}
	hello, err := os.Hostname()
	if err != nil {
		hello = "localhost"
	}
	return &server{
		host:     config.Host,
		addr:     net.JoinHostPort(config.Host, strconv.Itoa(cmp.Or(config.Port, port))),
		hello:    hello,
		policy:   policy,
		tls:      &tls.Config{ServerName: config.Host, RootCAs: config.RootCAs, MinVersion: tls.VersionTLS12},
		username: config.Username,
		password: config.Password,
	}, nil
}

// secrets returns what the server is told of the password, in the forms in
// which it could repeat it.
func (s *server) secrets() []string {
	encode := base64.StdEncoding.EncodeToString
	return []string{s.password, encode([]byte(s.password)), encode([]byte("\x00" + s.username + "\x00" + s.password))}
}

// dial opens a connection that is ready for messages, before the deadline. The
// error is a [failure] that is not connected.
func (s *server) dial(ctx context.Context, deadline time.Time) (*connection, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, dialTime)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return nil, newFailure(ctx, "connect", err)
	}
	c := &connection{wire: &wire{Conn: raw, left: maxReplies}}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	step, err := s.greet(ctx, c)
	if err == nil && !stop() {
		err = ctx.Err()
	}
	if err != nil {
		raw.Close()
		return nil, newFailure(ctx, step, err)
	}
	return c, nil
}

// greet takes c from the first byte to where messages may be sent, and returns
// the step that err is about.
//
// It does not leave that to go-mail's own client, which keeps the connection
// open where a step fails, and finds no log-in over implicit TLS if it is to
// dial in another way than its own.
func (s *server) greet(ctx context.Context, c *connection) (step string, err error) {
	conn := net.Conn(c.wire)
	if s.policy == TLSImplicit {
		encrypted := tls.Client(conn, s.tls)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return "TLS", err
		}
		conn = encrypted
	}
	if c.client, err = smtp.NewClient(conn, s.host); err != nil {
		return "greeting", err
	}
	if err := c.client.Hello(s.hello); err != nil {
		return "EHLO", err
	}
	if err := s.startTLS(c.client); err != nil {
		return "STARTTLS", err
	}
	return "log in", s.login(c.client)
}

func (s *server) startTLS(client *smtp.Client) error {
	offered, _ := client.Extension("STARTTLS")
	switch {
	case s.policy == TLSMandatory && !offered:
		return errors.New("the server does not offer it")
	case s.policy == TLSMandatory, s.policy == TLSOpportunistic && offered:
		return client.StartTLS(s.tls)
	}
	return nil
}

// login uses the strongest mechanism that the server offers.
func (s *server) login(client *smtp.Client) error {
	if s.username == "" {
		return nil
	}
	_, extension := client.Extension("AUTH")
	offered := strings.Fields(strings.ToUpper(extension))
	for _, m := range []struct {
		name string
		auth smtp.Auth
	}{
		{"SCRAM-SHA-256", smtp.ScramSHA256Auth(s.username, s.password)},
		{"SCRAM-SHA-1", smtp.ScramSHA1Auth(s.username, s.password)},
		{"CRAM-MD5", smtp.CRAMMD5Auth(s.username, s.password)},
		{"PLAIN", smtp.PlainAuth("", s.username, s.password, s.host, false)},
		{"LOGIN", smtp.LoginAuth(s.username, s.password, s.host, false)},
	} {
		if slices.Contains(offered, m.name) {
			return client.Auth(m.auth)
		}
	}
	return fmt.Errorf("the server offers no mechanism that is known here (has %q)", extension)
}
