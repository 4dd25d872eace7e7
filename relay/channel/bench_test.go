package channel_test

import (
	"errors"
	"testing"

	"github.com/wneessen/go-mail"

	"ringpost/relay/channel"
	"ringpost/relay/peers"
	"ringpost/relay/render"
)

// builtIn returns the built-in message about a recording.
func builtIn(t testing.TB) *channel.Message {
	t.Helper()
	templates, errs := render.Load("")
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	m, err := templates.Render(render.Email, "recording", render.Sample())
	if err != nil {
		t.Fatal(err)
	}
	return &channel.Message{ID: "17.1700000000@example.com", To: "alice@example.com", Subject: m.Subject, Text: m.Text, HTML: m.HTML}
}

func BenchmarkSend(b *testing.B) {
	m := startMail(b, peers.MailConfig{})
	e := newEmail(b, m, channel.EmailConfig{TLS: channel.TLSNone})
	message := builtIn(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Send(b.Context(), message); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGoMail is the same with go-mail's own client on one connection.
func BenchmarkGoMail(b *testing.B) {
	m := startMail(b, peers.MailConfig{})
	client, err := mail.NewClient(m.Host, mail.WithPort(m.Port), mail.WithTLSPolicy(mail.NoTLS))
	if err != nil {
		b.Fatal(err)
	}
	if err := client.DialWithContext(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	message := builtIn(b)
	b.ReportAllocs()
	for b.Loop() {
		msg := mail.NewMsg()
		if err := msg.From(testFrom); err != nil {
			b.Fatal(err)
		}
		if err := msg.To(message.To); err != nil {
			b.Fatal(err)
		}
		msg.SetMessageIDWithValue(message.ID)
		msg.Subject(message.Subject)
		msg.SetBodyString(mail.TypeTextPlain, message.Text)
		msg.AddAlternativeString(mail.TypeTextHTML, message.HTML)
		if err := client.Send(msg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompose(b *testing.B) {
	key, _ := dkimKey(b, "ed25519")
	signed := &channel.DKIM{Domain: "example.com", Selector: "s1", Key: key}
	ascii, other := *builtIn(b), *builtIn(b)
	other.Text += "Grüße\n"
	other.HTML += "<p>Grüße</p>\n"
	for _, bench := range []struct {
		name    string
		config  channel.EmailConfig
		message *channel.Message
	}{
		{"built-in", channel.EmailConfig{}, &ascii},
		{"not ASCII", channel.EmailConfig{}, &other},
		{"signed", channel.EmailConfig{DKIM: signed}, &ascii},
	} {
		b.Run(bench.name, func(b *testing.B) {
			bench.config.From = testFrom
			e, err := channel.NewEmail(bench.config)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := e.Compose(bench.message); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
