// Package jobs is the plugin behind `fleet job`: it reports which changes a host ran, how they ended and what they
// answered, to any admin who asks later, from any machine; and it cancels jobs.
package jobs
