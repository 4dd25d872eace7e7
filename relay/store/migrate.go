package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// folders are where the migrations of each kind of database are.
var folders = map[goose.Dialect]string{
	goose.DialectSQLite3:  "migrations/sqlite",
	goose.DialectPostgres: "migrations/postgres",
}

// migrate brings the database up to date.
func migrate(ctx context.Context, dialect goose.Dialect, db *sql.DB, options ...goose.ProviderOption) error {
	dir, err := fs.Sub(migrations, folders[dialect])
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	p, err := goose.NewProvider(dialect, db, dir, append(options, goose.WithLogger(goose.NopLogger()))...)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
