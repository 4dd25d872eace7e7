package peers

import (
	"cmp"
	"context"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// MailConfig says how a mail server behaves. The zero value takes every message
// from everybody, without TLS.
type MailConfig struct {
	StartTLS    bool // offer STARTTLS
	ImplicitTLS bool // speak TLS from the first byte

	// Username and Password must be given by clients, where Username is set.
	Username, Password string
	Mechanisms         []string // of logging in; nil is PLAIN and LOGIN

	MaxBytes  int64       // of a message, as is announced; 0 is ten megabytes
	OnMessage func(Email) // called for each message before it is answered; may be nil
	Hook      Hook        // may be nil
}

// Mail is a mail server on a loopback socket. Its methods may be called at
// once.
type Mail struct {
	Host    string
	Port    int
	RootCAs *x509.CertPool // trusts the server's certificate; nil without TLS

	config   MailConfig
	server   *smtp.Server
	listener net.Listener
	accepted journal[Email]
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	stopped  chan struct{}
}

// NewMail starts a mail server on a port of its own.
func NewMail(config MailConfig) (*Mail, error) {
	if config.Mechanisms == nil {
		config.Mechanisms = []string{sasl.Plain, sasl.Login}
	}
	m := &Mail{config: config, stopped: make(chan struct{})}
	m.server = smtp.NewServer(smtp.BackendFunc(m.newSession))
	m.server.Domain = "localhost"
	m.server.AllowInsecureAuth = true // the socket is a loopback one
	m.server.MaxMessageBytes = cmp.Or(config.MaxBytes, 10<<20)
	m.server.MaxRecipients = 50
	m.server.ReadTimeout = 5 * time.Minute
	m.server.WriteTimeout = time.Minute
	m.server.ErrorLog = log.New(io.Discard, "", 0) // a test cuts connections on purpose

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start a mail server: %w", err)
	}
	addr := listener.Addr().(*net.TCPAddr)
	m.Host, m.Port = addr.IP.String(), addr.Port
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.listener = &doorkeeper{listener, m}
	if config.StartTLS || config.ImplicitTLS {
		var cert tls.Certificate
		if cert, m.RootCAs, err = selfSigned(); err != nil {
			listener.Close()
			return nil, fmt.Errorf("start a mail server: %w", err)
		}
		m.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
	}
	if config.ImplicitTLS {
		m.listener = tls.NewListener(m.listener, m.server.TLSConfig)
	}
	go func() {
		defer close(m.stopped)
		_ = m.server.Serve(m.listener)
	}()
	return m, nil
}

// Emails returns what was accepted, oldest first: the last thousand.
func (m *Mail) Emails() []Email { return m.accepted.all() }

// Wait returns what was accepted, once that are n messages in all.
func (m *Mail) Wait(ctx context.Context, n int) ([]Email, error) { return m.accepted.wait(ctx, n) }

// Close stops the server and cuts all connections.
func (m *Mail) Close() error {
	m.cancel()
	m.listener.Close() // the server may not know it yet
	m.server.Close()
	<-m.stopped
	return nil
}

func (m *Mail) newSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{mail: m, conn: c}, nil
}

// doorkeeper asks the hook about every new connection.
type doorkeeper struct {
	net.Listener
	mail *Mail
}

func (d *doorkeeper) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		err = d.mail.config.Hook.ask(d.mail.ctx, Connect, "")
		if err == nil {
			return conn, nil
		}
		if refusal, ok := errors.AsType[*smtp.SMTPError](err); ok {
			fmt.Fprintf(conn, "%d %s\r\n", refusal.Code, refusal.Message)
		}
		if errors.Is(err, ErrGarbage) {
			_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n\x00\xff<html>\n")
		}
		conn.Close()
	}
}

// session is one client's session.
type session struct {
	mail  *Mail
	conn  *smtp.Conn
	user  string // empty until logged in
	email Email  // under way
}

func (s *session) AuthMechanisms() []string {
	if s.mail.config.Username == "" {
		return nil
	}
	return s.mail.config.Mechanisms
}

func (s *session) Auth(mechanism string) (sasl.Server, error) {
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error { return s.login(user, password) }), nil
	case sasl.Login:
		return &loginServer{check: s.login}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

func (s *session) login(user, password string) error {
	if err := s.ask(Auth, user); err != nil {
		return err
	}
	config := &s.mail.config
	if user != config.Username || subtle.ConstantTimeCompare([]byte(password), []byte(config.Password)) == 0 {
		return smtp.ErrAuthFailed
	}
	s.user = user
	return nil
}

func (s *session) Mail(from string, options *smtp.MailOptions) error {
	if s.mail.config.Username != "" && s.user == "" {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	_, encrypted := s.conn.TLSConnectionState()
	s.email = Email{From: from, User: s.user, TLS: encrypted, Declared: options.Size}
	return s.ask(MailFrom, from)
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.ask(RcptTo, to); err != nil {
		return err
	}
	s.email.To = append(s.email.To, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.email.Raw, s.email.At = raw, time.Now()
	err = s.mail.config.Hook.ask(s.mail.ctx, Data, s.email.To[0])
	if err == nil || errors.Is(err, ErrAcceptAndCut) {
		s.mail.accepted.add(s.email)
		if s.mail.config.OnMessage != nil {
			s.mail.config.OnMessage(s.email)
		}
	}
	s.cutFor(err)
	return err
}

func (s *session) Reset() {
	s.email = Email{}
	_ = s.ask(Reset, "")
}

func (s *session) Logout() error { return s.mail.config.Hook.ask(s.mail.ctx, End, "") }

// ask asks the hook, and cuts the connection where it wants that.
func (s *session) ask(step Step, subject string) error {
	err := s.mail.config.Hook.ask(s.mail.ctx, step, subject)
	s.cutFor(err)
	return err
}

func (s *session) cutFor(err error) {
	if errors.Is(err, ErrCut) || errors.Is(err, ErrAcceptAndCut) {
		s.conn.Conn().Close()
	}
}

// loginServer is the server's side of LOGIN, which go-sasl does not have
// (draft-murchison-sasl-login).
type loginServer struct {
	check func(user, password string) error
	user  *string // nil until given
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case response == nil:
		return []byte("Username:"), false, nil
	case l.user == nil:
		user := string(response)
		l.user = &user
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(*l.user, string(response))
}
