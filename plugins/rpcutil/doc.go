// Package rpcutil is the plugin that tells of the node itself: ping, facts, plugins, statistics.
//
// Everything it tells it asks of a Host, which the node implements; every answer comes from memory, but for
// refresh_facts. Ping is what every `fleet ping` and every match of a plan rests on, so it asks for nothing at all.
package rpcutil
