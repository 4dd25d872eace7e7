package channel_test

import (
	"strings"
	"testing"

	"ringpost/relay/channel"
	"ringpost/relay/peers"
)

func TestEmailSaysHowItsTextIsEncoded(t *testing.T) {
	const plain, encoded = "7bit", "quoted-printable"
	for _, tt := range []struct {
		name, text, want string
	}{
		{"ASCII", "Listen = hear:\t1 > 0\n.\n..\n \n", plain},
		{"no line end", "Listen", plain},
		{"lines of DOS", "one\r\ntwo\r\n", plain},
		{"longest line", "\n" + strings.Repeat("x", 998) + "\n", plain},
		{"longest last line", strings.Repeat("x", 998), plain},
		{"longer line", strings.Repeat("x", 999) + "\n", encoded},
		{"longer last line", "\n" + strings.Repeat("x", 999), encoded},
		{"UTF-8", "Grüße\n", encoded},
		{"not UTF-8", "\xff\xfe\n", encoded},
		{"NUL", "a\x00b\n", encoded},
		{"escape", "a\x1b[2Jb\n", encoded},
		{"DEL", "a\x7fb\n", encoded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := startMail(t, peers.MailConfig{})
			e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone})
			want := strings.ReplaceAll(tt.text, "\r\n", "\n")
			for _, html := range []string{"", "<p>" + tt.text} {
				if _, err := e.Send(t.Context(), &channel.Message{ID: "1@x", To: "a@example.com", Text: tt.text, HTML: html}); err != nil {
					t.Fatal(err)
				}
				got := m.Emails()[len(m.Emails())-1]
				c, err := got.Content()
				if err != nil {
					t.Fatal(err)
				}
				text := strings.TrimSuffix(c.Text, "\n")
				if text != strings.TrimSuffix(want, "\n") || html != "" && c.HTML != "<p>"+want {
					t.Errorf("text = %q, HTML = %q; want %q in both", c.Text, c.HTML, want)
				}
				header := "\r\nContent-Transfer-Encoding: " + tt.want + "\r\n"
				if n := strings.Count(string(got.Raw), header); n != 1 && html == "" || n < 2 && html != "" && tt.want == encoded {
					t.Errorf("%d headers say that it is %s:\n%s", n, tt.want, got.Raw)
				}
			}
		})
	}
}

// The words of a message come from outside. Servers disagree on whether a lone
// CR or LF ends a line, and so on which lines with a dot end a message.
func TestNothingInAMessageEndsIt(t *testing.T) {
	port, got := listenPlain(t, "PIPELINING")
	e, err := channel.NewEmail(channel.EmailConfig{Host: "127.0.0.1", Port: port, TLS: channel.TLSNone, From: testFrom})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	const more = "MAIL FROM:<eve@example.com>"
	for _, end := range []string{"\r\n.\r\n", "\n.\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r.\r\n", "\r\n.\r", "\r\n\x00.\r\n", "\r\r\n.\r\r\n", "\n\r.\n\r"} {
		for _, words := range []string{"a" + end + more, "ä" + end + more, end + more, end[1:] + more, more + end} {
			m := &channel.Message{ID: "1@x", To: "a@example.com", Subject: words, Text: words}
			for _, m.HTML = range []string{"", words} {
				if _, err := e.Send(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				raw := strings.ReplaceAll(<-got, "\r\n", "")
				if strings.ContainsAny(raw, "\r\n") || !strings.HasSuffix(raw, ".") {
					t.Errorf("%q is sent with a lone CR or LF: %q", words, raw)
				}
				if len(got) > 0 {
					t.Fatalf("%q ends the message, and what follows is %q", words, <-got)
				}
			}
		}
	}
}

func FuzzStuff(f *testing.F) {
	for _, seed := range []string{"", ".", "a\r\n.\r\nb", "a\n.\nb", "\r.\r", "..\r\r\n.", "a\n\r.\n\r", "a\r\n"} {
		f.Add([]byte(seed))
	}
	lineEnds := strings.NewReplacer("\r\n", "\n", "\r", "\n")
	f.Fuzz(func(t *testing.T, message []byte) {
		wire := string(channel.Stuff(message))
		if end := strings.Index("\r\n"+wire, "\r\n.\r\n"); end != len(wire)-len(".\r\n") {
			t.Fatalf("Stuff(%q) = %q, which ends at %d", message, wire, end)
		}
		if strings.ContainsAny(strings.ReplaceAll(wire, "\r\n", ""), "\r\n") {
			t.Fatalf("Stuff(%q) = %q, which has a lone CR or LF", message, wire)
		}
		var got []string
		for line := range strings.SplitSeq(strings.TrimSuffix(wire, ".\r\n"), "\r\n") {
			got = append(got, strings.TrimPrefix(line, "."))
		}
		want := strings.TrimRight(lineEnds.Replace(string(message)), "\n")
		if strings.TrimRight(strings.Join(got, "\n"), "\n") != want {
			t.Errorf("Stuff(%q) = %q, want lines %q", message, wire, want)
		}
	})
}
