// Package demo shows the whole of Ringpost on one machine with nothing to set
// up: a service on a temporary store, between a SignalWire API and a mail
// server that are played by package peers, all over real sockets.
package demo

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ringpost/relay"
	"ringpost/relay/callback"
	"ringpost/relay/config"
	"ringpost/relay/peers"
)

//go:embed demo.toml
var demoConfig string

// arrivalTime is how long the demo waits for its messages.
const arrivalTime = 15 * time.Second

// Demo is a running demonstration.
type Demo struct {
	out     *printer
	cfg     *config.Config
	mail    *peers.Mail
	api     *peers.SignalWire
	service *relay.Service
	reached chan struct{} // gets a value for each SMS that a phone has
}

// Run tells the story to out. With once it returns when every message has
// arrived, and with an error where one has not; otherwise it then waits for ctx
// to end.
func Run(ctx context.Context, out io.Writer, log *slog.Logger, version string, once bool) (err error) {
	dir, err := os.MkdirTemp("", "ringpost-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &Demo{out: &printer{w: out}, reached: make(chan struct{}, len(story))}
	if err := d.startPeers(); err != nil {
		return err
	}
	defer d.mail.Close()
	defer d.api.Close()
	if err := d.configure(dir); err != nil {
		return err
	}
	d.service, err = relay.New(ctx, d.cfg, relay.Options{Log: log, Version: version,
		Load: func() (*config.Config, []config.Problem) { return d.cfg, nil }})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- d.service.Run(running) }()
	defer func() {
		stop()
		err = errors.Join(err, <-stopped)
	}()
	d.out.printf("Ringpost receives callbacks at http://%s%s,\nbetween a mail server at %s:%d and a SignalWire API at %s.\n",
		d.service.CallbacksAddr(), callback.Path, d.mail.Host, d.mail.Port, d.api.URL)
	if err := d.tell(ctx); err != nil {
		return err
	}
	if !once {
		d.out.printf("\nStill running: see what became of it all at http://%s/; stop with ctrl-c.\n", d.service.AdminAddr())
		<-ctx.Done()
	}
	return nil
}

func (d *Demo) startPeers() (err error) {
	if d.mail, err = peers.NewMail(peers.MailConfig{OnMessage: d.out.email}); err != nil {
		return err
	}
	d.api, err = peers.NewSignalWire(peers.SignalWireConfig{
		Project: "demo-project", Token: "demo-token", OnMessage: d.out.sms,
		Receipts: peers.Receipts{
			SigningKey: "PSK_demo",
			Of:         receipts,
			// public_url is nobody's.
			Listener:  func() string { return d.service.CallbacksAddr() },
			OnReceipt: d.receipt,
		},
	})
	if err != nil {
		return errors.Join(err, d.mail.Close())
	}
	return nil
}

// configure writes the demo's configuration into dir and loads it.
func (d *Demo) configure(dir string) error {
	file := filepath.Join(dir, "ringpost.toml")
	// A port is a number in TOML, and variables are for strings.
	src := strings.ReplaceAll(demoConfig, "${DEMO_SMTP_PORT}", strconv.Itoa(d.mail.Port))
	env := map[string]string{"DEMO_DIR": dir, "DEMO_API_URL": d.api.URL}
	lookup := func(name string) (string, bool) { value, ok := env[name]; return value, ok }
	cfg, problems := config.Parse(file, []byte(src), lookup, config.Serve)
	var errs []error
	for _, p := range problems {
		errs = append(errs, errors.New(p.String()))
	}
	d.cfg = cfg
	if cfg == nil {
		return errors.Join(errs...)
	}
	return nil
}

// tell posts the callbacks of the story, and waits after each for what it sets
// off.
func (d *Demo) tell(ctx context.Context) error {
	var emails, texts int
	for _, s := range story {
		if err := d.post(ctx, s); err != nil {
			return err
		}
		emails += s.emails
		texts += s.texts
		if err := d.await(ctx, emails, texts, s.texts); err != nil {
			return err
		}
	}
	d.out.printf("\nAll has arrived: %d emails and %d SMS.\n", emails, texts)
	return nil
}

// receipts are what becomes of an SMS, in the order in which it is told, which is
// not that in which it happens.
func receipts(peers.SMS) []peers.Receipt {
	return []peers.Receipt{{Status: callback.ReceiptDelivered}, {Status: "sent"}}
}

// receipt says what Ringpost has learnt of an SMS.
func (d *Demo) receipt(sms peers.SMS, r peers.Receipt, status int) {
	if r.Status == callback.ReceiptDelivered && status == http.StatusOK {
		d.out.printf("→ a receipt: the phone %s has its SMS\n", sms.To)
		d.reached <- struct{}{}
	}
}

// await waits until that many emails and SMS have arrived in all, and for the
// receipts of so many more SMS.
func (d *Demo) await(ctx context.Context, emails, texts, receipts int) error {
	ctx, cancel := context.WithTimeout(ctx, arrivalTime)
	defer cancel()
	_, err := d.mail.Wait(ctx, emails)
	if err == nil {
		_, err = d.api.Wait(ctx, texts)
	}
	if err != nil {
		return fmt.Errorf("%d of %d emails and %d of %d SMS have arrived: %w",
			len(d.mail.Emails()), emails, len(d.api.Messages()), texts, err)
	}
	for range receipts {
		select {
		case <-d.reached:
		case <-ctx.Done():
			return fmt.Errorf("an SMS was not confirmed: %w", ctx.Err())
		}
	}
	return nil
}

// post sends one callback of the story as SignalWire does, prints the answer
// and how the rules decide.
func (d *Demo) post(ctx context.Context, s scene) error {
	if length := s.length(); length > 0 {
		d.api.Record(s.id, length)
	}
	target := callback.Path + s.query
	form := make(url.Values)
	for name, value := range s.fields(d.api.RecordingURL(s.id)) {
		form.Set(name, value)
	}
	body := form.Encode()
	header, signature, err := callback.Sign(string(d.cfg.SignalWire.SigningKeys[0]), d.cfg.Server.PublicURL+target, body)
	if err != nil {
		return err
	}
	if s.tampered {
		body = strings.Replace(body, "RecordingDuration=", "RecordingDuration=1", 1)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+d.service.CallbacksAddr()+target, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set(header, signature)
	d.out.printf("\n→ %s\n", s.title)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	d.out.printf("  answered with %s%s\n", resp.Status, s.remark)
	if resp.StatusCode != s.status {
		return fmt.Errorf("%s: answered with %s, and %d was right", s.title, resp.Status, s.status)
	}
	if s.emails+s.texts == 0 && !s.explain {
		return nil
	}
	return d.explain(s)
}

// explain prints how the rules decide about a callback of the story.
func (d *Demo) explain(s scene) error {
	cb, err := callback.New(s.fields(d.api.RecordingURL(s.id)), s.queryValues(), d.cfg.SignalWire.Space, time.Now())
	if err != nil {
		return err
	}
	for _, r := range d.cfg.Rules.Explain(cb).Rules {
		mark := "✗"
		if r.Matched {
			mark = "✓"
		}
		d.out.printf("    %s %s: %s\n", mark, r.Name, r.Reason)
	}
	return nil
}
