package main_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"ringpost/relay/callback"
)

// client is one kept connection to a server, without the cost of an HTTP
// client, which would be the load's and not the server's.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return &client{conn, bufio.NewReader(conn)}
}

// do sends a whole request and returns the answer's status.
func (c *client) do(request []byte) (status int, err error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil || len(line) < 12 {
		return 0, errors.Join(err, errors.New("no status line"))
	}
	_, err = fmt.Sscanf(string(line[9:12]), "%d", &status)
	length := 0
	for err == nil {
		if line, err = c.in.ReadSlice('\n'); err == nil && len(line) == 2 {
			break
		}
		if n, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			_, err = fmt.Sscanf(string(n), "%d", &length)
		}
	}
	if err == nil {
		_, err = c.in.Discard(length)
	}
	return status, err
}

// request returns a signed callback as bytes.
func request(form url.Values) []byte {
	body := form.Encode()
	header, signature, err := callback.Sign(signingKey, publicURL+callback.Path, body)
	if err != nil {
		panic(err)
	}
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: hooks.example.com\r\nContent-Type: application/x-www-form-urlencoded\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s",
		callback.Path, header, signature, len(body), body)
}

// pour sends requests over that many connections, as fast as they are answered,
// and returns how many were answered with 200.
func pour(t testing.TB, addr string, connections int, requests [][]byte) (accepted int, took time.Duration) {
	t.Helper()
	var wait sync.WaitGroup
	var mu sync.Mutex
	start := time.Now()
	for i := range connections {
		c := dial(t, addr)
		wait.Go(func() {
			defer c.conn.Close()
			ok := 0
			for j := i; j < len(requests); j += connections {
				status, err := c.do(requests[j])
				if err != nil {
					break
				}
				if status == http.StatusOK {
					ok++
				}
			}
			mu.Lock()
			accepted += ok
			mu.Unlock()
		})
	}
	wait.Wait()
	return accepted, time.Since(start)
}
