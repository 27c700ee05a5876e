// Package answers has the answers of the node's own plugins as types, for both sides: the host fills one in and sends its
// Data, who asked reads it with From.
//
// A field is declared once, by its tag: the output's name, its label and what it says. Data, From and the plugin's declared
// outputs follow from it, so that a new output is one field here, one line where the host fills it in and one where it is
// shown.
//
// What a host sends is foreign. From ignores outputs it does not know and leaves missing ones zero, since hosts may run
// another release; an output of the wrong type is an error.
package answers
