package facts

import "time"

// All bounds of the package. Facts come from files that people and programs write; a node has 25 MB in all and sends
// its facts over the mesh, so none of these is generous beyond what real hosts need.
const (
	maxFile     = 256 << 10 // bytes of one custom fact file, and of what one executable prints
	maxYAML     = 64 << 10  // bytes of YAML: its parser takes 160 bytes of memory for each
	maxValues   = 4096      // values of one custom fact file, nested ones counted
	maxDepth    = 16        // maps and lists inside each other
	maxKey      = 256       // bytes of one name
	maxString   = 64 << 10  // bytes of one text value
	maxFiles    = 512       // entries of one facts.d directory
	maxProblems = 200       // problems kept; the rest is one line with the number
	maxError    = 4 << 10   // bytes of one problem

	maxNesting = 1000 // open brackets before a TOML or YAML text is refused unparsed: those parsers recurse without a bound

	maxStderr      = 2 << 10          // bytes of an executable's stderr kept for its Problem
	maxParallel    = 4                // executables running at once
	maxCustom      = 60 * time.Second // all executables together
	defaultTimeout = 10 * time.Second // one executable

	maxClassFile = 4 << 20
	maxClasses   = 20000

	maxSystemFile   = 4 << 20 // a file of /proc, /sys or /etc: /proc/cpuinfo has about 1.5 kB a processor
	maxInstanceData = 1 << 20 // cloud-init's instance-data.json
	maxProcessors   = 1024    // legacy processorN facts and models
	maxMounts       = 256
	maxInterfaces   = 512
	maxDisks        = 256

	maxMetadata     = 16 << 10 // bytes of one answer of the metadata service
	maxTags         = 64       // EC2 allows 50 tags
	metadataTimeout = 2 * time.Second
)
