package cli

import ucli "github.com/urfave/cli/v2"

// The flags, by what they are for. A flag's name means the same in every command that has it (TestFlagsMeanOneThing).
// They are made anew for each table, because urfave keeps state in them. The usage text is for help and man page.

const (
	whichHosts  = "Which hosts"
	howMany     = "How many, and when"
	whatToPrint = "What to print"
	connecting  = "The connection"
)

// Names that options.go asks for.
const (
	flagIdentity = "with-identity"
	flagWith     = "with"
	flagFact     = "with-fact"
	flagClass    = "with-class"
	flagAgent    = "with-agent"
	flagSelect   = "select"
	flagNodes    = "nodes"

	flagLimit      = "limit"
	flagLimitSeed  = "limit-seed"
	flagOne        = "one"
	flagBatch      = "batch"
	flagBatchSleep = "batch-sleep"
	flagTimeout    = "timeout"
	flagTTL        = "ttl"
	flagYes        = "yes"
	flagAll        = "all"
	flagReason     = "reason"

	flagOutput     = "output"
	flagJSON       = "json"
	flagDisplay    = "display"
	flagFollow     = "follow"
	flagSort       = "sort"
	flagNoProgress = "no-progress"
	flagVerbose    = "verbose"
	flagQuiet      = "quiet"

	flagConfig = "config"
	flagHome   = "home"
	flagKey    = "key"
	flagBroker = "broker"
)

func many(category, name, alias, usage string, more ...string) ucli.Flag {
	f := &ucli.StringSliceFlag{Name: name, Usage: usage, Category: category}
	f.Aliases = aliases(alias, more)
	return f
}

func text(category, name, alias, usage string) ucli.Flag {
	return &ucli.StringFlag{Name: name, Aliases: aliases(alias, nil), Usage: usage, Category: category}
}

func toggle(category, name, alias, usage string) ucli.Flag {
	return &ucli.BoolFlag{Name: name, Aliases: aliases(alias, nil), Usage: usage, Category: category}
}

func aliases(first string, more []string) []string {
	if first == "" {
		return more
	}
	return append([]string{first}, more...)
}

// filterFlags select hosts by what they are; job/filter has the language.
func filterFlags() []ucli.Flag {
	return []ucli.Flag{
		many(whichHosts, flagIdentity, "I", "`HOST`: a name, web*, web[1-9,12] or /regexp/; repeat to match any of several"),
		many(whichHosts, flagWith, "W", "`WORDS`: facts and classes, separated by spaces: 'os.name=Debian webserver'"),
		many(whichHosts, flagFact, "F", "`FACT`: a fact compared with = != < > <= >= =~: 'os.release.major>=12'"),
		many(whichHosts, flagClass, "C", "`CLASS`: a class or /regexp/"),
		many(whichHosts, flagAgent, "A", "`PLUGIN`: a plugin the host must have; a name or /regexp/", "with-plugin"),
		many(whichHosts, flagSelect, "S", "`EXPRESSION`: facts, classes and data functions combined with and, or, not and parentheses"),
	}
}

// hostFlags are the filter and the host lists.
func hostFlags() []ucli.Flag {
	return append(filterFlags(),
		many(whichHosts, flagNodes, "", "`FILE`: host names, one per line or as JSON; - waits for standard input"))
}

func connectionFlags() []ucli.Flag {
	return []ucli.Flag{
		timeoutFlag(),
		many(connecting, flagBroker, "", "`HOST:PORT`: a broker to use instead of the configured ones; repeat for several"),
		text(connecting, flagHome, "", "`DIR`: the directory that holds admin.key, root.pub and brokers"),
		keyFlag(),
		passphraseFileFlag(),
		text(connecting, flagConfig, "", "`FILE`: the config file to read instead of the default ones"),
	}
}

func timeoutFlag() ucli.Flag {
	return text(connecting, flagTimeout, "t", "`SECONDS`: how long to wait for live hosts, also as 30s or 2m (default: set by the plugin)")
}

// printFlags take what more verbose means here.
func printFlags(verbose string) []ucli.Flag {
	return []ucli.Flag{
		text(whatToPrint, flagOutput, "o", "`FORMAT`: table, json, jsonl, yaml, csv or name"),
		toggle(whatToPrint, flagJSON, "j", "the same as -o json"),
		&ucli.BoolFlag{Name: flagNoProgress, Aliases: []string{"np"}, Usage: "no progress bar", Category: whatToPrint},
		toggle(whatToPrint, flagVerbose, "v", verbose+"; connection problems go to standard error"),
	}
}

// quietly is printFlags for commands that have something to leave out.
func quietly(verbose string) []ucli.Flag {
	return append(printFlags(verbose), toggle(whatToPrint, flagQuiet, "q", "print problems only"))
}

// limitFlags choose among the hosts that match and spread the work.
func limitFlags() []ucli.Flag {
	return []ucli.Flag{
		text(howMany, flagLimit, "", "`N|N%`: only this many of the matching hosts, chosen at random"),
		text(howMany, flagLimitSeed, "", "`NUMBER`: choose the same hosts as an earlier run with this number"),
		toggle(howMany, flagOne, "1", "the same as --limit 1"),
		text(howMany, flagBatch, "", "`N|N%`: run on this many hosts at a time"),
		text(howMany, flagBatchSleep, "", "`SECONDS`: pause between batches"),
		text(howMany, flagTTL, "", "`SECONDS`: a host that gets the job later than this does not start it (default 60, at most 3600)"),
	}
}

func reasonFlag() ucli.Flag {
	return text(howMany, flagReason, "", "`TEXT`: why, for the audit log, fleet job list and who approves the job; one line")
}

func runFlags() []ucli.Flag {
	flags := append(hostFlags(), limitFlags()...)
	flags = append(flags,
		toggle(howMany, flagYes, "y", "answer yes to the question; does not replace --all when there is no terminal"),
		reasonFlag(),
		text(howMany, flagForApproval, "", "`FILE`: do not send the job; sign it for the hosts that match and write it there for another admin to approve"),
		toggle(howMany, flagAll, "", "run on every host, without a question; required for a change without a filter when there is no terminal"),
		toggle(whatToPrint, flagFollow, "", "every few seconds, show on stderr what package managers print"),
		text(whatToPrint, flagDisplay, "", "`ok|all|failed`: which hosts to show (default: set by the plugin); problems are always shown"),
		text(whatToPrint, flagSort, "", "`name|time|state`: how to sort hosts (default name)"),
	)
	return append(append(flags, quietly("every output of every host")...), connectionFlags()...)
}
