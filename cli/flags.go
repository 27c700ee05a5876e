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
		many(whichHosts, flagIdentity, "I", "`HOST`: a name, web*, web[1-9,12] or /regexp/; given again, any of them"),
		many(whichHosts, flagWith, "W", "`WORDS`: facts and classes, split at spaces: 'os.name=Debian webserver'"),
		many(whichHosts, flagFact, "F", "`FACT`: a fact compared with = != < > <= >= =~: 'os.release.major>=12'"),
		many(whichHosts, flagClass, "C", "`CLASS`: a class or /regexp/"),
		many(whichHosts, flagAgent, "A", "`PLUGIN`: hosts that have it; a name or /regexp/", "with-plugin"),
		many(whichHosts, flagSelect, "S", "`EXPRESSION`: and, or, not, parentheses over facts, classes and data functions"),
	}
}

// hostFlags are the filter and the host lists.
func hostFlags() []ucli.Flag {
	return append(filterFlags(),
		many(whichHosts, flagNodes, "", "`FILE`: host names one a line or JSON; - reads standard input and waits for it"))
}

func connectionFlags() []ucli.Flag {
	return []ucli.Flag{
		timeoutFlag(),
		many(connecting, flagBroker, "", "`HOST:PORT`: a broker, instead of those in the config; given again, any of them"),
		text(connecting, flagHome, "", "`DIR`: the directory with admin.key, root.pub and brokers"),
		keyFlag(),
		passphraseFileFlag(),
		text(connecting, flagConfig, "", "`FILE`: the config file, instead of the usual two"),
	}
}

func timeoutFlag() ucli.Flag {
	return text(connecting, flagTimeout, "t", "`SECONDS`: how long to wait for hosts that are there (30s, 2m; default from the plugin)")
}

// printFlags take what more verbose means here.
func printFlags(verbose string) []ucli.Flag {
	return []ucli.Flag{
		text(whatToPrint, flagOutput, "o", "`FORMAT`: table, json, jsonl, yaml, csv or name"),
		toggle(whatToPrint, flagJSON, "j", "the same as -o json"),
		&ucli.BoolFlag{Name: flagNoProgress, Aliases: []string{"np"}, Usage: "no bar while it runs", Category: whatToPrint},
		toggle(whatToPrint, flagVerbose, "v", verbose+"; also the connection's troubles, on standard error"),
	}
}

// quietly is printFlags for commands that have something to leave out.
func quietly(verbose string) []ucli.Flag {
	return append(printFlags(verbose), toggle(whatToPrint, flagQuiet, "q", "only trouble; nothing if there is none"))
}

// limitFlags choose among the hosts that match and spread the work.
func limitFlags() []ucli.Flag {
	return []ucli.Flag{
		text(howMany, flagLimit, "", "`N|N%`: only so many of the matching hosts, chosen at random"),
		text(howMany, flagLimitSeed, "", "`NUMBER`: choose the same hosts as last time with this number"),
		toggle(howMany, flagOne, "1", "the same as --limit 1"),
		text(howMany, flagBatch, "", "`N|N%`: so many hosts at a time"),
		text(howMany, flagBatchSleep, "", "`SECONDS`: pause between the batches"),
		text(howMany, flagTTL, "", "`SECONDS`: how long a host may still start the job (default 60, at most 3600)"),
	}
}

func runFlags() []ucli.Flag {
	flags := append(hostFlags(), limitFlags()...)
	flags = append(flags,
		toggle(howMany, flagYes, "y", "answer the question with yes; does not stand in for --all off a terminal"),
		text(howMany, flagForApproval, "", "`FILE`: sign the job for the hosts that match and write it there for another admin to approve, instead of sending it"),
		toggle(howMany, flagAll, "", "every host is meant: no question, and needed for a change without a filter off a terminal"),
		toggle(whatToPrint, flagFollow, "", "show on stderr what package managers print, as it comes, every few seconds"),
		text(whatToPrint, flagDisplay, "", "`ok|all|failed`: whose lines to show (default from the plugin); trouble always is"),
		text(whatToPrint, flagSort, "", "`name|time|state`: order of the hosts (default name)"),
	)
	return append(append(flags, quietly("every output of every host")...), connectionFlags()...)
}
