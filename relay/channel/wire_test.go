package channel_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"

	"ringpost/relay/channel"
)

// listenPlain starts a mail server that knows no extension but those given, and
// returns where it listens. It yields what comes after each DATA, byte for
// byte, up to and including the line with the dot, and each other line that is
// no command it waits for.
func listenPlain(t *testing.T, extensions ...string) (port int, got <-chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	said := make(chan string, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go servePlain(conn, extensions, said)
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port, said
}

func servePlain(conn net.Conn, extensions []string, said chan<- string) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	answer := func(line string) { fmt.Fprintf(conn, "%s\r\n", line) }
	answer("220 plain")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch verb, _, _ := strings.Cut(strings.TrimSpace(line), " "); verb {
		case "EHLO":
			for _, e := range extensions {
				answer("250-" + e)
			}
			answer("250 plain")
		case "MAIL", "RCPT", "RSET", "NOOP", "QUIT":
			answer("250 ok")
		case "DATA":
			answer("354 go on")
			said <- readToDot(in)
			answer("250 accepted")
		default:
			said <- line
			answer("500 what?")
		}
	}
}

// readToDot reads as RFC 5321, section 4.1.1.4, has it: only CRLF, dot, CRLF
// ends a message.
func readToDot(in *bufio.Reader) string {
	var all strings.Builder
	all.WriteString("\r\n")
	for !strings.HasSuffix(all.String(), "\r\n.\r\n") {
		c, err := in.ReadByte()
		if err != nil {
			break
		}
		all.WriteByte(c)
	}
	return strings.TrimPrefix(all.String(), "\r\n")
}

func TestEmailArrivesWhereCommandsMustBeSentOneByOne(t *testing.T) {
	for _, extensions := range [][]string{nil, {"PIPELINING"}, {"8BITMIME"}} {
		port, got := listenPlain(t, extensions...)
		e, err := channel.NewEmail(channel.EmailConfig{Host: "127.0.0.1", Port: port, TLS: channel.TLSNone, From: testFrom})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := e.Send(t.Context(), &testMessage); err != nil {
				t.Fatalf("a server with %v: Send = %v", extensions, err)
			}
			if raw := <-got; !strings.Contains(raw, "Message-ID: <"+testMessage.ID+">\r\n") {
				t.Errorf("a server with %v got %q, want the message", extensions, raw)
			}
		}
		e.Close()
		if len(got) > 0 {
			t.Errorf("a server with %v got %q beside the messages", extensions, <-got)
		}
	}
}
