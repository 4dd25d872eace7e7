//go:build unix

package storetest

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// startTime bounds how long a server takes to start: after a crash it reads its
// log first.
const startTime = time.Minute

// Cluster is a PostgreSQL server of a test's own, which it may stop and start.
type Cluster struct {
	URL string

	t          testing.TB
	dir        string
	bin        string // where the programs are
	port       string
	credential *syscall.Credential
	server     *exec.Cmd // nil while it is stopped
}

// NewCluster makes a server out of the programs that are installed, and does not
// start it. Without them the test is skipped.
func NewCluster(t testing.TB) *Cluster {
	t.Helper()
	bin := programs()
	if bin == "" {
		t.Skip("a PostgreSQL server of its own is not tested: initdb is neither in /usr/lib/postgresql/*/bin nor in PATH")
	}
	// Not t.TempDir, into which the server's user cannot go.
	dir, err := os.MkdirTemp("", "ringpost-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{t: t, dir: dir, bin: bin, port: freePort(t)}
	c.URL = "postgres://postgres@127.0.0.1:" + c.port + "/postgres"
	t.Cleanup(func() {
		c.Stop()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("the end of PostgreSQL's log:\n%s", log[max(0, len(log)-4000):])
		}
		os.RemoveAll(dir)
	})
	if os.Geteuid() == 0 { // as whom PostgreSQL does not run
		if err := c.becomePostgres(); err != nil {
			t.Skipf("a PostgreSQL server of its own is not tested: %v", err)
		}
	}
	initdb := c.command("initdb", "-D", filepath.Join(dir, "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	return c
}

// programs returns the folder of the newest PostgreSQL; empty where there is
// none.
func programs() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) > 0 {
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) }))
	}
	if initdb, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(initdb)
	}
	return ""
}

func version(initdb string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	return n
}

func (c *Cluster) becomePostgres() error {
	u, err := user.Lookup("postgres")
	if err != nil {
		return err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return err
	}
	c.credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(c.dir, int(uid), int(gid))
}

func (c *Cluster) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, program), args...)
	cmd.Dir = c.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.credential}
	return cmd
}

// Start starts the server and waits until it answers.
func (c *Cluster) Start() {
	c.t.Helper()
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	c.server = c.command("postgres", "-D", filepath.Join(c.dir, "data"), "-p", c.port,
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+c.dir, "-c", "fsync=on")
	c.server.Stdout, c.server.Stderr = log, log
	if err := c.server.Start(); err != nil {
		c.server = nil
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for err = errors.New("not asked yet"); err != nil; {
		select {
		case <-tick.C:
			err = c.ping(ctx)
		case <-ctx.Done():
			c.t.Fatalf("PostgreSQL does not answer within %v: %v", startTime, err)
		}
	}
}

func (c *Cluster) ping(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.URL)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// Stop stops the server as pg_ctl stop -m immediate does: without warning, and
// without writing down what is in memory. What was committed must be there at
// the next start.
func (c *Cluster) Stop() {
	if c.server == nil {
		return
	}
	if err := c.server.Process.Signal(syscall.SIGQUIT); err != nil {
		c.t.Errorf("stop PostgreSQL: %v", err)
	}
	_ = c.server.Wait() // which says that it did not exit in order
	c.server = nil
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
