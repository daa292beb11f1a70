package storetest

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
)

// ErrFault is what a fault gives.
var ErrFault = errors.New("storetest: this call was made to fail")

// Faults makes calls of a database driver fail.
type Faults struct {
	mu         sync.Mutex
	left       int  // calls until the fault; 0: none is set
	hang       bool // the fault is that the call does not return
	loseAnswer bool // of the next commit
}

// FailAt makes the nth call from now fail: a begin, a preparation, a statement
// or a commit. 0: none.
func (f *Faults) FailAt(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.hang = n, false
}

// HangAt makes the nth call from now hang until its context ends.
func (f *Faults) HangAt(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.hang = n, true
}

// Pending reports whether the fault that was set has not come yet, and takes it
// away.
func (f *Faults) Pending() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	left := f.left
	f.left = 0
	return left > 0
}

// LoseAnswer makes the next commit take place and fail all the same, as a
// connection does that breaks while the answer is on its way.
func (f *Faults) LoseAnswer() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loseAnswer = true
}

// call is told of every call, and fails the one that is to fail.
func (f *Faults) call(ctx context.Context) error {
	f.mu.Lock()
	now := f.left == 1
	if f.left > 0 {
		f.left--
	}
	hang := f.hang
	f.mu.Unlock()
	switch {
	case !now:
		return nil
	case hang:
		<-ctx.Done()
		return ctx.Err()
	}
	return ErrFault
}

func (f *Faults) lost() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	lost := f.loseAnswer
	f.loseAnswer = false
	return lost
}

// Driver is a database driver whose calls fail where f says so. Its connections
// must implement the contexts of database/sql/driver.
func Driver(d driver.Driver, f *Faults) driver.Driver { return faultyDriver{d, f} }

type faultyDriver struct {
	driver.Driver
	faults *Faults
}

func (d faultyDriver) Open(name string) (driver.Conn, error) {
	c, err := d.Driver.Open(name)
	if err != nil {
		return nil, err
	}
	return &faultyConn{c, c.(fullConn), d.faults}, nil
}

// fullConn is what a modern driver's connection does.
type fullConn interface {
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type faultyConn struct {
	driver.Conn
	fullConn
	faults *Faults
}

func (c *faultyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if err := c.faults.call(ctx); err != nil {
		return nil, err
	}
	tx, err := c.fullConn.BeginTx(ctx, o)
	return faultyTx{tx, ctx, c.faults}, err
}

func (c *faultyConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if err := c.faults.call(ctx); err != nil {
		return nil, err
	}
	s, err := c.fullConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return faultyStmt{s, c.faults}, nil
}

func (c *faultyConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.faults.call(ctx); err != nil {
		return nil, err
	}
	return c.fullConn.ExecContext(ctx, query, args)
}

func (c *faultyConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.faults.call(ctx); err != nil {
		return nil, err
	}
	return c.fullConn.QueryContext(ctx, query, args)
}

type faultyStmt struct {
	driver.Stmt
	faults *Faults
}

func (s faultyStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := s.faults.call(ctx); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s faultyStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.faults.call(ctx); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

type faultyTx struct {
	driver.Tx
	ctx    context.Context
	faults *Faults
}

func (t faultyTx) Commit() error {
	if err := t.faults.call(t.ctx); err != nil {
		return errors.Join(err, t.Tx.Rollback())
	}
	err := t.Tx.Commit()
	if err == nil && t.faults.lost() {
		return ErrFault
	}
	return err
}
