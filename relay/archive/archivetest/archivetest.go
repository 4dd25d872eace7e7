// Package archivetest starts real servers for tests of archives: versitygw, which
// speaks S3's protocol, and Azurite, which speaks that of Azure's Blob Storage.
// Where one is not installed, the test is skipped and says so.
package archivetest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Store is a running server with an empty bucket.
type Store struct {
	URL string // of the bucket, without a prefix, as an archive reads it

	AccessKey, SecretKey string // of S3
	Account, Key         string // of Azure

	// Dir is where an S3 server keeps the bucket's objects, as files; empty for
	// others.
	Dir string

	stop func()
}

// Stop ends the server.
func (s *Store) Stop() { s.stop() }

// bucketOf is the bucket that stores have.
const bucketOf = "recordings"

// S3 starts a server of S3's protocol: the program that RINGPOST_TEST_S3GATEWAY
// names, or versitygw where it is in the PATH.
func S3(t testing.TB) *Store {
	t.Helper()
	program := find(t, "RINGPOST_TEST_S3GATEWAY", "versitygw",
		"go install github.com/versity/versitygw/cmd/versitygw@v1.8.0")
	dir, beside := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, bucketOf), 0o750); err != nil {
		t.Fatal(err)
	}
	s := &Store{AccessKey: "archivist", SecretKey: "a secret of 20 letters", Dir: filepath.Join(dir, bucketOf)}
	address := freeAddress(t)
	s.run(t, exec.Command(program, "--port", address, "--access", s.AccessKey, "--secret", s.SecretKey, "--quiet",
		"posix", "--sidecar", beside, dir), address)
	s.URL = "s3://" + bucketOf + "?endpoint=" + url.QueryEscape("http://"+address)
	return s
}

// The account that Azurite has, which is in its documentation.
const (
	azuriteAccount = "devstoreaccount1"
	azuriteKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Azure starts a server of Azure's protocol: the program that
// RINGPOST_TEST_AZURITE names, or azurite-blob where it is in the PATH.
func Azure(t testing.TB) *Store {
	t.Helper()
	program := find(t, "RINGPOST_TEST_AZURITE", "azurite-blob", "npm install -g azurite")
	s := &Store{Account: azuriteAccount, Key: azuriteKey}
	address := freeAddress(t)
	host, port, _ := net.SplitHostPort(address)
	s.run(t, exec.Command(program, "--blobHost", host, "--blobPort", port, "--location", t.TempDir(), "--silent"), address)
	endpoint := "http://" + address + "/" + azuriteAccount
	s.makeContainer(t, endpoint)
	s.URL = "azblob://" + bucketOf + "?endpoint=" + url.QueryEscape(endpoint)
	return s
}

// makeContainer asks for an empty container ("Create Container", Blob Storage).
func (s *Store) makeContainer(t testing.TB, endpoint string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPut, endpoint+"/"+bucketOf+"?restype=container", nil)
	if err != nil {
		t.Fatal(err)
	}
	date := time.Now().UTC().Format(http.TimeFormat)
	req.Header.Set("X-Ms-Date", date)
	req.Header.Set("X-Ms-Version", "2019-12-12")
	key, err := base64.StdEncoding.DecodeString(s.Key)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:%s\nx-ms-version:2019-12-12\n/%s%s\nrestype:container", date, s.Account, req.URL.Path)
	req.Header.Set("Authorization", "SharedKey "+s.Account+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("make a container: %s", resp.Status)
	}
}

// find returns a program, or skips the test.
func find(t testing.TB, variable, name, cure string) string {
	t.Helper()
	if program := os.Getenv(variable); program != "" {
		return program
	}
	program, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("there is no %s: install it (%s), or let %s name it", name, cure, variable)
	}
	return program
}

// run runs the server until the test ends, and returns once it listens.
func (s *Store) run(t testing.TB, command *exec.Cmd, address string) {
	t.Helper()
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = command.Wait()
	}()
	s.stop = func() {
		_ = command.Process.Kill()
		<-exited
	}
	t.Cleanup(s.stop)
	for deadline := time.Now().Add(time.Minute); ; {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-exited:
			t.Fatalf("%s has ended: %s", command.Path, said.String())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen: %v", command.Path, err)
		}
	}
}

// freeAddress returns an address to listen on that is free now. Its port is below
// those that systems give out by themselves, so that nothing else takes it
// meanwhile.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if err == nil {
			l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}
