// Package filter is the language that selects hosts.
//
// A filter is typed by an admin, travels as source text inside the signed job, and is parsed again by every node as
// part of the gate: the node trusts the signer's words, never another program's parse of them. So this package is both
// the client's parser (Build, Explain, ReadInventory, ReadNames) and a part of the trust gate (Compile, Match). Of
// fleet it imports only the order of versions, and all of its input is bounded (limits.go).
//
// # The language
//
//	-I NAME        the host's name: exact (case matters, a short name is not its FQDN), a glob web*, a node set
//	               web[1-9,12] or web[01-20].example.com, a comma list of these, or /regexp/. Repeated -I is "or".
//	-C CLASS       a class, exact or /regexp/
//	-A PLUGIN      a plugin, exact or /regexp/
//	-F FACT OP VALUE   a fact, nested by dots: os.release.major. Spaces around OP are allowed.
//	-W "WORD ..."  split at white space: fact comparisons (no spaces inside) and classes
//	-S EXPRESSION  and, or, not (or !), parentheses; not binds tighter than and, and tighter than or
//
// All options must match, repeated ones too; of several -I one is enough. Regular expressions are RE2 and not anchored.
// The zero Filter matches every host; whether that is allowed is the caller's decision (IsZero). No typed
// value, not even an empty one, becomes the zero Filter: Build refuses it.
//
// Operators: = and ==, !=, <, >, <= (or =<), >= (or =>), =~ and !~. A value in slashes after = == != =~ !~ is a
// regular expression: f=/re/ and f=~re are the same, f!=/re/ and f!~re too. A value in single or double quotes is
// plain text, even with slashes or spaces; inside quotes a backslash escapes a quote or a backslash.
//
// A statement of -S is a class, a /class-regexp/, a comparison of a fact, or of a data function:
//
//	fstat('/etc/hosts').md5=/^d4/ and not (osfamily=Debian or service('nginx').status=running)
//
// In -S a value ends at white space or a closing parenthesis, and a regular expression at its second slash (a slash
// inside is written \/). This package itself evaluates fact('any name').value and agent('name').present.
//
// # Missing values
//
// A fact that a host does not have (or that is null) makes every comparison false, including != and !~. Logic above the
// comparison is plain: "not os=Debian" is true on a host without the fact os, "os!=Debian" is not.
//
// A data function is different, because a value that cannot be read cannot be denied either. On a host that lacks a
// function named in an -S, that -S is false, wherever in it the function stands, even below not and beside an or. The
// same applies to a function that was needed and failed, and to an output that it does not have. An output that is null
// is like a missing fact. Data functions run only if what stands before them has not decided the result, and once per
// host and argument.
//
// # How values compare
//
// What the host reports has a type; what the admin typed is text. By the type of the fact:
//
//   - number: if the typed value is a decimal number too, as numbers (10 = 10.0, 9.5 < 10). If it only looks like a
//     version (6.1.5), as versions. Otherwise they are unequal and unordered.
//   - boolean: equal to the word true or false; never ordered.
//   - text: = and != compare the text, nothing else: 12.1 is not 12.10, 10 is not 10.0, Debian is not debian. For < > <=
//     >=: if both look like versions, as versions, which is right for whole numbers as well (9 < 10, 12.9 < 12.11,
//     1.0.1 < 1.0.1t-1, 2.0~rc1 < 2.0, v1.2 = 1.2); otherwise, if both are numbers, as numbers (-5 < 3); otherwise, if
//     neither is either of these, in byte order. A version and a word are unordered: nothing matches.
//   - list: it matches if one element does. This applies to != too: "one element is different"; for "no element is"
//     write -S 'not f=x'. An empty list never matches.
//   - hash: like the list of its keys.
//
// A version is text that begins with a digit (or v and a digit) and contains only letters, digits and . + ~ ^ : _ - . Its
// order is that of the host it comes from, by the first of the facts os.family, osfamily, os.name and operatingsystem
// that is known: rpm's on RedHat, Suse and their relatives, apk's on Alpine, pacman's on Archlinux, and dpkg's on Debian
// and everywhere else. So 1.24_rc2 < 1.24 on Alpine, and a kernelrelease of 5.14.0-362.el9.x86_64 < 5.14.0-362.8.1.el9_3
// on RedHat. A hyphen separates everywhere and not only before the revision (6.1.0-9-amd64 < 6.1.0-18), and an rpm
// architecture at the end does not count. What package('...') answers compares exactly as its provider does, with the
// epoch: 1:1.0 > 2.0. The price of it all: text such as 0.25 and 0.3 is compared as versions, and 25 is more than 3. A
// fact that is a number should be given as a number.
//
// Regular expressions see numbers in plain decimal and booleans as true and false.
package filter
