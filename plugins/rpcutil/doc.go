// Package rpcutil is the plugin that MCollective's users know: ping, facts, inventory, plugins, statistics.
//
// It gets all of this from the node, through the interfaces Host and Facts. Every answer comes from memory, except
// refresh_facts. Every `fleet ping` and every match of a plan relies on ping, so it needs nothing from the node at all.
package rpcutil
