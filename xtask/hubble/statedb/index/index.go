// Package index stands in for how Cilium's database makes keys out of fields. There are no tables, so no keys.
package index

import (
	"fmt"
	"net/netip"
)

type (
	// Key is what objects would be found by.
	Key []byte

	// KeySet would have all of an object.
	KeySet struct{}
)

// NewKeySet is empty.
func NewKeySet(...Key) KeySet { return KeySet{} }

// Bool is empty.
func Bool(bool) Key { return nil }

// BoolString is empty.
func BoolString(string) (Key, error) { return nil, nil }

// FromString is empty.
func FromString(string) (Key, error) { return nil, nil }

// Int is empty.
func Int(int) Key { return nil }

// IntString is empty.
func IntString(string) (Key, error) { return nil, nil }

// NetIPAddr is empty.
func NetIPAddr(netip.Addr) Key { return nil }

// NetIPAddrString is empty.
func NetIPAddrString(string) (Key, error) { return nil, nil }

// String is empty.
func String(string) Key { return nil }

// Stringer is empty.
func Stringer[T fmt.Stringer](T) Key { return nil }

// StringerSlice is empty.
func StringerSlice[T fmt.Stringer]([]T) KeySet { return KeySet{} }
