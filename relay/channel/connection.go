package channel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"strconv"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

const (
	// maxReplies bounds, in bytes, what a server may say while one message is
	// handed over, or a connection made.
	maxReplies = 256 << 10
	// maxUses is how many messages a connection takes; many servers end those
	// that take more.
	maxUses = 100
	// quitTime bounds saying goodbye.
	quitTime = 2 * time.Second
	// codeClosing is how a server says that it ends the connection, whatever it
	// was asked (RFC 5321, section 3.8).
	codeClosing = 421
	// codeTooLarge is how a server refuses a message for its size.
	codeTooLarge = 552
	// slowest is how fast a file must get away in all, in bytes a second. What
	// stands still is not waited for as long.
	slowest = 100_000
	// acceptTime is how long a server may look at a message with a file before it
	// accepts it: some look for viruses meanwhile.
	acceptTime = 2 * time.Minute
)

// connection is a connection to a mail server. It serves one Send at a time.
type connection struct {
	wire   *wire
	client *smtp.Client
	uses   int
	broken bool        // not to be used again
	retire *time.Timer // closes it while it is idle; nil before that
}

// deliver hands l over in one transaction, before the deadline, and returns the
// server's answer. The error is a [failure].
//
// It does so command by command, and not by go-mail's Send, because that
// neither tells whether the message had been sent as a whole when it failed,
// nor ends with its context. It also saves a NOOP and a RSET with each message.
func (c *connection) deliver(ctx context.Context, l *letter, deadline time.Time) (answer string, err error) {
	if l.file != nil {
		if most := c.maxSize(); most > 0 && l.size() > most {
			return "", &failure{step: "SIZE", connected: true, code: codeTooLarge,
				err: fmt.Errorf("the server takes messages of %d bytes, and this one has %d", most, l.size())}
		}
	}
	_ = c.wire.SetDeadline(deadline) // fails where the connection is closed, as what follows will
	stop := context.AfterFunc(ctx, func() { c.wire.Close() })
	defer func() {
		if !stop() {
			c.broken = true
		}
	}()
	c.wire.left = maxReplies
	c.uses++
	step, answer, err := c.transact(l, time.Until(deadline))
	if err == nil {
		return answer, nil
	}
	f := newFailure(ctx, step, err)
	f.connected = true
	f.whole = step == stepEnd
	if !f.refused() || f.code == codeClosing || c.client.Reset() != nil {
		c.broken = true
	}
	return "", f
}

// stepEnd is the step at which the server has, or may have, the whole message.
const stepEnd = "end of DATA"

// transact returns the step that err is about. A file may take longer than the
// rest: it must go on within patience.
func (c *connection) transact(l *letter, patience time.Duration) (step, answer string, err error) {
	begin := c.begin
	if pipelining, _ := c.client.Extension("PIPELINING"); pipelining {
		begin = c.beginAtOnce
	}
	if step, err := begin(l); err != nil {
		return step, "", err
	}
	// Where it fails, the end of the message has not been sent.
	if _, err := c.client.Text.W.Write(l.wire); err != nil {
		return "DATA", "", err
	}
	if l.file != nil {
		if err := c.writeFile(l, patience); err != nil {
			return "DATA", "", err
		}
	}
	if err := c.client.Text.W.Flush(); err != nil {
		return "DATA", "", err
	}
	_, answer, err = c.client.Text.ReadResponse(250)
	return stepEnd, answer, err
}

// writeFile writes the file and what follows it.
func (c *connection) writeFile(l *letter, patience time.Duration) error {
	end := time.Now().Add(patience + time.Duration(l.file.encodedSize()/slowest)*time.Second)
	err := l.file.write(c.client.Text.W, func() {
		next := time.Now().Add(patience)
		if next.After(end) {
			next = end
		}
		_ = c.wire.SetDeadline(next)
	})
	if err != nil {
		return err
	}
	if _, err := c.client.Text.W.Write(l.tail); err != nil {
		return err
	}
	_ = c.wire.SetDeadline(time.Now().Add(acceptTime))
	return nil
}

// maxSize returns how large a message may be, as the server has announced (RFC
// 1870); 0 where it has not.
func (c *connection) maxSize() int64 {
	_, announced := c.client.Extension("SIZE")
	size, _ := strconv.ParseInt(announced, 10, 64)
	return size
}

// sender returns what MAIL says after FROM: with the size of a message that has
// a file, so that the server can refuse it before it comes.
func (c *connection) sender(l *letter) string {
	if offered, _ := c.client.Extension("SIZE"); l.file != nil && offered {
		return fmt.Sprintf("%s SIZE=%d", l.from, l.size())
	}
	return l.from
}

// begin takes the transaction to where the message follows.
func (c *connection) begin(l *letter) (step string, err error) {
	if err := c.client.Mail(c.sender(l)); err != nil {
		return "MAIL", err
	}
	if err := c.client.Rcpt(l.to); err != nil {
		return "RCPT", err
	}
	// Not by the client's Data, whose writer would be ended, with an empty message,
	// as soon as another one is taken.
	if err := c.client.Text.PrintfLine("DATA"); err != nil {
		return "DATA", err
	}
	_, _, err = c.client.Text.ReadResponse(354)
	return "DATA", err
}

// beginAtOnce does the same in one round trip instead of three (RFC 2920).
func (c *connection) beginAtOnce(l *letter) (step string, err error) {
	text := c.client.Text
	var parameters string
	for _, extension := range []string{"8BITMIME", "SMTPUTF8"} {
		if ok, _ := c.client.Extension(extension); ok {
			parameters += mailParameters[extension]
		}
	}
	if err := text.PrintfLine("MAIL FROM:%s%s\r\nRCPT TO:%s\r\nDATA", c.sender(l), parameters, l.to); err != nil {
		return "MAIL", err
	}
	for _, reply := range []struct {
		step string
		code int
	}{{"MAIL", 250}, {"RCPT", 25}, {"DATA", 354}} {
		code, _, failed := text.ReadResponse(reply.code)
		if failed == nil && err == nil {
			continue
		}
		if err == nil {
			step, err = reply.step, failed
		}
		if code == 354 { // it wants a message all the same, for nobody
			if failed := text.PrintfLine("."); failed == nil {
				_, _, _ = text.ReadResponse(0)
			}
		}
		if code == 0 || code == codeClosing {
			break // no more replies
		}
	}
	return step, err
}

// mailParameters is what MAIL says where the server offers an extension (RFC
// 6152, RFC 6531).
var mailParameters = map[string]string{"8BITMIME": " BODY=8BITMIME", "SMTPUTF8": " SMTPUTF8"}

// reusable reports whether c can take another message.
func (c *connection) reusable() bool { return !c.broken && c.uses < maxUses }

// close ends c, politely unless it is broken.
func (c *connection) close() {
	if !c.broken {
		c.wire.left = maxReplies
		_ = c.wire.SetDeadline(time.Now().Add(quitTime))
		_ = c.client.Quit() // whatever comes of it
	}
	c.wire.Close()
}

// failure is what kept a message from being handed over.
type failure struct {
	step      string
	connected bool // the connection had been made
	whole     bool // the server may have had the whole message
	code      int  // the server's answer; 0 where there was none
	err       error
}

func newFailure(ctx context.Context, step string, err error) *failure {
	f := &failure{step: step, err: err}
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		f.code = reply.Code
		f.err = fmt.Errorf("%d %s", reply.Code, reply.Msg) // as it was said: redacting needs it unquoted
	} else if ctx.Err() != nil {
		f.err = fmt.Errorf("no answer: %w", ctx.Err())
	} else if errors.Is(err, os.ErrDeadlineExceeded) {
		f.err = fmt.Errorf("no answer: %w", os.ErrDeadlineExceeded) // without the addresses
	}
	return f
}

func (f *failure) Error() string { return f.step + ": " + f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// refused reports whether the server refused what it was asked.
func (f *failure) refused() bool { return f.code/100 == 4 || f.code/100 == 5 }

// dropped reports whether the connection ended before the server can have
// accepted anything.
func (f *failure) dropped() bool {
	return f.code == codeClosing || !f.refused() && !f.whole
}

// aboutLogin reports whether the server wants another log-in rather than
// another message.
func (f *failure) aboutLogin() bool {
	switch f.code {
	case 530, 534, 535, 538:
		return true
	}
	return false
}

// wire is a connection that yields a bounded number of bytes.
type wire struct {
	net.Conn
	left int
}

func (w *wire) Read(p []byte) (int, error) {
	if w.left <= 0 {
		return 0, errors.New("the server says too much")
	}
	n, err := w.Conn.Read(p[:min(len(p), w.left)])
	w.left -= n
	return n, err
}
