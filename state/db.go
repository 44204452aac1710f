package state

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite" // the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/evenkeel/evenkeel/journal"
)

//go:embed migrations/*.sql
var migrations embed.FS

// FileName is the database file inside the data folder.
const FileName = "state.db"

// DB is the embedded database. Reads run in parallel on a pool; writes are
// serialised on one connection, because SQLite has one writer anyway and a
// queue in Go is fairer than a busy loop in C.
type DB struct {
	read  *sql.DB
	write *sql.DB
	path  string

	mu        sync.Mutex // guards followers
	followers map[chan journal.Fact]struct{}

	stmts statements // of the write connection
}

// Open opens or creates the database in dir and migrates it.
func Open(ctx context.Context, dir string) (*DB, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot create data folder %q: %w", dir, err)
	}
	path := filepath.Join(dir, FileName)
	// synchronous(full): a committed transaction is on disk, not only in the page cache.
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)"
	write, err := sql.Open("sqlite", dsn+"&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("cannot open state %q: %w", path, err)
	}
	write.SetMaxOpenConns(1)
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	// Migrations do not build on each other across rooms: one that comes with a lower
	// number than the last is caught up on.
	provider, err := goose.NewProvider(goose.DialectSQLite3, write, sub, goose.WithAllowOutofOrder(true))
	if err == nil {
		_, err = provider.Up(ctx)
	}
	if err != nil {
		_ = write.Close()
		return nil, fmt.Errorf("cannot migrate state %q: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = write.Close()
		return nil, fmt.Errorf("cannot protect state %q: %w", path, err)
	}
	read, err := sql.Open("sqlite", dsn+"&_pragma=query_only(1)")
	if err != nil {
		_ = write.Close()
		return nil, fmt.Errorf("cannot open state %q: %w", path, err)
	}
	read.SetMaxOpenConns(8)
	return &DB{read: read, write: write, path: path, followers: map[chan journal.Fact]struct{}{}}, nil
}

// Close ends both pools. Transactions in progress finish first.
func (db *DB) Close() error {
	db.stmts.close()
	err := db.write.Close()
	if e := db.read.Close(); err == nil {
		err = e
	}
	return err
}

// Read is the pool for queries that write nothing.
func (db *DB) Read() *sql.DB { return db.read }

// Tx is a write transaction that can also write facts.
type Tx struct {
	*sql.Tx
	ctx   context.Context //nolint:containedctx // lives exactly as long as the call to Update
	facts []journal.Fact
	db    *DB
	used  map[string]*sql.Stmt // those of the write connection that this transaction has used
}

// Update runs fn in one write transaction. Rows and facts are committed together
// when fn returns nil; followers of the journal see the facts after the commit.
func (db *DB) Update(ctx context.Context, fn func(tx *Tx) error) error {
	return db.update(ctx, db.write, fn)
}

// UpdateUnsynced is Update for what may be done again: it survives a kill of the program, and
// the machine from the next Update on. Nothing that was acknowledged may depend on it.
func (db *DB) UpdateUnsynced(ctx context.Context, fn func(tx *Tx) error) error {
	// It is the only connection that writes: nobody else's commit falls in between.
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("cannot begin state transaction: %w", err)
	}
	err = func() error {
		defer conn.Close()
		set := context.WithoutCancel(ctx)
		if _, err := conn.ExecContext(set, `PRAGMA synchronous = NORMAL`); err != nil {
			return fmt.Errorf("cannot begin state transaction: %w", err)
		}
		err := db.update(ctx, conn, fn)
		if _, e := conn.ExecContext(set, `PRAGMA synchronous = FULL`); e != nil {
			// A connection that does not keep what it commits must not be used again.
			_ = conn.Raw(func(any) error { return driver.ErrBadConn })
			return errors.Join(err, fmt.Errorf("cannot end state transaction: %w", e))
		}
		return err
	}()
	db.stmts.prepare(ctx, db.write)
	return err
}

// update runs fn in a transaction of its own.
func (db *DB) update(ctx context.Context, on interface {
	BeginTx(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error)
}, fn func(tx *Tx) error) error {
	sqltx, err := on.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("cannot begin state transaction: %w", err)
	}
	tx := &Tx{Tx: sqltx, ctx: ctx, db: db}
	if err := fn(tx); err != nil {
		_ = sqltx.Rollback()
		return err
	}
	if err := sqltx.Commit(); err != nil {
		return fmt.Errorf("cannot commit state transaction: %w", err)
	}
	db.publish(tx.facts)
	if on == any(db.write) {
		db.stmts.prepare(ctx, db.write)
	}
	return nil
}

// Full says whether something could not be stored because the disk is full. Nothing of it
// was stored then.
func Full(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_FULL
}

// Millis is how times are stored: milliseconds since 1970 UTC, 0 for none.
func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Time is the inverse of Millis, in UTC.
func Time(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
