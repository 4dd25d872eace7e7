package intake

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// maxRefused is how many refused requests are kept, and maxRefusedBytes how
	// much of them: whoever floods the listener gets no more memory for that.
	maxRefused      = 100
	maxRefusedBytes = 1 << 20
	// maxHead bounds what is kept of a request before its body, and maxTarget the
	// target in that, so that there is room for the headers.
	maxHead   = 8 << 10
	maxTarget = 6 << 10
)

// Refusal is a request that was answered with an error that is the sender's.
type Refusal struct {
	At      time.Time
	Status  int // of the answer
	Reason  string
	Request []byte // raw HTTP without passwords
}

// refusals are the last requests that were refused.
type refusals struct {
	mu    sync.Mutex
	list  []Refusal
	bytes int    // of the requests in list
	count uint64 // of all there were
}

func (f *refusals) add(r Refusal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, r)
	f.count++
	f.bytes += len(r.Request)
	old := 0
	for len(f.list)-old > maxRefused || f.bytes > maxRefusedBytes {
		f.bytes -= len(f.list[old].Request)
		old++
	}
	f.list = slices.Delete(f.list, 0, old)
}

// Refused returns the requests that were refused after so many others, as far as
// they are kept, and how many there were by now.
func (in *Intake) Refused(after uint64) (list []Refusal, count uint64) {
	f := &in.refusals
	f.mu.Lock()
	defer f.mu.Unlock()
	list = slices.Clone(f.list)
	if kept := f.count - uint64(len(list)); after > kept {
		list = list[min(after-kept, uint64(len(list))):]
	}
	return list, f.count
}

// noteRefused keeps a request that is answered with status, with as much of its
// body as was read.
func (in *Intake) noteRefused(r *http.Request, body []byte, status int, reason string) {
	head, whole := writeHead(r, len(body))
	if !whole {
		reason += " (kept without all of its headers)"
	}
	in.refusals.add(Refusal{At: time.Now(), Status: status, Reason: reason, Request: append(head, body...)})
}

// telling are the headers that say most about a callback; they come first where
// there is not room for all.
var telling = []string{"X-Signalwire-Signature", "X-Twilio-Signature", "Content-Type", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"}

// secret are headers that may hold passwords.
var secret = []string{"Authorization", "Proxy-Authorization", "Cookie"}

// writeHead returns what comes before the body of a request, as it is sent, and
// whether that is all of it.
func writeHead(r *http.Request, body int) (head []byte, whole bool) {
	var b bytes.Buffer
	target := r.RequestURI
	if len(target) > maxTarget {
		target = target[:maxTarget]
	}
	fmt.Fprintf(&b, "%s %s %s\r\n", r.Method, target, r.Proto)
	whole = len(target) == len(r.RequestURI)
	add := func(name, value string) {
		if b.Len()+len(name)+len(value)+len(": \r\n\r\n") > maxHead {
			whole = false
			return
		}
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	add("Host", r.Host)
	if body > 0 {
		add("Content-Length", fmt.Sprint(body)) // it may have come in chunks
	}
	rest := slices.DeleteFunc(slices.Sorted(maps.Keys(r.Header)), func(name string) bool {
		return slices.Contains(telling, name) || slices.Contains(secret, name) || name == "Content-Length" && body > 0
	})
	for _, name := range append(slices.Clone(telling), rest...) {
		for _, value := range r.Header[name] {
			add(name, strings.TrimSpace(value))
		}
	}
	b.WriteString("\r\n")
	return b.Bytes(), whole
}
