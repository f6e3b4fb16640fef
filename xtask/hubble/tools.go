//go:build tools

// Package tools names the programs that `cargo xtask envtest` builds.
package tools

import (
	_ "github.com/cilium/cilium/hubble"
	_ "github.com/cilium/cilium/hubble-relay"
)
