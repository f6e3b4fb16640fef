//go:build tools

// Package tools names the programs with which metrics, alerts, dashboards and exported records are checked, so that
// go.mod and go.sum pin them.
package tools

import (
	_ "enforcer.dev/xtask/monitoring/otlp"
	_ "github.com/prometheus/prometheus/cmd/promtool"
)
