// Package part stands in for the persistent maps of Cilium's database.
package part

type (
	// Map is empty.
	Map[K, V any] struct{}

	// MapTxn would change one.
	MapTxn[K, V any] struct{}
)

// Get finds nothing.
func (Map[K, V]) Get(K) (value V, found bool) { return value, false }

// RegisterKeyType does nothing.
func RegisterKeyType[K any](func(K) []byte) {}
