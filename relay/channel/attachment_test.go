package channel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"ringpost/relay/channel"
	"ringpost/relay/peers"
)

// noise is a file of which every byte can be told from its neighbours.
func noise(size int) []byte {
	file := make([]byte, size)
	for i := range file {
		file[i] = byte(i*i + i>>8)
	}
	return file
}

// withFile is the message of all tests with a file.
func withFile(file io.ReaderAt, size int64) (m *channel.Message, left *[]string) {
	left = new([]string)
	message := testMessage
	message.Attachment = &channel.Attachment{
		Name: "recording-2026-11-24-1509.mp3", ContentType: "audio/mpeg", Size: size, File: file,
		Without: func(reason string) (text, html string) {
			*left = append(*left, reason)
			return "without: " + reason, "<p>without</p>"
		},
	}
	return &message, left
}

func TestAFileArrivesWithTheEmail(t *testing.T) {
	key, record := dkimKey(t, "ed25519")
	m := startMail(t, peers.MailConfig{StartTLS: true})
	for _, signed := range []bool{false, true} {
		config := channel.EmailConfig{}
		if signed {
			config.DKIM = &channel.DKIM{Domain: "example.com", Selector: "s1", Key: key}
		}
		e := newEmail(t, m, config)
		const block = 57 * 512
		for _, size := range []int{1, 2, 3, 56, 57, 58, block - 1, block, block + 1, 3*block + 100} {
			for _, html := range []string{"", testMessage.HTML} {
				file := noise(size)
				message, left := withFile(bytes.NewReader(file), int64(size))
				message.HTML = html
				if _, err := e.Send(t.Context(), message); err != nil {
					t.Fatalf("%d bytes: %v", size, err)
				}
				emails := m.Emails()
				email := emails[len(emails)-1]
				c, err := email.Content()
				if err != nil {
					t.Fatalf("%d bytes: %v", size, err)
				}
				if c.Text != message.Text || c.HTML != html || len(*left) > 0 {
					t.Errorf("%d bytes: text = %q, HTML = %q, left out for %q", size, c.Text, c.HTML, *left)
				}
				if len(c.Files) != 1 || c.Files[0].Name != "recording-2026-11-24-1509.mp3" || c.Files[0].Type != "audio/mpeg" || !bytes.Equal(c.Files[0].Data, file) {
					t.Errorf("%d bytes: %d files arrived, or another than was sent", size, len(c.Files))
				}
				if signed && !verified(t, email.Raw, record) {
					t.Errorf("%d bytes: the signature is not good", size)
				}
				if n := int64(len(email.Raw)); email.Declared < n || email.Declared > n+50 {
					t.Errorf("%d bytes: the message was said to have %d, and has %d", size, email.Declared, n)
				}
			}
		}
	}
}

// Without pipelining, and where nothing is known of sizes.
func TestAFileArrivesAtAServerThatKnowsNoExtension(t *testing.T) {
	port, got := listenPlain(t)
	e, err := channel.NewEmail(channel.EmailConfig{Host: "127.0.0.1", Port: port, From: testFrom, TLS: channel.TLSNone})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	file := noise(100_000)
	for range 2 { // on the same connection
		message, _ := withFile(bytes.NewReader(file), int64(len(file)))
		if _, err := e.Send(t.Context(), message); err != nil {
			t.Fatal(err)
		}
		wire := <-got
		email := peers.Email{Raw: []byte(strings.TrimSuffix(wire, ".\r\n"))}
		c, err := email.Content()
		if err != nil || len(c.Files) != 1 || !bytes.Equal(c.Files[0].Data, file) {
			t.Fatalf("the file did not arrive as it is, %v", err)
		}
		for line := range strings.SplitSeq(strings.ReplaceAll(wire, "\r\n", "\n"), "\n") {
			if len(line) > 998 || strings.Contains(line, "\r") {
				t.Fatalf("a line of %d bytes: %.50q", len(line), line)
			}
		}
	}
}

func TestAServerThatAnnouncesASmallerLimitGetsTheEmailWithoutTheFile(t *testing.T) {
	s := new(script)
	m := startMail(t, peers.MailConfig{MaxBytes: 100_000, Hook: s.hook})
	e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone})
	for _, test := range []struct {
		size int
		file bool
	}{{72_000, true}, {73_500, false}, {10_000_000, false}} { // a third more as base64
		message, left := withFile(bytes.NewReader(noise(test.size)), int64(test.size))
		if _, err := e.Send(t.Context(), message); err != nil {
			t.Fatalf("%d bytes: %v", test.size, err)
		}
		emails := m.Emails()
		c, err := emails[len(emails)-1].Content()
		if err != nil {
			t.Fatal(err)
		}
		if test.file {
			if len(c.Files) != 1 || len(*left) != 0 {
				t.Errorf("%d bytes: %d files, left out for %q; want it sent", test.size, len(c.Files), *left)
			}
			continue
		}
		if len(c.Files) != 0 || len(*left) != 1 || c.Text != "without: "+(*left)[0] || c.HTML != "<p>without</p>" || !strings.Contains((*left)[0], "so large") {
			t.Errorf("%d bytes: %d files, left out for %q, text %q; want it left out and said", test.size, len(c.Files), *left, c.Text)
		}
	}
	if n, connections := s.count(peers.MailFrom), s.count(peers.Connect); n != 3 || connections != 1 {
		t.Errorf("%d messages were begun on %d connections, want 3 on 1: nothing is sent that is refused by what is announced", n, connections)
	}
}

func TestAServerThatRefusesTheSizeGetsTheEmailWithoutTheFile(t *testing.T) {
	tooBig := &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 3, 4}, Message: "Message too big for system"}
	for name, answers := range map[string]map[peers.Step][]error{
		"at once":     {peers.MailFrom: {refusal(552, "too large")}},
		"at the end":  {peers.Data: {refusal(552, "too large")}},
		"another way": {peers.Data: {tooBig}},
	} {
		s := &script{answers: answers}
		m := startMail(t, peers.MailConfig{Hook: s.hook})
		e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone})
		message, left := withFile(bytes.NewReader(noise(1000)), 1000)
		if _, err := e.Send(t.Context(), message); err != nil || len(m.Emails()) != 1 || len(*left) != 1 {
			t.Errorf("%s: %v, %d emails, left out for %q; want one without the file", name, err, len(m.Emails()), *left)
		}
	}
	for name, test := range map[string]struct {
		answers []error
		class   channel.Class
		left    int
	}{
		"refused without it too": {[]error{tooBig, refusal(552, "mailbox full")}, channel.Refused, 1},
		"refused for the words":  {[]error{refusal(550, "spam")}, channel.Refused, 0},
		"no room for the moment": {[]error{refusal(452, "disk full")}, channel.Temporary, 0},
	} {
		s := &script{answers: map[peers.Step][]error{peers.Data: test.answers}}
		m := startMail(t, peers.MailConfig{Hook: s.hook})
		e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone})
		message, left := withFile(bytes.NewReader(noise(1000)), 1000)
		if _, err := e.Send(t.Context(), message); err == nil || channel.ClassOf(err) != test.class || len(*left) != test.left {
			t.Errorf("%s: %v, left out for %q; want class %v", name, err, *left, test.class)
		}
	}
}

// broken is a file that cannot be read to its end.
type broken struct{}

func (broken) ReadAt(p []byte, off int64) (int, error) {
	if off > 50_000 {
		return 0, errors.New("input/output error")
	}
	return len(p), nil
}

func TestAFileThatCannotBeReadIsNoTroubleOfTheServer(t *testing.T) {
	key, _ := dkimKey(t, "ed25519")
	for _, sign := range []*channel.DKIM{nil, {Domain: "example.com", Selector: "s1", Key: key}} {
		s := new(script)
		m := startMail(t, peers.MailConfig{Hook: s.hook})
		e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone, DKIM: sign})
		message, _ := withFile(broken{}, 100_000)
		if _, err := e.Send(t.Context(), message); err == nil || channel.ClassOf(err) != channel.Temporary || !strings.Contains(err.Error(), "read the attachment") {
			t.Errorf("Send = %v (%v), want that it is tried again", err, channel.ClassOf(err))
		}
		if n := s.count(peers.Connect); n > 1 {
			t.Errorf("%d connections, want no second try for what cannot be read", n)
		}
		if _, err := e.Send(t.Context(), &testMessage); err != nil || len(m.Emails()) != 1 {
			t.Errorf("the next message: %v, %d emails arrived", err, len(m.Emails()))
		}
	}
}

func TestAFileWhoseNameIsNotSafeIsRefused(t *testing.T) {
	m := startMail(t, peers.MailConfig{})
	e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone})
	for _, set := range []func(*channel.Attachment){
		func(a *channel.Attachment) { a.Name = "a\"\r\nBcc: eve@example.com" },
		func(a *channel.Attachment) { a.Name = "../a.mp3" },
		func(a *channel.Attachment) { a.Name = "" },
		func(a *channel.Attachment) { a.ContentType = "audio/mpeg\r\nX: y" },
		func(a *channel.Attachment) { a.Size = 0 },
	} {
		message, _ := withFile(bytes.NewReader(noise(10)), 10)
		set(message.Attachment)
		if _, err := e.Send(t.Context(), message); channel.ClassOf(err) != channel.Refused || len(m.Emails()) > 0 {
			t.Errorf("a file named %q of type %q: %v, want it refused", message.Attachment.Name, message.Attachment.ContentType, err)
		}
	}
}

// sink is a mail server's backend that keeps nothing.
type sink struct{ took atomic.Int64 }

func (s *sink) NewSession(*smtp.Conn) (smtp.Session, error) { return s, nil }
func (s *sink) Mail(string, *smtp.MailOptions) error        { return nil }
func (s *sink) Rcpt(string, *smtp.RcptOptions) error        { return nil }
func (s *sink) Reset()                                      {}
func (s *sink) Logout() error                               { return nil }
func (s *sink) Data(r io.Reader) error {
	n, err := io.Copy(io.Discard, r)
	s.took.Add(n)
	return err
}

// halfway is a file that is not anywhere, whose readers meet at its middle.
type halfway struct {
	size int64
	met  func()
	once sync.Once
}

func (h *halfway) ReadAt(p []byte, off int64) (int, error) {
	if off > h.size/2 {
		h.once.Do(h.met)
	}
	clear(p)
	return len(p), nil
}

// Four files of 20 MB at once take up no more memory than what is on its way.
func TestFilesAreNotHeldInMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute with the race detector")
	}
	const many, size = 4, 20_000_000
	backend := new(sink)
	server := smtp.NewServer(backend)
	server.Domain, server.MaxMessageBytes = "localhost", 1<<30
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener)
	defer server.Close()
	key, _ := dkimKey(t, "ed25519")
	e, err := channel.NewEmail(channel.EmailConfig{Host: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, From: testFrom,
		TLS: channel.TLSNone, Connections: many, DKIM: &channel.DKIM{Domain: "example.com", Selector: "s1", Key: key}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()

	var before, during runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, what := range []string{"signed", "sent"} {
		var here sync.WaitGroup
		here.Add(many)
		measure := sync.OnceFunc(func() {
			here.Wait()
			runtime.GC()
			runtime.ReadMemStats(&during)
		})
		var sends sync.WaitGroup
		for range many {
			sends.Go(func() {
				f := &halfway{size: size, met: func() { here.Done(); here.Wait(); measure() }}
				file := io.ReaderAt(f)
				if what == "sent" { // the second time that it is read
					file = &second{halfway: f}
				}
				message, _ := withFile(file, size)
				if _, err := e.Send(t.Context(), message); err != nil {
					t.Error(err)
				}
			})
		}
		sends.Wait()
		if more := int64(during.HeapAlloc) - int64(before.HeapAlloc); more > 4<<20 {
			t.Errorf("while %d files of %d bytes are %s: %d bytes more in memory, want less than 4 MB", many, size, what, more)
		}
	}
	if took := backend.took.Load(); took < 2*many*size*4/3 {
		t.Errorf("the server took %d bytes", took)
	}
}

// second is a halfway of which only the second time counts that it is read.
type second struct {
	*halfway
	times int
}

func (s *second) ReadAt(p []byte, off int64) (int, error) {
	if off == 0 {
		s.times++
	}
	if s.times == 2 {
		return s.halfway.ReadAt(p, off)
	}
	clear(p)
	return len(p), nil
}

// reads is a mail server that takes what comes after DATA as read says.
func reads(t *testing.T, read func(net.Conn)) (port int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				fmt.Fprint(conn, "220 here\r\n")
				one := make([]byte, 1)
				var line []byte
				for {
					if _, err := conn.Read(one); err != nil {
						return
					}
					if line = append(line, one[0]); one[0] != '\n' {
						continue
					}
					if string(line) == "DATA\r\n" {
						fmt.Fprint(conn, "354 go on\r\n")
						read(conn)
						return
					}
					fmt.Fprint(conn, "250 ok\r\n")
					line = line[:0]
				}
			}()
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

func newSlow(t *testing.T, patience time.Duration, read func(net.Conn)) *channel.Email {
	t.Helper()
	e, err := channel.NewEmail(channel.EmailConfig{Host: "127.0.0.1", Port: reads(t, read), From: testFrom, TLS: channel.TLSNone})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	e.SetPatience(patience)
	return e
}

func TestAServerThatStopsTakingTheFileIsNotWaitedFor(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	e := newSlow(t, time.Second, func(net.Conn) { <-ctx.Done() })
	message, _ := withFile(&halfway{size: 20_000_000, met: func() {}}, 20_000_000)
	began := time.Now()
	if _, err := e.Send(t.Context(), message); channel.ClassOf(err) != channel.ChannelDown || !strings.Contains(err.Error(), "DATA: no answer") {
		t.Errorf("Send = %v (%v), want that the channel is down", err, channel.ClassOf(err))
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it was waited for %v", took)
	}
}

// A file may take longer than the rest of a message, if only it goes on.
func TestAFileMayTakeItsTime(t *testing.T) {
	const patience = 500 * time.Millisecond
	e := newSlow(t, patience, func(conn net.Conn) {
		pause := time.NewTicker(patience / 20)
		defer pause.Stop()
		block, end := make([]byte, 400_000), []byte("\r\n.\r\n")
		var last []byte
		for !bytes.HasSuffix(last, end) {
			<-pause.C
			n, err := conn.Read(block)
			if err != nil {
				return
			}
			last = append(last[max(0, len(last)-len(end)):], block[:n]...)
		}
		fmt.Fprint(conn, "250 accepted\r\n")
	})
	message, _ := withFile(&halfway{size: 20_000_000, met: func() {}}, 20_000_000)
	began := time.Now()
	if _, err := e.Send(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < patience {
		t.Errorf("it took %v, which shows nothing", took)
	}
}
