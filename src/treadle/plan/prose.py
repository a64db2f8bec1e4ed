"""The hand-written part of the reference page: what a table of keys cannot say."""

from __future__ import annotations

OPENING = r"""
# Plans

A plan is a YAML file that says which actions there are, what each reads and what it makes. Treadle runs those
whose command, inputs or outputs differ from the last time that they succeeded. This page is made from the
tables that check plans (`python -m treadle.plan.reference`), so it holds what is built.

```yaml
treadle: 1                            # the version of the format

params:                               # what can be set from outside: -p mode=release
  mode:  {choices: [debug, release], default: debug, help: build flavour}
  parts: {type: list, default: [a, b]}

vars:                                 # constants
  o: out/${mode}

queues: {net: 2}                      # at most two tokens of net at once
defaults: {timeout: 30m}

actions:
  fetch:
    help: the raw table
    run: cp ${in} ${out}              # a command without a shell
    in: data/raw.csv
    out: ${o}/raw.csv

  split:
    run:                              # several commands, in order, until one fails
      - python3 ${in.script} ${in.raw} ${out.a} ${out.b}
      - python3 check.py ${out.a}
    in:  {raw: "${o}/raw.csv", script: src/split.py}
    out: {a: "${o}/a.txt", b: "${o}/b.txt"}

  fit:
    foreach: {part: "${parts}"}       # two actions: fit@a, fit@b
    sh: wc -c < ${in} > ${out}        # a shell, said plainly
    in: ${o}/${part}.txt
    out: ${o}/${part}.n
    queue: net
    retries: {max: 2, on: [timeout, exit 75], backoff: 5s}

  merge:
    sh: cat ${in} > ${out}
    in: {from: fit}                   # all outputs of fit, in order
    out: ${o}/all

  objects:
    foreach: {src: "src/**/*.c"}      # a glob: a new file is a new action
    run: cc -MD -MF ${depfile} -c ${in} -o ${out}
    in: ${src}
    out: ${o}/${src.noext}.o
    depfile: ${o}/${src.noext}.d      # what the compiler read

  lint: {run: ruff check src, in: "src/**/*.py"}
```

`treadle run` does all actions that have outputs, `treadle run lint fit@a out/debug/all` does these and what
they need.
"""

TITLES = {
    "plan": "## Keys of a plan",
    "include": r"""
## Keys of an include

An element of `include` is a file, or a map with these keys. What it means to be included is [below](#include).
""",
    "params": r"""
## Keys of a parameter

A parameter is a value that can be given from outside: `-p NAME=VALUE`, else the variable of the environment
that `env` names, else `default`. Its text stays what was written: a `str` of `3.10` is `3.10`. A `bool` is
`true` or `false`. A list is split at commas, or with `split: words` as a shell splits words: `-O2 -DX='a b'`
gives two. A `default` is never split: it is written as a list. With `rest: true` it is the list of the words
behind `--`: `treadle run test -- -x a,b` gives two, as they are. A plan without such a parameter takes none.

```yaml
treadle: 1
params:
  level: {type: int, choices: [1, 2, 3], default: 2, env: LEVEL, help: how much to do}
  args: {type: list, rest: true}
actions:
  test: {run: "pytest -O ${level} ${args}", in: [src/, tests/]}
```
""",
    "files": r"""
## Keys of a file of values

A map with `file` may stand where the value of a var does: `cfg: {file: params.yaml}`. What the file holds is
known as `${cfg.train.lr}`.
""",
    "groups": r"""
## Keys of a group

A group is a name for several actions. It is a list of names, or a map with these keys.
""",
    "defaults": r"""
## Keys of defaults

They mean what they mean in an action, and an action that says otherwise is heard: `env` is joined name by
name, `track` and `pass` are joined, every other key is replaced. An action with `console: true` takes no
queue from here.
""",
    "actions": r"""
## Keys of an action

An action has one of `run`, `argv` and `sh`. Its name has letters, digits, `_`, `.`, `+` and `-`, and begins
with a letter, a digit or `_`; names that begin with `_` are not listed.
""",
    "glob": r"""
## Keys of a glob

A map with `glob` may stand where a path of `in` or `edits`, a value of `foreach`, or the value of a var does.
""",
    "from": r"""
## Keys of a from

A map with `from` may stand where a path of `in` does. It stands for the outputs of other actions: name by name
as they are written, those of one name in the order of the plan, each once. What a name may be stands under
[names](#names).

```yaml
treadle: 1
actions:
  split:
    run: python3 src/split.py ${in} ${out.a} ${out.b}
    in: data/raw.csv
    out: {a: out/a.txt, b: out/b.txt}
  first: {run: "cat ${in}", in: {from: split.a}, stdout: out/first}
  both: {run: "cat ${in.parts}", in: {parts: {from: split}}, stdout: out/both}
```
""",
    "dotenv": "## Keys of dotenv",
    "tools": "## Keys of a tool",
    "retries": r"""
## Keys of retries

A bare number is `max`: `retries: 2` tries again twice, whatever the failure was.

`signal` meets a program that a signal ended. `exit 137` meets one that KILL ended (128 and the number of the
signal, as a shell reports it), whether a shell was between or not. Backoff doubles up to ten minutes.
""",
}

VALUES = r"""
## Order

Order comes from files. Who reads an output, or a file below an output folder, waits for its maker. Who reads
a tree (`docs/`) waits for the makers of all that is declared below it. Who starts a program by a name with a
`/` (`run: bin/gen`, each command of a list, `argv`, `shell`), or names it in `tools`, waits for the maker of that
program, also if `in` does not list it. A bare name is looked for on PATH and waits for nobody, and what a script
of `sh` starts is not seen: list it in `in` or `tools`. Errors, each with both places: two makers of one output;
an output inside another action's output folder; an output that is also its own input or its own program; actions
that wait for each other in a circle.

There are three kinds of edges. Data (files) and `needs` pass on failure. `needs` reruns nothing by itself:
what it names comes first and must succeed. `after` only orders: it ignores failure, and it pulls nothing into
a partial run. The order holds through actions in between that are up to date, not part of the run, or disabled by
`when`. `needs` and `after` take [names](#names) of actions, families (`fit`), instances (`fit@a`), groups
and patterns (`fit@a*`), and `${}`.

```yaml
treadle: 1
groups: {checks: [lint]}
actions:
  lint:    {run: ruff check src, in: "src/**/*.py"}
  test:    {run: pytest, in: [src/, tests/], after: [lint]}
  publish: {run: ./publish, needs: [test, checks]}
```

## Texts and booleans

Only `true` and `false` are booleans. Where text is asked for, `no`, `on`, `3.10`, `010`, `22:22` and `1e-5`
stay what was written. Durations need a unit: `500ms`, `90s`, `5m`, `1h30m`, `1d`. Nothing (`key:` or `null`)
is never a value. Tags, merge keys (`<<`), a second document and a key that stands twice are refused; anchors
and aliases are fine.

What YAML itself makes of a text has to be known in a few places:

- inside `[ ]` and `{ }` a value that holds `${`, `,`, `[` or `{` needs quotes: `[cp, "${in}"]`;
- a list in which one comma has a blank behind it and another has none is refused, as `b,c` in `[a, b,c]` may be one
  value;
- a text that begins with `*`, `&`, `!`, `%`, `@` or a backtick needs quotes: `"*.c"`;
- a text that holds `: ` needs quotes, or to be a block after `|`;
- ` #` begins a comment. After a command a comment needs two blanks before it; with one it is refused as a
  value cut short.

## Values in texts

`${name}` is replaced by a parameter, a var or a `foreach` value; in commands and `env` also `${in}`,
`${out}`, `${depfile}`, and `${in.name}`, `${out.name}` of named ones. It is replaced in parsed values, never
in the YAML text, and what comes in is not read again. Only `${` is special: `$${` is a literal `${`. An
undefined name is an error. Names have letters, digits and `_`. A name means one thing: a `foreach` value
cannot have the name of a parameter or var.

A value is a text or a list. A list that is a whole value stays a list (in `in`, `out`, `vars`, `foreach`), a
list that is a whole word of a command becomes several words. A list inside a text is an error. `${in}` and
`${out}` are a text where one path was written as a text, else a list.

```yaml
treadle: 1
vars:
  flags: [-O2, -Wall]
  all: ["${flags}", -g]               # lists in lists are flattened
  name: prog
actions:
  prog:
    run: cc ${all} -o ${out} ${in}
    in: [src/a.c, src/b.c]
    out: out/${name}
```

## select: one of several values

A map with `select` stands for one of its own values: that under the name which `select` says, else that under
`else`. If there is neither, that is an error. It may stand in place of any value of `vars`, and of anything in
`defaults` and in an action: a path, a list, an element of a list, a command, a duration, or all of an action.

`select` is a text with `${}`. It knows parameters, vars, `${platform.os}` and `${platform.arch}`; in an action
also its `foreach` values, and `${env.NAME}` of variables that it tracks. What was not chosen is not used: it
may hold paths that do not exist, but no bad `${`.

```yaml
treadle: 1
params: {mode: {choices: [debug, release], default: debug}}
vars:
  flags: {select: "${mode}", release: [-O2], else: [-O0, -g]}
actions:
  objects:
    foreach: {src: "src/*.c"}
    run: cc ${flags} -c ${in} -o ${out}
    in: [{select: "${src.stem}", a: src/table.txt, else: []}, "${src}"]
    out: out/${mode}/${src.stem}.o
  open:
    run: {select: "${platform.os}", macos: open docs/a.md, else: xdg-open docs/a.md}
```

## Values from files

`cfg: {file: params.yaml}` reads a file when the plan is loaded. Maps in it become names with dots, lists of
texts become lists, lists of maps are records for `foreach`. Texts and numbers stay what was written, `true` and
`false` are booleans for conditions, numbers are numbers for them. What the file holds is never read again: a
`${` in it is a text. Names with other characters than letters, digits and `_` cannot be used. Using what is
`null`, or not there, is an error. A file of text is one value, without the line ends at its end.

Only what an action uses of it counts: another value in the file reruns nothing. No action may make the file,
since it is read before any action runs.

```yaml
treadle: 1
vars:
  cfg: {file: params.yaml}
  own: {file: own.toml, optional: true, else: {jobs: 4}}
actions:
  train:
    run: python3 train.py --lr ${cfg.train.lr} --jobs ${own.jobs} ${out}
    out: out/model
```

## run: commands without a shell

A text is split into words as a POSIX shell would, before any value is filled in: blanks separate, `' '` and
`" "` group, `\` takes the next character as it is. So a value is always inside one argument, whatever it
holds. What only a shell could do is refused with its place: unquoted `| > < ; & * ? ( )` and backticks,
`$NAME` outside single quotes, `NAME=value` and words of the shell (`cd`, `export`) at the start, `~`,
comments and a second line. `argv` is the exact list of arguments, and nothing in it is split or refused.

```yaml
treadle: 1
vars: {title: "a title; with $(odd) things"}
actions:
  page:
    run: python3 page.py --title ${title} 'two words' ${out}
    out: out/page.html
  same:
    argv: [python3, page.py, --title, "${title}", two words, out/same.html]
    stdout: out/same.log
```

## sh: scripts for a shell

The shell is `bash -euo pipefail -c`; `shell` names another. A value reaches the script as data, through
variables of its environment, and never as program text:

- outside quotes `${name}` is quoted for you, and a list becomes several words;
- inside double quotes, and in a heredoc, it is that text, and a list is joined by blanks;
- inside single quotes, `$' '`, backticks, `$(( ))`, `(( ))`, the shell's own `${ }` and a heredoc with a
  quoted end it is refused with its place: there the shell would see no value, or evaluate it. `x=${name}`
  before, and `$x` there, does it.

`$NAME` and `$(command)` are the shell's. The shell's own `${NAME:-default}` is written `$${NAME:-default}`. A `\`
outside single quotes comes first, here as in `run`: `"\${name}"` is the text `${name}`, and `"\$${name}"` is a `$`
with the value behind it.
Comments are left alone. What a program does with its arguments is its own matter: `eval "$x"`, `bash -c "$x"`
and `[[ $x -gt 1 ]]` read data as program text.

```yaml
treadle: 1
vars: {names: [one, "two words", "it's"]}
actions:
  list:
    sh: |
      for name in ${names}; do
        printf '%s\n' "$name"
      done > ${out}
      cat <<END >> ${out}
      All: ${names} by $${USER:-nobody}
      END
    out: out/list
```

## Paths

Paths have `/` between names and are relative to the root. `./a//b` and `a/./b` are `a/b`, and `..` takes the
name before it away, as text: links are not looked at. An absolute path below the root is the same as the
relative one. Case and Unicode forms count: two spellings that differ in them are two files. A trailing `/`
means the whole tree; a folder without it, and a file with it, are errors. `~` is not expanded. File names may
hold anything but NUL, bytes that are no UTF-8 too.

Outputs stay in the root: absolute ones, those through `..`, in the state folder `.treadle/`, and the plan
itself are refused. Inputs may lie anywhere but in the state folder. A missing input that no action makes is
an error. In commands, `${in}`, `${out}` and `${depfile}` are relative to `cwd` (absolute if `cwd` leads
through a link, since `..` then leads elsewhere), a folder has no `/` at its end, and a path that begins with `-` is
written `./-`, so that no program takes it for an option.

A file may have several names, where links lead to it. Which action makes, edits, reads or starts it is looked up
by all of them, as links are when the plan is read:

- With a link `l` to `o`, a reader of `o/x` waits for the action with `out: l/x`, and the other way round. Two
  actions with `out: o/x` and `out: l/x` are refused, and so are an output and an edited file, or two editors. A
  glob takes such an output once, by its declared name where it fits.
- Links in an input tree are followed to what other actions make. Where actions would wait for each other for such
  links alone, as packages that link to each other, the order of the plan counts.
- When a link on one of these ways is turned, comes or goes, the plan is read again.
- A link that an action makes leads to what is not known before. A reader that goes through it names what is behind
  it too, or waits for that by `needs`. An output folder with a link in its place is what the link leads to, unless
  an action has made the link.

## Globs

A text in `in`, `edits` or `foreach` that has `*`, `?` or `[` in it is a glob. `*` and `?` take no `/`; `[a-z]`
and `[!a]` take one character; `**`, alone between two `/`, takes folders at any depth and follows no links.
Hidden names are only taken by a pattern that writes the dot. `[*]` is a literal `*`. A value that comes in
through `${}` is never a pattern.

Globs are answered once, when the plan is loaded, in the order of bytes: files that no action makes, plus
declared outputs that match; never former outputs, what lies in output folders, depfiles or the state. In
`foreach` a glob takes nothing that its own action makes. So the answer is the same before and after a run. A
glob that matches nothing is an error unless `empty: ok`. A folder that a glob has to look into and may not read is
an error too: name the glob's folder more closely, or `exclude` the folder as a whole (`exclude: secret/**`).

A var may hold a glob, as a map with `glob`. Where `${sources}` is a whole value of `in`, `edits` or `foreach`, or
an element of a list there, it means what the map would mean in its place. Anywhere else it is an error: a glob
stands for files that are read, which in commands are `${in}`. A var that holds a text with a `*` is a text.

```yaml
treadle: 1
vars:
  sources: {glob: "src/**/*.c", exclude: "src/old/*", empty: ok}
actions:
  count:
    run: wc -l ${in}
    in: ["${sources}", src/table.txt]
  doc:
    foreach: {page: {glob: "docs/**/*.md", exclude: "docs/drafts/*"}}
    run: python3 page.py ${in} ${out}
    in: ${page}
    out: out/${page.noext}.html
  index:
    run: python3 index.py ${out} ${in}
    in: ["out/docs/*.html", {glob: "docs/extra/*.txt", empty: ok}]
    out: out/index.html
```

## foreach

Each name takes a list, a `${list}` or a glob; several names multiply, the first one slowest. The uid is the
action's name, `@`, and the values with `,` between them: `x@a,b`. In uids `%`, `,`, `*`, `?`, control
characters and bytes that are no text are written as `%` and two hex digits. Of a path outside the root that a
glob has found, the part behind the glob's fixed folder counts. Two equal uids are an error.

For `src: src/a/x.c` there are `${src.noext}` (`src/a/x`), `${src.stem}` (`x`), `${src.name}` (`x.c`),
`${src.dir}` (`src/a`, or `.`), `${src.dir.name}` (`a`) and `${src.ext}` (`.c`, may be empty).

A value may be a record: a map in the list, or in a list of maps that a var or a file of values holds. Its
fields are `${t.name}`, those of maps in it `${t.a.b}`, and texts in it have the parts of paths too
(`${t.file.stem}`). In the uid its `name` stands for it, or its first text if it has no `name`. The list may not
mix records and texts, and `${t}` alone is no value. Only the fields that are used count for the fingerprint.

```yaml
treadle: 1
vars: {cfg: {file: params.yaml}}
actions:
  fit:
    foreach: {set: "${cfg.sets}"}     # - {name: small, file: data/raw.csv, rows: 100}: fit@small
    run: python3 fit.py --rows ${set.rows} ${in} ${out}
    in: ${set.file}
    out: out/${set.name}
  page:
    foreach:
      lang:
        - {name: en, title: Welcome}
        - {name: de, title: Willkommen}
    run: python3 page.py ${lang.title} ${out}
    out: out/${lang.name}.html
```
"""
