package filter

// A filter is parsed by every node out of a job, and out of files that other programs wrote. What is signed is still
// bounded: an admin's slip must not cost a thousand hosts their memory.
const (
	// MaxNames is how many hosts one filter, node set or host list may name. It is several times the largest gossip
	// pool (2,000); more hosts than that are selected by a property and not by name.
	MaxNames = 10_000

	// maxFilterBytes bounds all source text of a filter together: MaxNames host names of a usual length.
	maxFilterBytes = 512 << 10

	// maxExpression bounds one option's text in bytes, but for -I. People type a line; programs a screen.
	maxExpression = 4096

	// maxTerms bounds the comparisons, classes and patterns of a filter: each is work on every host.
	maxTerms = 256

	// maxQuestions bounds the data functions that a filter asks, each argument counted once. Each reads a file, as large as 64 MiB,
	// or asks a program, on every host; a handful is what people type.
	maxQuestions = 16

	// maxDepth bounds how deep parentheses and nots of -S nest, and so the recursion of parser and matcher.
	maxDepth = 32

	// maxRegexp bounds a regular expression's text in bytes. An alternation of some fifty host names fits.
	maxRegexp = 1024

	// maxRegexpCost bounds what one regular expression compiles to, in RE2 instructions (about 40 bytes each), counted
	// before it is compiled: (abc){1000} is short to write.
	maxRegexpCost = 4000

	// maxRegexpTotal bounds the same over a whole filter: under 1 MB on a node that should live in 25.
	maxRegexpTotal = 20_000

	// maxFactName bounds a fact's dotted path in bytes; a mount point's path may be part of it.
	maxFactName = 512

	// maxFunctionName bounds the name of a data function and of its output, in bytes.
	maxFunctionName = 64

	// maxArgument bounds a data function's argument in bytes: a path (PATH_MAX is 4096, real ones are shorter).
	maxArgument = 1024

	// maxHostName is the length of a host name in bytes by RFC 1035.
	maxHostName = 253

	// maxBrackets bounds the brackets in one name of a node set: room, rack, host and some to spare.
	maxBrackets = 8

	// maxDigits bounds a number in a node set, so that it fits an int64 with room to count on.
	maxDigits = 15

	// maxValueDepth bounds how deep lists in facts are followed, and the nesting of an inventory's JSON. Facter's
	// own facts nest six deep.
	maxValueDepth = 32

	// maxInventoryBytes bounds an inventory file: 2,000 hosts with 30 kB of facts each.
	maxInventoryBytes = 64 << 20

	// maxListBytes bounds a host list: MaxNames JSON lines with some hundred bytes beside the name.
	maxListBytes = 8 << 20
)
