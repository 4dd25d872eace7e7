package storetest

import (
	"bytes"
	"errors"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// Proxy stands before a PostgreSQL server and puts the way to it in trouble. Its
// methods may be called at once.
type Proxy struct {
	t      testing.TB
	target string // host:port of the server
	addr   string // of the proxy

	mu       sync.Mutex
	listener net.Listener // nil while nobody listens
	pairs    map[*pair]bool
	hangUp   bool
	thawed   chan struct{} // closed while bytes pass
	cut      CommitCut
	cuts     int // commits still to be cut
	serving  sync.WaitGroup
}

// CommitCut is when a connection is cut over which a COMMIT goes, or a statement
// that is a transaction by itself.
type CommitCut int

const (
	BeforeCommit CommitCut = iota // the server never hears of it
	AfterCommit                   // the client never hears that it was done
)

// pair is a client's connection and the one to the server.
type pair struct {
	client, server net.Conn
	commits        [][]byte // how the client calls what it has prepared that commits
}

func (p *pair) close() {
	p.client.Close()
	p.server.Close()
}

// NewProxy starts a proxy before the server of that URL, and returns the URL
// that leads through it.
func NewProxy(t testing.TB, server string) (p *Proxy, through string) {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("a proxy wants a server's URL")
	}
	p = &Proxy{t: t, target: u.Host, addr: "127.0.0.1:0", pairs: make(map[*pair]bool), thawed: make(chan struct{})}
	close(p.thawed)
	p.Restore()
	t.Cleanup(func() {
		p.Refuse()
		p.thaw()
		p.serving.Wait()
	})
	u.Host = p.addr
	query := u.Query()
	query.Set("sslmode", "disable") // or the proxy would see no COMMIT
	u.RawQuery = query.Encode()
	return p, u.String()
}

// Cut breaks all connections. New ones are taken.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.close()
	}
}

// Refuse breaks all connections and refuses new ones, as where no server runs.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
	p.mu.Unlock()
	p.Cut()
}

// HangUp breaks all connections, and new ones once they are made, as a port
// forwarder does whose server does not run.
func (p *Proxy) HangUp() {
	p.mu.Lock()
	p.hangUp = true
	p.mu.Unlock()
	p.Cut()
}

// Freeze passes nothing on, and breaks nothing, as a network does that loses
// every packet.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	p.thawed = make(chan struct{})
	p.mu.Unlock()
}

// Restore ends what Refuse, HangUp and Freeze have begun.
func (p *Proxy) Restore() {
	p.thaw()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hangUp = false
	if p.listener != nil {
		return
	}
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		p.t.Errorf("the proxy cannot listen: %v", err)
		return
	}
	p.listener, p.addr = l, l.Addr().String()
	p.serving.Go(func() { p.serve(l) })
}

func (p *Proxy) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.thawed:
	default:
		close(p.thawed)
	}
}

// CutCommits cuts the connections over which the next n COMMITs go. It returns how
// many of those that it was asked for before were not.
func (p *Proxy) CutCommits(when CommitCut, n int) (uncut int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	uncut, p.cut, p.cuts = p.cuts, when, n
	return uncut
}

func (p *Proxy) serve(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		hangUp := p.hangUp
		p.mu.Unlock()
		if hangUp {
			client.Close()
			continue
		}
		p.serving.Go(func() { p.connect(client) })
	}
}

func (p *Proxy) connect(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		client.Close()
		return
	}
	c := &pair{client: client, server: server}
	p.mu.Lock()
	p.pairs[c] = true
	p.mu.Unlock()
	var passing sync.WaitGroup
	passing.Go(func() { p.pass(c, client, server, p.request) })
	passing.Go(func() { p.pass(c, server, client, p.answer) })
	passing.Wait()
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
}

// errCut means that a connection is to be cut in place of passing something on.
var errCut = errors.New("cut")

// pass passes on what comes from one side, until either has closed.
func (p *Proxy) pass(c *pair, from, to net.Conn, look func(*pair, []byte) error) {
	defer c.close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			p.mu.Lock()
			thawed := p.thawed
			p.mu.Unlock()
			<-thawed
			if look(c, buffer[:n]) != nil {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// request looks at what a client sends. What it prepares and runs comes in one
// piece each, since it waits for the answers.
func (p *Proxy) request(c *pair, b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, statement := range []string{"COMMIT", "INSERT INTO callbacks"} {
		if b[0] == 'P' && len(b) > 5 && bytes.Contains(b, []byte(statement)) { // 'P', length, name, query
			name, _, _ := bytes.Cut(b[5:], []byte{0})
			c.commits = append(c.commits, slices.Concat([]byte{0}, name, []byte{0}))
		}
	}
	if p.cuts > 0 && p.cut == BeforeCommit &&
		slices.ContainsFunc(c.commits, func(name []byte) bool { return bytes.Contains(b, name) }) {
		p.cuts--
		return errCut
	}
	return nil
}

// committed is the end of an answer after which no transaction is open.
var committed = []byte("Z\x00\x00\x00\x05I")

// answer looks at what the server sends.
func (p *Proxy) answer(_ *pair, b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cuts > 0 && p.cut == AfterCommit && bytes.HasSuffix(b, committed) &&
		(bytes.Contains(b, []byte("COMMIT\x00")) || bytes.Contains(b, []byte("INSERT 0 "))) {
		p.cuts--
		return errCut
	}
	return nil
}
