package main_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/jackc/pgx/v5"

	"ringpost/relay/peers"
	"ringpost/relay/store"
	"ringpost/relay/store/storetest"
)

// cluster is a scenario whose callbacks go to several servers in turn, which
// share a PostgreSQL database.
type cluster struct {
	*scenario
	nodes []*server
}

// newCluster prepares a scenario with a server for each of the URLs of the
// database.
func newCluster(t *testing.T, name string, set settings, urls ...string) *cluster {
	t.Helper()
	c := &cluster{scenario: newScenario(t, name, set)}
	for _, url := range urls {
		c.nodes = append(c.nodes, newServerOn(t, t.TempDir(), url, c.config(set)))
	}
	c.server = c.nodes[0] // which is asked what has become of all
	var turn atomic.Int64
	c.next = func() *server { return c.nodes[int(turn.Add(1))%len(c.nodes)] } // as a load balancer does
	return c
}

func (c *cluster) start() *cluster {
	c.t.Helper()
	for _, node := range c.nodes {
		node.start()
	}
	return c
}

// pour posts n callbacks, sixteen at a time, and calls halfway once half of them
// are acknowledged.
func (c *cluster) pour(n int, halfway func()) {
	orders := make(chan order)
	var posts sync.WaitGroup
	for range 16 {
		posts.Go(func() {
			for o := range orders {
				c.insist(o)
			}
		})
	}
	for i := range n {
		if i == n/2 {
			halfway()
		}
		orders <- c.anOrder()
	}
	close(orders)
	posts.Wait()
}

// settle waits for all that is to arrive, and checks what was counted, and that
// no node has ended by itself.
func (c *cluster) settle() {
	c.t.Helper()
	c.arrives("email")
	c.arrives("sms")
	c.scenario.settle()
	for i, node := range c.nodes {
		if node.command == nil {
			continue // killed
		}
		select {
		case err := <-node.exited:
			c.t.Errorf("node %d has ended: %v", i, err)
			node.command = nil
		default:
		}
	}
}

// TestAKilledNodesWorkIsDoneByTheOthers kills one of three nodes under load.
// Senders go to the others at once; what the dead node had leased they take up
// within thirty seconds of its death. SMS wait until they can be looked up.
func TestAKilledNodesWorkIsDoneByTheOthers(t *testing.T) {
	const within = 30 * time.Second
	url := storetest.Postgres(t)
	t.Parallel()
	callbacks := 3000
	if *long {
		callbacks = 20_000
	}
	c := newCluster(t, "nodes: kill -9 of one of three under load", settings{}, url, url, url)
	c.afterwards = 5 * time.Millisecond // so that some are accepted and not yet known to be
	c.start()
	db := storetest.Connect(t, url)
	var died time.Time
	watched := make(chan takeover, 1)
	c.pour(callbacks, func() {
		c.nodes[2].kill()
		died = time.Now()
		c.allowRepeats(2 * workers)
		go func() { watched <- watchTakeover(t.Context(), db, died) }()
	})
	w := <-watched
	switch {
	case w.err != nil:
		t.Fatalf("watch what the dead node had leased: %v", w.err)
	case w.deliveries == 0:
		t.Error("the dead node had nothing leased, want some to be taken up")
	case w.after > within:
		t.Errorf("the dead node's deliveries were taken up %v after its death, want within %v", w.after, within)
	}
	t.Logf("%d deliveries of the dead node were taken up within %v of its death", w.deliveries, w.after)
	c.settle()
}

// takeover is what became of the deliveries that a dead node had leased.
type takeover struct {
	deliveries int
	after      time.Duration // until they were leased to it no more
	err        error
}

// watchTakeover watches the deliveries that were leased to a node when it died.
func watchTakeover(ctx context.Context, db *pgx.Conn, died time.Time) (w takeover) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// The others renew their leases every five seconds for fifteen: soon, what is
	// leased until fifteen seconds after the death, or less, is the dead node's.
	<-time.After(time.Until(died.Add(9 * time.Second)))
	const leased = `FROM deliveries WHERE state = 'sending' AND lease_until <= $1`
	until := died.Add(store.Lease).UnixMicro()
	w.err = db.QueryRow(ctx, `SELECT count(*) `+leased, until).Scan(&w.deliveries)
	for left := w.deliveries; left > 0 && w.err == nil; <-time.After(20 * time.Millisecond) {
		w.err = db.QueryRow(ctx, `SELECT count(*) `+leased, until).Scan(&left)
	}
	w.after = time.Since(died)
	return w
}

// TestNodesWaitForADatabaseThatIsNotThereYet starts nodes before their database.
// One that is told to stop meanwhile stops, and nothing has failed.
func TestNodesWaitForADatabaseThatIsNotThereYet(t *testing.T) {
	proxy, url := storetest.NewProxy(t, storetest.Postgres(t))
	t.Parallel()
	proxy.Refuse()
	c := newCluster(t, "nodes: start before the database", settings{}, url, url)
	waits := func(s *server) bool { return strings.Contains(tail(s.file("log"), 100), "waiting for the database") }
	stops := newServerOn(t, t.TempDir(), url, c.config(settings{}))
	log, err := os.Create(stops.file("log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	stopping := stops.serve(t.Context())
	stopping.Stderr = log
	if err := stopping.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a node waits for the database", patience, func() bool { return waits(stops) })
	if err := stopping.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := stopping.Wait(); err != nil {
		t.Errorf("a node that was told to stop while it waits exited with %v, want 0\n%s", err, tail(stops.file("log"), 5))
	}
	go func() {
		for !waits(c.nodes[0]) {
			<-time.After(10 * time.Millisecond)
		}
		proxy.Restore()
	}()
	c.start()
	c.pour(20, func() {})
	c.settle()
}

// TestConnectionsToTheDatabaseThatBreakLoseNothing cuts the connections of two
// nodes again and again, some of them at the moment of a COMMIT, before the
// server hears of it or after.
func TestConnectionsToTheDatabaseThatBreakLoseNothing(t *testing.T) {
	cuts := 20
	if *long {
		cuts = 100
	}
	database := storetest.Postgres(t)
	first, throughFirst := storetest.NewProxy(t, database)
	second, throughSecond := storetest.NewProxy(t, database)
	t.Parallel()
	c := newCluster(t, "nodes: connections to the database are cut", settings{}, throughFirst, throughSecond).start()
	stop := c.load(100)
	for i := range cuts {
		proxy := []*storetest.Proxy{first, second}[i%2]
		switch i / 2 % 3 {
		case 0:
			proxy.Cut()
		case 1:
			proxy.CutCommits(storetest.BeforeCommit, 1)
		case 2:
			proxy.CutCommits(storetest.AfterCommit, 1)
		}
		c.allowRepeats(2 * workers) // a connection breaks between an acceptance and its commit
		<-time.After(200 * time.Millisecond)
	}
	stop()
	c.settle()
}

// TestARateHoldsForAllNodesTogether sends SMS over two nodes at four a second.
func TestARateHoldsForAllNodesTogether(t *testing.T) {
	url := storetest.Postgres(t)
	t.Parallel()
	const perSecond, callbacks = 4, 40
	c := newCluster(t, "nodes: a rate of 4/s for two", settings{sms: fmt.Sprintf("rate = \"%d/s\"", perSecond)}, url, url).start()
	c.pour(callbacks, func() {})
	c.settle()
	var times []time.Time
	for _, m := range c.api.Messages() {
		times = append(times, m.At)
	}
	slices.SortFunc(times, time.Time.Compare)
	seconds := make([]int, int(times[len(times)-1].Sub(times[0]).Seconds())+1)
	for _, at := range times {
		seconds[int(at.Sub(times[0]).Seconds())]++
	}
	t.Logf("SMS in each second: %v", seconds)
	// A busy machine delays some, which come with the next ones, but no more come
	// in any time than in that and a second beside.
	for i := range times {
		for j := i + 1; j < len(times); j++ {
			took := times[j].Sub(times[i])
			if n := j - i; float64(n) > perSecond*(took.Seconds()+1) {
				t.Errorf("%d SMS within %v, want %d a second", n+1, took, perSecond)
			}
		}
	}
	if took, least := times[len(times)-1].Sub(times[0]), (callbacks-1)*time.Second/perSecond-time.Second; took < least {
		t.Errorf("%d SMS took %v, want %v or more", callbacks, took, least)
	}
}

// TestANodeWhoseClockIsWrongDoesNoHarm runs three nodes, of which one is four
// days ahead, longer than a delivery is tried, and one two days behind. Some
// recipients are refused for now and some SMS accepted unheard: nothing is given
// up, taken from another, or repeated.
func TestANodeWhoseClockIsWrongDoesNoHarm(t *testing.T) {
	if !*long {
		t.Skip("builds the standard library anew: run it with -long")
	}
	url := storetest.Postgres(t)
	binary := withSettableClock(t)
	t.Parallel()
	c := newCluster(t, "nodes: two of three have a wrong clock", settings{}, url, url, url)
	for node, by := range map[*server]time.Duration{c.nodes[1]: 4 * 24 * time.Hour, c.nodes[2]: -2 * 24 * time.Hour} {
		clock := node.file("clock")
		write(t, clock, string(make([]byte, 8)))
		jump(t, clock, by)
		node.binary, node.env = binary, []string{"RINGPOST_TEST_CLOCK=" + clock}
	}
	c.mailServer.begin(once(peers.RcptTo, "agent*", &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 1}, Message: "greylisted"}))
	c.smsAPI.begin(once(peers.SendSMS, "+1555020*7", peers.ErrAcceptAndCut))
	c.start()
	stop := c.load(50)
	<-time.After(20 * time.Second) // longer than a lease
	stop()
	c.settle()
	db := storetest.Connect(t, url)
	var off int
	err := db.QueryRow(t.Context(), `SELECT count(*) FROM deliveries
		WHERE abs(created_at - extract(epoch FROM clock_timestamp()) * 1000000) > 3600e6`).Scan(&off)
	if err != nil || off != 0 {
		t.Errorf("%d deliveries were made at a wrong time (%v), want none", off, err)
	}
}
