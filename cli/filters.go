package cli

// filtersHelp is `fleet help filters`: how to say which hosts, told once for all commands. The language itself is
// documented where it is made, in job/filter.
const filtersHelp = `fleet help filters: how to say which hosts

All options together must hold; only -I given again means any of them.

  -I web1              the host of that name; also web*, web[1-9,12], web1,db1 and /regexp/
  -W "WORD ..."        split at spaces: each word is a fact compared with a value, or a class
  -F "FACT OP VALUE"   a fact; OP is = != < > <= >= =~ !~; f=/regexp/ is f=~regexp
  -C CLASS             a class that configuration management gave the host, or /regexp/
  -A PLUGIN            a plugin that the host has, or /regexp/
  -S EXPRESSION        and, or, not, parentheses over facts, classes and data functions

Dots lead down into facts: os.release.major. What looks like a version is compared as one: 12.9 < 12.11.
A fact that a host does not have matches nothing, not even !=; "not os=Debian" does hold there.
Data functions ask the host: service('nginx').status=running, package('openssl').ensure<3.0.17,
fstat('/etc/hosts').md5=/^d4/. A host that lacks the function does not match, under not either.
Each needs the right to the read that shows the same: service.status, package.status, fstat.stat.

Host lists:
  --nodes FILE         names one a line (# comments), or JSON as fleet prints it
  --nodes -            the same from standard input, whatever that is, for as long as it takes
  fleet find ... | fleet run ...
                       a pipe or a file on standard input is read without being told. It must name a
                       host: an empty list is an error and never means every host. If nothing at all
                       comes within 10 s that is an error too. A terminal, /dev/null or a closed
                       standard input is no list, and with --nodes FILE or --inventory it is not looked at.
                       Where a pipe is there that nobody writes to (ssh, some CI): </dev/null or ssh -n.
A list only narrows: beside -I or another filter, a host must be in the list and match.

An empty value, an unknown option or an expression that cannot be read is an error; nothing is sent.
fleet filter explain says what a filter means; fleet find says whom it selects.
`
