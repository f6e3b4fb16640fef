// Package reconciler stands in for what brings other things in step with a table of Cilium's database.
package reconciler

import (
	"context"
	"iter"
	"time"

	"github.com/cilium/hive/cell"
	"github.com/cilium/statedb"
	"golang.org/x/time/rate"
)

type (
	// Status would say how far an object is.
	Status struct {
		Kind      Kind
		UpdatedAt time.Time
	}

	// Kind would be that in a word.
	Kind string

	// Params are what one is made of.
	Params struct{}

	// Option is one.
	Option struct{}

	// BatchEntry is one of several objects.
	BatchEntry[T any] struct {
		Object   T
		Revision statedb.Revision
		Result   error
	}

	// Reconciler would be one.
	Reconciler[T any] interface{ Prune() }

	// Operations are on one object.
	Operations[T any] interface {
		Update(context.Context, statedb.ReadTxn, statedb.Revision, T) error
		Delete(context.Context, statedb.ReadTxn, statedb.Revision, T) error
		Prune(context.Context, statedb.ReadTxn, iter.Seq2[T, statedb.Revision]) error
	}

	// BatchOperations are on several.
	BatchOperations[T any] interface {
		UpdateBatch(context.Context, statedb.ReadTxn, []BatchEntry[T])
		DeleteBatch(context.Context, statedb.ReadTxn, []BatchEntry[T])
	}

	// Metrics takes in what one would measure.
	Metrics interface {
		PruneDuration(cell.FullModuleID, string, time.Duration)
		PruneError(cell.FullModuleID, string, error)
		ReconciliationDuration(cell.FullModuleID, string, string, time.Duration)
		ReconciliationErrors(cell.FullModuleID, string, int, int)
	}
)

// String is the word.
func (kind Kind) String() string { return string(kind) }

// GetError is empty.
func (Status) GetError() string { return "" }

// String is empty.
func (Status) String() string { return "" }

// StatusPending is the only one.
func StatusPending() Status { return Status{} }

// Register fails.
func Register[T any](
	Params, statedb.RWTable[T], func(T) T, func(T, Status) T, func(T) Status, Operations[T], BatchOperations[T], ...Option,
) (Reconciler[T], error) {
	panic("this program was built without a database")
}

// WithRoundLimits does nothing.
func WithRoundLimits(int, *rate.Limiter) Option { return Option{} }
