// Ringpost tells people about call recordings: it receives recording status
// callbacks, matches them with rules, and delivers email and SMS.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
