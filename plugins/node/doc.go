// Package node is the plugin that reports how a node does, whom it sees and what it decides: what `fleet status`, `fleet
// can`, `fleet audit` and `fleet forget` ask every host.
//
// It gets all of this from the node, through the small interfaces Host and Mesh.
package node
