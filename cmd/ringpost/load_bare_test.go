package main_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wneessen/go-mail"

	"ringpost/relay/render"
)

// runBareLoop runs this test binary as a program that does nothing but send the
// built-in message n times, and returns how fast they arrive, from the first to
// the last.
func runBareLoop(t *testing.T, in *inbox, n int) (perSecond float64) {
	t.Helper()
	in.expect(n)
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), fmt.Sprintf("RINGPOST_TEST_BARE_LOOP=%s %d %d", in.Host, in.Port, n))
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("bare loop: %v\n%s", err, out)
	}
	first, last := in.wait(t)
	in.mustBeExact(t)
	return float64(n-1) / last.Sub(first).Seconds()
}

// bareLoop sends the built-in message over kept connections. order is the mail
// server's host and port, and how often.
func bareLoop(order string) error {
	var host string
	var port, n int
	if _, err := fmt.Sscan(order, &host, &port, &n); err != nil {
		return err
	}
	templates, errs := render.Load("")
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	m, err := templates.Render(render.Email, "recording", render.Sample())
	if err != nil {
		return err
	}
	var sent atomic.Int64
	var loops sync.WaitGroup
	failures := make([]error, loadConnections)
	for i := range failures {
		loops.Go(func() { failures[i] = sendLoop(host, port, &m, &sent, int64(n)) })
	}
	loops.Wait()
	return errors.Join(failures...)
}

// sendLoop sends m over a connection of its own, until all loops together have
// sent it n times.
func sendLoop(host string, port int, m *render.Message, sent *atomic.Int64, n int64) error {
	client, err := mail.NewClient(host, mail.WithPort(port), mail.WithTLSPolicy(mail.NoTLS))
	if err != nil {
		return err
	}
	connection, err := client.DialToSMTPClientWithContext(context.Background())
	if err != nil {
		return err
	}
	for number := sent.Add(1); number <= n; number = sent.Add(1) {
		msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
		if err := msg.From("Call recordings <recordings@example.com>"); err != nil {
			return err
		}
		if err := msg.To("alice@example.com"); err != nil {
			return err
		}
		msg.SetDate()
		msg.SetMessageIDWithValue(fmt.Sprintf("%d@example.com", number))
		msg.Subject(m.Subject)
		msg.SetBodyString(mail.TypeTextPlain, m.Text)
		msg.AddAlternativeString(mail.TypeTextHTML, m.HTML)
		if err := client.SendWithSMTPClient(connection, msg); err != nil {
			return err
		}
	}
	return client.CloseWithSMTPClient(connection)
}
