package storetest

import (
	"path/filepath"
	"testing"
)

// Each runs keep with the location of an empty store of each kind.
func Each(t *testing.T, keep func(t *testing.T, location string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { keep(t, "sqlite:"+filepath.Join(t.TempDir(), "ringpost.db")) })
	t.Run("postgres", func(t *testing.T) { keep(t, Postgres(t)) })
}
