// Package storetest finds the PostgreSQL server that tests may use, makes servers
// that they may stop, and puts the way to a server in trouble.
package storetest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Variable names the environment's variable with the server's URL. Its user must
// be allowed to make schemas.
const Variable = "RINGPOST_TEST_POSTGRES"

// Postgres returns the URL of a schema of its own, which is dropped after the
// test. Without a server the test is skipped.
func Postgres(t testing.TB) string {
	t.Helper()
	server := os.Getenv(Variable)
	if server == "" {
		t.Skipf("PostgreSQL is not tested: %s is not set to the URL of a server, such as postgres://postgres@127.0.0.1:5432/postgres", Variable)
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s: want a URL", Variable)
	}
	schema := "ringpost_test_" + strings.ToLower(rand.Text())
	execute(t, server, `CREATE SCHEMA `+schema)
	t.Cleanup(func() { execute(t, server, `DROP SCHEMA `+schema+` CASCADE`) })
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	return u.String()
}

// Connect returns a connection to the server of that URL, for what a store does
// not do.
func Connect(t testing.TB, server string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server)
	if err != nil {
		t.Fatalf("connect to PostgreSQL: %v", err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// execute runs one statement over a connection of its own.
func execute(t testing.TB, server, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatalf("connect to the server of %s: %v", Variable, err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
