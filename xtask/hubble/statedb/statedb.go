// Package statedb stands in for Cilium's in-memory database of this name.
//
// Hubble's programs link packages of Cilium's agent that name its types, and never run what uses them. So here are
// the types and functions that are named, and whoever opens a database finds out that there is none.
package statedb

import (
	"context"
	"iter"
	"time"

	"github.com/cilium/hive/cell"
	"github.com/cilium/statedb/index"
)

const missing = "this program was built without a database"

// Cell gives nothing.
var Cell = cell.Group()

type (
	// DB would be a database.
	DB struct{}

	// Revision would count the changes of a table.
	Revision = uint64

	// TableName is one.
	TableName = string

	// ReadTxn would be a state of the tables.
	ReadTxn interface{ read() }

	// WriteTxn would be a change of tables.
	WriteTxn interface {
		ReadTxn
		Commit() ReadTxn
		Abort()
	}

	// WatchSet would wait for several channels.
	WatchSet struct{}

	// TableWritable is an object that can be shown in columns.
	TableWritable interface {
		TableHeader() []string
		TableRow() []string
	}

	// Metrics takes in what a database would measure.
	Metrics interface {
		DeleteTrackerCount(string, int)
		GraveyardCleaningDuration(string, time.Duration)
		GraveyardLowWatermark(string, Revision)
		GraveyardObjectCount(string, int)
		ObjectCount(string, int)
		Revision(string, Revision)
		WriteTxnDuration(string, []string, time.Duration)
		WriteTxnTableAcquisition(string, string, time.Duration)
		WriteTxnTotalAcquisition(string, []string, time.Duration)
	}

	// Query would choose objects.
	Query[T any] struct{}

	// Index says by what objects can be found.
	Index[T, K any] struct {
		Name       string
		FromObject func(T) index.KeySet
		FromKey    func(K) index.Key
		FromString func(string) (index.Key, error)
		Unique     bool
	}

	// TableMeta is any table.
	TableMeta interface{ Name() TableName }

	// Change is one of an object.
	Change[T any] struct {
		Object   T
		Revision Revision
		Deleted  bool
	}

	// ChangeIterator would give changes as they come.
	ChangeIterator[T any] interface {
		Next(ReadTxn) (iter.Seq2[Change[T], Revision], <-chan struct{})
	}

	// Table would have objects.
	Table[T any] interface {
		TableMeta
		Initialized(ReadTxn) (bool, <-chan struct{})
		All(ReadTxn) iter.Seq2[T, Revision]
		AllWatch(ReadTxn) (iter.Seq2[T, Revision], <-chan struct{})
		Get(ReadTxn, Query[T]) (T, Revision, bool)
		GetWatch(ReadTxn, Query[T]) (T, Revision, <-chan struct{}, bool)
		List(ReadTxn, Query[T]) iter.Seq2[T, Revision]
		ListWatch(ReadTxn, Query[T]) (iter.Seq2[T, Revision], <-chan struct{})
		Prefix(ReadTxn, Query[T]) iter.Seq2[T, Revision]
		PrefixWatch(ReadTxn, Query[T]) (iter.Seq2[T, Revision], <-chan struct{})
		Changes(WriteTxn) (ChangeIterator[T], error)
	}

	// RWTable would be one that can be written.
	RWTable[T any] interface {
		Table[T]
		ToTable() Table[T]
		RegisterInitializer(WriteTxn, string) func(WriteTxn)
		Insert(WriteTxn, T) (T, bool, error)
		Delete(WriteTxn, T) (T, bool, error)
	}
)

// New fails.
func New() *DB { panic(missing) }

// NewHandle fails.
func (*DB) NewHandle(string) *DB { panic(missing) }

// ReadTxn fails.
func (*DB) ReadTxn() ReadTxn { panic(missing) }

// WriteTxn fails.
func (*DB) WriteTxn(TableMeta, ...TableMeta) WriteTxn { panic(missing) }

// NewTable fails.
func NewTable[T any](*DB, TableName, interface{ of(T) }, ...interface{ of(T) }) (RWTable[T], error) {
	panic(missing)
}

// of ties an index to what it is an index of.
func (Index[T, K]) of(T) {}

// Query chooses nothing.
func (Index[T, K]) Query(K) Query[T] { return Query[T]{} }

// QueryFromKey chooses nothing.
func (Index[T, K]) QueryFromKey(index.Key) Query[T] { return Query[T]{} }

// QueryFromObject chooses nothing.
func (Index[T, K]) QueryFromObject(T) Query[T] { return Query[T]{} }

// NewWatchSet fails.
func NewWatchSet() *WatchSet { panic(missing) }

// Add fails.
func (*WatchSet) Add(...<-chan struct{}) { panic(missing) }

// Wait fails.
func (*WatchSet) Wait(context.Context, time.Duration) ([]<-chan struct{}, error) { panic(missing) }

// Collect fails.
func Collect[T any](iter.Seq2[T, Revision]) []T { panic(missing) }

// ToSeq fails.
func ToSeq[T any](iter.Seq2[T, Revision]) iter.Seq[T] { panic(missing) }

// Map fails.
func Map[A, B any](iter.Seq2[A, Revision], func(A) B) iter.Seq2[B, Revision] { panic(missing) }
