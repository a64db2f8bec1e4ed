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
`true` or `false`. With `rest: true` it is the list of the words behind `--`: `treadle run test -- -x a,b` gives
two, as they are. A plan without such a parameter takes none.
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

A map with `glob` may stand where a path of `in` or a value of `foreach` does.
""",
    "from": r"""
## Keys of a from

A map with `from` may stand where a path of `in` does. It stands for the outputs of other actions, in the
order of the plan.
""",
    "dotenv": "## Keys of dotenv",
    "tools": "## Keys of a tool",
    "retries": r"""
## Keys of retries

A bare number is `max`: `retries: 2` tries again twice, whatever the failure was.
""",
}

CLOSING = r"""
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
a partial run. `needs` and `after` take names of actions, families (`fit`), instances (`fit@a`) and groups,
and `${}`.

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

`$NAME` and `$(command)` are the shell's. The shell's own `${NAME:-default}` is written `$${NAME:-default}`.
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
an error. In commands, `${in}`, `${out}` and `${depfile}` are relative to `cwd`, a folder has no `/` at its
end, and a path that begins with `-` is written `./-`, so that no program takes it for an option.

## Globs

A text in `in` or `foreach` that has `*`, `?` or `[` in it is a glob. `*` and `?` take no `/`; `[a-z]` and
`[!a]` take one character; `**`, alone between two `/`, takes folders at any depth and follows no links.
Hidden names are only taken by a pattern that writes the dot. `[*]` is a literal `*`. A value that comes in
through `${}` is never a pattern.

Globs are answered once, when the plan is loaded, in the order of bytes: files that no action makes, plus
declared outputs that match; never former outputs, what lies in output folders, depfiles or the state. In
`foreach` a glob takes nothing that its own action makes. So the answer is the same before and after a run. A
glob that matches nothing is an error unless `empty: ok`.

```yaml
treadle: 1
actions:
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

## when

A condition has names (parameters, vars, `foreach` values, `platform.os`, `platform.arch`, tracked variables
as `env.NAME`), texts in quotes, numbers, lists in `[ ]`, `== != < <= > >= in`, `not in`, `and`, `or`, `not`
and brackets, and nothing else. A number and a text are equal if the number was written like the text. `<`
compares two numbers or two texts. `platform.os` is `linux` or `macos`, `platform.arch` is what `uname -m`
prints. A variable that is not set is "".

If it is false the action is left out, with all that cannot do without it, and so on from these; the reason is
kept. That is who names one of its outputs, or a file below one, in `in`; who starts it as a program; who has it in
`needs`, or in a `from`, where nothing else is left of the family or group that is named there. Who has it in `after`,
takes an output of it by a glob or as part of a tree, or names a `from` with `empty: ok`, takes what is in. An action
that `edits` is waited for if it is in; else its files are read as they are.

Left out is not failed, and not gone: outputs and records of former runs stay, and count again when it is in again.
A name that stands only for what is left out is an error that says so.

```yaml
treadle: 1
params:
  mode: {choices: [debug, release], default: debug}
  level: {type: int, default: 2}
actions:
  strip:
    run: strip -o ${out} ${in}
    in: src/prog
    out: out/prog
    when: mode == "release" and level >= 2
  report:
    run: ./report
    track: [CI]
    when: env.CI != "" or mode in ["debug"]
```

## Environment

An action sees PATH, HOME, USER, LOGNAME, SHELL, LANG, `LC_*`, TZ, TMPDIR, TERM, the proxy and `XDG_*`
variables, what it declares by `env`, `track` and `pass`, and `TREADLE_RUN`; nothing else but what asks for
[colours](report.md#colours). Names that begin with `TREADLE` are Treadle's own.

`dotenv: FILE` sets the variables of a file: lines of `NAME=value`, with or without `export` before them, empty
lines, and comments behind `#`. In `' '` a value stands as it is, in `" "` `\n`, `\t`, `\"`, `\\` and `\$` mean what
they do elsewhere, and both may go over several lines. Nothing is replaced in a value: `$HOME` stays that text. The
file is read when the plan is loaded, so no action may make it. `env` wins over it, and it over `track` and `pass`.

Of the variables named in `secret` no value is kept: records, snapshots, `why` and events hold a digest, so that a
change is still seen. They are variables of `track`, `dotenv` or `env` of the same action (in `defaults`: of those
that have them). What a program prints of them is its own matter, and a parameter that takes its value from such a
variable is none: its value becomes part of commands.

```yaml
treadle: 1
actions:
  upload:
    run: ./upload ${in}
    in: data/raw.csv
    dotenv: {file: upload.env, optional: true}
    track: [API_TOKEN]
    secret: [API_TOKEN]
```

## edits: files read and written in place

A formatter reads files and writes them again. `edits` names such files: paths and globs, as in `in`. They are
inputs and results in one. What counts is what the action left in them: it runs again if one of them holds
something else, or if one is added or gone, and once it has run it does not run again for what it wrote itself.
They are never removed or put aside. All that reads such a file, also as part of a tree, waits for the action and
sees what it left; if it fails, they do not run. If it is left out by `when`, they read the files as they are.

One file is edited by one action, which does not read it by `in` too, and no other makes it: two programs go into
one `run`, in their order. What somebody else writes to such a file while the action runs is taken for its work.

```yaml
treadle: 1
actions:
  format: {run: [ruff check --fix src, ruff format src], edits: "src/*.py"}
  lint: {run: ruff check src, in: "src/*.py"}
```

## once: only while an output is missing

With `once: true` an action runs only while one of its outputs is missing, or after a run of it that did not end
well: for what is slow to make and does not grow old. Its command, its inputs and what is in its outputs do not
matter; who made them does not matter either. Its readers are judged by what is in them, as always.
`--force=NAME` runs it, and so does removing the outputs.

```yaml
treadle: 1
actions:
  venv: {run: python3 -m venv out/venv, out: out/venv/, once: true}
```

## Tags

`-l` chooses by tags: `treadle run -l "slow and not gpu"`. It takes some of what the call names (of a bare run: of
what that would do; `'*'` names all actions), and what these need runs with them. `-l` knows `and`, `or`, `not` and
brackets; a tag that no action has is an error. Tags are no part of the fingerprint.

```yaml
treadle: 1
actions:
  unit: {run: pytest tests, in: tests/, tags: quick}
  model:
    foreach: {size: [small, large]}
    run: python3 model.py ${size} ${out}
    out: out/${size}.bin
    tags: [slow, "${size}"]
```

## What makes an action run again

Its fingerprint holds: the command with its values, the shell and `cwd`; variables of `env` and `track`;
tools, and programs inside the root that it starts; the list and the content of inputs, and of what the depfile
named; the outputs as they were left. It does not hold: `help`, `timeout`, `retries`, `queue`, `tokens`,
`priority`, and where the root lies. An action without inputs and outputs runs each time it is asked for, and one
with `always: true` each time.

With `always: true` an action runs each time, and makes nothing else run: who reads its outputs waits for it, is
judged by what came out, and is skipped if that is what it read last time. Who `needs` it waits for it and no more.

An input folder counts by all that is in it, hidden names and empty folders too, but for folders named
`__pycache__`. Links in it are followed; one that leads back to a folder around it counts by its text. An output
folder counts by its whole tree, `__pycache__` too, and links in it by their text.

What the depfile names beside the declared inputs counts from then on. If another action makes such a file, its
maker is waited for from the next run on. In the first run nobody knows of it: who needs it then lists it in `in`.

What is fingerprinted of a script of `sh` is its text with the values in it. There a value has quotes wherever it
could mean more than the plain word, so that no two different scripts have one fingerprint.

## Outputs

Parent folders are made. Output files and the depfile are removed before the action starts; output folders are
left. A file in the place of an output that no action of Treadle's has made may be somebody's own: it is moved to
`.treadle/replaced/`, into a folder named after the action, and a note says so. Output files that a failed action
has written move to `.treadle/failed/`. With `keep: true` all of them stay where they are.

Outputs that were deleted, edited or cut short are made again. An output that was declared and not made is a
failure. `stdout` is an output, also if `out` does not name it.

## Records

A record, what is known of the last success, belongs to the plan's root and the outputs of an action, whatever the
action and its plan are called; without outputs to the plan, the action, and its command. So

- a renamed action or plan takes its outputs over, and nothing runs again; without outputs it is another action;
- two values of a parameter that lead to different outputs (`out: out/${mode}/prog`) have a record each, and changing
  between them runs nothing again. If they lead to the same outputs, each change runs them again: a file holds one
  of the two;
- when an instance, an action or a plan disappears, its record and its outputs stay where they are. If it comes
  back and nothing has moved, it is skipped. In the meantime no glob takes these outputs, until somebody else has
  written to them;
- an output of an action that still is, taken out of its `out`, makes another action of it: it runs once. The
  file that it does not make any more is left.

`treadle forget` drops records, `treadle clean` removes outputs.

## Names

Where names are asked for (`treadle run NAME`, `default`, members of groups), these are known: actions,
families, instances, groups, outputs, paths below an output folder, and patterns with `*` (any text) and `?`
(any character). What a name stands for is looked for in this order:

1. a family (`fit`): all its instances that are in; an action without `foreach` is a family of one;
2. an instance (`fit@a`);
3. a group: its members, which may be all of these, other groups and patterns;
4. a pattern: families, groups, instances and outputs whose whole name fits (`*` alone takes no outputs: all actions;
   in a group patterns take no groups);
5. an output, by any spelling of its path, or what lies below an output folder: its maker.

On the command line a path may also be relative to where you are. What a name stands for runs with all that it
needs. A pattern takes names that begin with `_`, or have one behind a `:`, only if it says so itself.

## include

`include` makes other plans part of this one. A plan keeps its meaning when it is included:

- its names get the include's name and a `:` in front: `docs:build`, `docs:page@a`, in a plan within it
  `docs:api:build`. In its own text it goes on to write `build`, and it sees no names but its own and those of
  plans that it includes; who includes it writes `docs:build` in `needs`, `from`, groups and `default`;
- its paths are relative to its own folder (or to its own `root`, which has to lie in the root of the whole), and
  its commands run there. Its outputs stay below that folder. What it reads may lie anywhere, and whoever
  makes it comes first;
- it has its own `vars`, `defaults` and `shell`, and sees none of this plan's. What it needs from outside is a
  parameter of its own, and gets its value from `params` of the include, from its `env`, or from its default;
  `-p` sets the parameters of the plan that is run, and no others;
- the name of the include stands for what a bare run of that plan would do. If this plan has no `default`, a bare
  run does what has outputs here, and what each included plan does by default;
- a queue is the same for all. Its size is what the plan says that includes; two plans beside each other cannot say
  different sizes.

The name is `as`, else that of the file without its end, or of its folder where the file is named `plan` or
`treadle`. A plan may be included twice under two names, as long as they make different files. A plan that includes
itself, in however many turns, is an error that shows the way. What an action makes cannot be included.

```yaml
treadle: 1
params: {mode: {choices: [debug, release], default: debug}}
include:
  - docs/plan.yaml                      # docs:...
  - {file: lib/plan.yaml, as: core, params: {mode: "${mode}"}}
  - {file: local.yaml, optional: true}  # local:...
groups:
  all: [core, "docs:*"]                 # what core does by default, and all of docs
actions:
  prog:
    run: cc -o ${out} ${in}
    in: {from: "core:objects"}
    out: out/prog
```

## Plans that are made

`expand: PATH` says that an action makes a plan: a file whose actions are part of this plan. `PATH` is one of its
outputs, also if `out` does not name it. What is made

- is checked like any plan, with its mistakes shown at their places in the made file;
- has names with the maker's name and a `:` in front: `gen:a`, or `gen@x:a` of the instance `gen@x`. `gen:` stands
  for what the made plan does by default, which a bare run does too if this plan has no `default`;
- has the paths of the plan that its maker stands in, and no `root` of its own. Its `vars`, `defaults` and
  parameters are its own, as with [include](#include);
- belongs to its maker: each of its actions waits for it and needs it, and all of them vanish with it. Actions that
  the next made plan does not name any more are as if they had been taken out of this one by hand.

What such a plan holds is known when its maker is up to date. So a run first brings the makers of plans up to date,
whatever it was asked for, with all that they need. Then it reads the whole plan, and goes on. If a maker
fails the run ends there. A made plan may make plans itself, ten deep at most.

Questions (`status`, `why`, `list`, `graph`, `check`) start nothing. They know what a maker has made as long as it
is up to date. If it is not, they say that the plan is not made yet; actions that cannot be understood without it
are left out, with that reason, and `gen:a` stands for `gen`. A run with nothing to do is answered as quickly as
any other; one in which anything has moved reads the whole plan.

```yaml
treadle: 1
actions:
  gen:
    run: python3 page.py ${in} ${out}
    in: data/raw.csv
    out: out/parts.yaml
    expand: out/parts.yaml              # as many actions as the table has parts
  report:
    run: cat ${in}
    in: {from: "gen:sum"}
    stdout: out/report
```

## Bounds

A plan has at most 64 MiB, 100 levels and 5,000,000 values; aliases stand for at most 1,000,000; a `foreach`
makes at most 250,000 actions; a glob has at most four `**`; a plan includes at most 1,000 others.
"""
