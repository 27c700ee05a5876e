// Package jobs is the plugin that tells of other jobs: which changes a host ran, how they ended, and what they answered, for
// whoever asks later and from anywhere; and that stops one. It is what `fleet job` asks of the hosts.
package jobs
