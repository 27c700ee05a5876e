package metrics

import "time"

// All bounds on what comes from outside stand here.
const (
	// maxAtOnce bounds requests that are answered at one time; one scraper and one prober need two.
	maxAtOnce = 8
	// maxHeader bounds a request's head, in bytes.
	maxHeader = 8 << 10
	// readTime and writeTime bound how long a peer may take to ask and to take the answer.
	readTime  = 5 * time.Second
	writeTime = 10 * time.Second
	// idleTime is how long a connection may wait for its next request; scrapers ask every 15 to 60 s.
	idleTime = 90 * time.Second
	// stopTime is how long requests under way may take when the node stops.
	stopTime = 2 * time.Second
)
