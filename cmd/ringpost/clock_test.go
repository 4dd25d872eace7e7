package main_test

import (
	byteorder "encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"ringpost/relay/peers"
)

// TestAClockThatJumpsForwardGivesUpNothing sets the clock four days ahead, which
// is more than the three after which a delivery is given up, while the service
// is under load and email and SMS wait to be tried again.
func TestAClockThatJumpsForwardGivesUpNothing(t *testing.T) {
	whileTheClockJumps(t, "clock: jumps forward by four days", 4*24*time.Hour)
}

// TestAClockThatJumpsBackDelaysNothing sets the clock two hours back: what waits
// to be tried again does not wait two hours longer.
func TestAClockThatJumpsBackDelaysNothing(t *testing.T) {
	whileTheClockJumps(t, "clock: jumps back by two hours", -2*time.Hour)
}

// whileTheClockJumps lets the service's clock jump while callbacks come in, some
// recipients are refused for now, the mail server goes down, and some SMS are
// accepted unheard. Nothing is given up, lost or repeated, and retries go on as
// planned.
func whileTheClockJumps(t *testing.T, name string, by time.Duration) {
	t.Helper()
	s, clock := newClockScenario(t, name)
	greylisted := once(peers.RcptTo, "agent*", &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 1}, Message: "greylisted"})
	s.mailServer.begin(greylisted)
	s.smsAPI.begin(once(peers.SendSMS, "+1555020*7", peers.ErrAcceptAndCut))
	s.start()
	stop := s.load(50)
	<-time.After(2 * time.Second)
	s.mailServer.begin(always(peers.Connect, peers.ErrCut))
	s.fails("email")
	jump(t, clock, by)
	<-time.After(7 * time.Second) // for a probe of the mail server
	s.mailServer.begin(greylisted)
	<-time.After(3 * time.Second)
	stop()
	s.smsAPI.heal()
	s.mailServer.heal()
	s.settle()
}

// TestAWrongClockRepeatsNoSMS runs the service with a clock that is five minutes
// ahead of SignalWire's. An SMS that was accepted unheard is found all the same,
// and not sent again.
func TestAWrongClockRepeatsNoSMS(t *testing.T) {
	s, clock := newClockScenario(t, "clock: five minutes ahead all the time")
	jump(t, clock, 5*time.Minute)
	s.smsAPI.begin(once(peers.SendSMS, "*7", peers.ErrAcceptAndCut))
	s.start()
	s.post(50)
	s.settle()
}

// newClockScenario prepares a scenario whose server goes by the clock in a file.
func newClockScenario(t *testing.T, name string) (s *scenario, clock string) {
	t.Helper()
	if !*long {
		t.Skip("builds the standard library anew: run it with -long")
	}
	binary := withSettableClock(t)
	t.Parallel()
	s = newScenario(t, name, settings{})
	clock = filepath.Join(t.TempDir(), "clock")
	write(t, clock, string(make([]byte, 8)))
	s.server.binary = binary
	s.server.env = []string{"RINGPOST_TEST_CLOCK=" + clock}
	return s, clock
}

// jump sets the clock of the process that has the file mapped.
func jump(t *testing.T, clock string, by time.Duration) {
	t.Helper()
	f, err := os.OpenFile(clock, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(byteorder.NativeEndian.AppendUint64(nil, uint64(by/time.Second)), 0); err != nil {
		t.Fatal(err)
	}
}

// withSettableClock returns the program, built with a standard library whose
// time.Now adds as many seconds to the wall clock as stand in a file. The
// monotonic clock is as it was.
func withSettableClock(t *testing.T) (binary string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the clock can be set on Linux only, where a file can be mapped without more ado")
	}
	binary, err := buildWithSettableClock()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// buildWithSettableClock builds once for all tests.
var buildWithSettableClock = sync.OnceValues(func() (string, error) {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	folder := filepath.Join(strings.TrimSpace(string(goroot)), "src", "time")
	original, err := os.ReadFile(filepath.Join(folder, "time.go"))
	if err != nil {
		return "", err
	}
	const read = "sec, nsec, mono := runtimeNow()\n"
	changed := strings.Replace(string(original), read, read+"\tsec += settableClock()\n", 1)
	if changed == string(original) {
		return "", fmt.Errorf("time.Now of this Go does not read the clock by %q: change this test", read)
	}
	dir := filepath.Dir(binary)
	now, file, overlay := filepath.Join(dir, "time.go"), filepath.Join(dir, "clock.go"), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {
		filepath.Join(folder, "time.go"):           now,
		filepath.Join(folder, "settable_clock.go"): file,
	}})
	if err != nil {
		return "", err
	}
	for name, content := range map[string]string{now: changed, file: settableClock, overlay: string(list)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	out := filepath.Join(dir, "ringpost-with-settable-clock")
	if said, err := exec.Command("go", "build", "-overlay", overlay, "-o", out, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build with a settable clock: %w\n%s", err, said)
	}
	return out, nil
})

// settableClock is a file of package time. It cannot use package os, which needs
// that package.
const settableClock = `package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

var clockOffset = func() *int64 {
	name, ok := syscall.Getenv("RINGPOST_TEST_CLOCK")
	if !ok {
		return nil
	}
	fd, err := syscall.Open(name, syscall.O_RDONLY, 0)
	if err != nil {
		panic("the clock's file: " + err.Error())
	}
	page, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic("the clock's file: " + err.Error())
	}
	return (*int64)(unsafe.Pointer(&page[0]))
}()

func settableClock() int64 {
	if clockOffset == nil {
		return 0
	}
	return atomic.LoadInt64(clockOffset)
}
`
