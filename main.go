// Command fleet asks, steers and is the agent of a fleet of hosts.
package main

import (
	"os"

	"fleet/cli"
)

func main() { os.Exit(cli.Main(os.Args)) }
