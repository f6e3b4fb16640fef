// Command otlp reads logs in the JSON form of OpenTelemetry's protocol, one LogsData on a line, by the reader of the
// OpenTelemetry Collector, and prints what that understood in the same form. What it passes over is not there.
package main

import (
	"bufio"
	"fmt"
	"os"

	"go.opentelemetry.io/collector/pdata/plog"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for number := 1; lines.Scan(); number++ {
		logs, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs(lines.Bytes())
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		understood, err := (&plog.JSONMarshaler{}).MarshalLogs(logs)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		fmt.Println(string(understood))
	}
	return lines.Err()
}
