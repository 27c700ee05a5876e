package mesh

// Ranked is ranked, for the tests from outside.
var Ranked = ranked
