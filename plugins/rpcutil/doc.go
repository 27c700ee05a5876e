// Package rpcutil is the plugin that reports on the node itself: ping, facts, plugins, statistics.
//
// It gets all of this from a Host, which the node implements. Every answer comes from memory, except refresh_facts.
// Every `fleet ping` and every match of a plan relies on ping, so it needs nothing from the Host at all.
package rpcutil
