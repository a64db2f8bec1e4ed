"""The second half of the hand-written part of the reference page: what actions do and what they mean to others."""

from __future__ import annotations

RULES = r"""
## when

A condition has names (parameters, vars, `foreach` values, `platform.os`, `platform.arch`, tracked variables
as `env.NAME`), texts in quotes, numbers, lists in `[ ]`, `== != < <= > >= in`, `not in`, `and`, `or`, `not`
and brackets, and nothing else. A number and a text are equal if the number was written like the text. `<`
compares two numbers or two texts. `platform.os` is `linux` or `macos`, `platform.arch` is what `uname -m`
prints. A variable that is not set is "".

If it is false the action is left out, with all that cannot do without it, and so on from these; the reason is
kept. That is who names one of its outputs, or a file below one, in `in`; who starts it as a program; who has it
in `needs`, or in a `from`, where nothing else is left of the family or group that is named there. Who has it in
`after`, takes an output of it by a glob or as part of a tree, or names a `from` with `empty: ok`, takes what is in.
An action that `edits` is waited for if it is in; else its files are read as they are.

Left out is not failed, and not gone: outputs and records of former runs stay, and count again when it is in again.
A name that stands only for what is left out is an error that says so. A bare run of which all is left out has
nothing to do, and says why.

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
that have them). An error in a file of `dotenv` names its place and shows none of its lines. What a program prints
of them is its own matter. The value of a parameter is never secret, as it becomes part of commands and stands on
the command line: a parameter whose `env` names such a variable is refused. The action reads the variable itself.

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
sees what it left; if it fails, they do not run. It runs with them like any maker of what they read: `treadle run
lint` formats first, so that what `lint` finds does not depend on what else was asked for. If it is left out by
`when`, for example by a parameter, they read the files as they are.

One file is edited by one action, which does not read it by `in` too, and no other makes it: two programs go into
one `run`, in their order. What is read before any action runs (the plan, those that it includes, files of values
and of `dotenv`) cannot be edited. What somebody else writes to such a file while the action runs is taken for its
work.

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
`priority`, and where the root lies. An action without `in` and `out` runs each time it is asked for, and one
with `always: true` each time.

With `always: true` an action runs each time, and makes nothing else run: who reads its outputs waits for it, is
judged by what came out, and is skipped if that is what it read last time. Who `needs` it waits for it and no more.

An input folder counts by all that is in it, hidden names and empty folders too, but for folders named
`__pycache__` and `.treadle` and what editors keep beside a file while it is edited (`.x.c.swp`, `.#x.c`,
`#x.c#`). Links in it are followed; one that leads back to a folder around it counts by its text, and one that
leads to a folder that counted before counts by that folder's name. An output folder counts by its whole tree,
these too, and links in it by their text.

What the depfile names beside the declared inputs counts from then on. If another action makes such a file, by
whichever of its names, its maker is waited for from the next run on. In the first run no order is known: list the
file in `in` if it must be there then.

- A path that is not there when the action ends counts as absent, and the action runs when it appears. A temporary
  file that the command removes itself stays absent, and is no reason to run.
- The action is not recorded, and runs again, if a named path may have held something else while the action ran:
  it was written, it was there before and is gone, or its maker ran at the same time, failed meanwhile or came
  later.
- Paths are read as the system reads them: `..` after a link leads to where the link leads. What lies in the root
  is known by its place there, whichever name the tool wrote: the real name of the root, or one through a link.
- In the depfile, a line that begins with `#` is a comment, `out:in` needs no blank, and `\ `, `\#`, `\:` and `$$`
  stand for the character.
- A folder counts as an input folder does, with all that is in it. What the action itself writes there does not
  count as a change under way. A folder around the root (`..`, `/`) counts by being there and by nothing else.

What is fingerprinted of a script of `sh` is its text with the values in it. There a value has quotes wherever it
could mean more than the plain word, so that no two different scripts have one fingerprint.

## Outputs

Before an action starts, its output folders and the folders around its outputs are made if they are not there.
What its last success has left in the place of its outputs is removed, if it is unchanged: output files, the
depfile, and in an output folder the names that came to be while the action ran. So a result never depends on what
an older state has left, and an output that the command does not write is found out.

All else is not Treadle's to remove:

- a file in the place of an output that no run has made, or that was edited since, moves to `.treadle/replaced/`,
  into a folder named after the action, never over an older copy. One line says so. `treadle clean --replaced`
  empties that folder;
- names in an output folder that were there before the action ran, or that were added by others (`.git`, `CNAME`),
  stay, and count in the content. Names that the action made and that were edited since move to
  `.treadle/replaced/`;
- what an attempt left that was killed moves there too: what was written to it since cannot be told apart;
- a file or folder of a former action that is in the way of an output is removed if all of it is as that has left
  it; if not, the action fails. An output of a former action of the plan goes from an output folder too;
- nothing is removed through a link in an output folder, or from what is mounted in one.

A failed action leaves nothing: what it has written moves to `.treadle/failed/`.

With `keep: true` nothing is removed and nothing is moved, neither before the action nor when it fails. It is for
tools that go on from what is there, such as a compiler with a cache in its output folder.

An output may be a link, also to an input (`ln -s ../conf ${out}`), or a hard link to one (`cp -l`): the link is
removed before the next run, and the input stays. An output that is the very name of an input is refused, and so is,
with `keep: true`, one that is an input by another name: the command would write to its input. In the place of an
output folder (`o/current/`) an empty folder is made first, so a command that makes a link there removes it:
`rmdir ${out}; ln -s ../v2 ${out}` (`ln -sfn` alone would put the link into the folder). Before the next attempt
Treadle removes that link, and makes the folder. A link of your own in the place of an output folder
(`out -> /scratch/out`) stays: the folder that it leads to is the output folder, for runs; `clean` leaves it alone.

Outputs that were deleted, edited or cut short are made again. What others write to an output while its action runs
counts as made by the action. An output file that was declared and not made is a failure. `stdout` is an output,
also if `out` does not name it.

## Records

A record, what is known of the last success, belongs to the plan's root and the outputs of an action, whatever the
action and its plan are called; without outputs to the plan, the action, and its command. So

- a renamed action or plan takes its outputs over, and nothing runs again; without outputs it is another action;
- two values of a parameter that lead to different outputs (`out: out/${mode}/prog`) have a record each, and
  changing between them runs nothing again. If they lead to the same outputs, each change runs them again: a file
  holds one of the two;
- when an instance, an action or a plan disappears, its record and its outputs stay where they are. If it comes
  back and nothing has moved, it is skipped. In the meantime no glob takes these outputs or its depfile, until
  something else is written to them;
- an output of an action that still is, taken out of its `out`, makes another action of it: it runs once. The
  file that it does not make any more is left.

`treadle forget` drops records, `treadle clean` removes outputs. `treadle forget PATH`, with an output of an action
that the plan does not have any more, makes that file an ordinary one: globs take it, and `clean` leaves it.

## Names

Where names are asked for (`treadle run NAME`, `default`, members of groups), these are known: actions,
families, instances, groups, outputs, paths below an output folder, and patterns with `*` (any text) and `?`
(any character). What a name stands for is looked for in this order:

1. a family (`fit`): all its instances that are in; an action without `foreach` is a family of one;
2. an instance (`fit@a`);
3. a group: its members, which may be all of these, other groups and patterns;
4. a pattern: families, groups, instances and outputs whose whole name fits (`*` alone takes no outputs: all
   actions; in a group patterns take no groups);
5. an output, by any spelling of its path, or what lies below an output folder: its maker.

On the command line a path may also be relative to where you are. What a name stands for runs with all that it
needs. A pattern takes names that begin with `_`, or have one behind a `:`, only if it says so itself.

What an action gives in `needs`, `after` and `from` means the same, but for outputs, which belong into `in`: a
pattern there takes actions and instances (`gen:*` all of an included plan), and neither groups nor the action that
gives it. `from` takes the outputs of each. An action by its name has to make something; of a group or a pattern
those that make nothing are passed over, and one at least has to. If nothing has the whole name, what stands behind
its last `.` is the name of an output (`split.a`, `gen:*.table`). A pattern that nothing fits is an error, but for a
`from` with `empty: ok`.

```yaml
treadle: 1
include: [{file: lib/plan.yaml, as: gen}]
actions:
  fit:
    foreach: {part: [a1, a2, b]}
    run: python3 fit.py ${out.table} ${out.log}
    out: {table: "out/${part}.csv", log: "out/${part}.log"}
  pack:
    run: tar -cf ${out} ${in}
    in: [{from: "gen:*"}, {from: "fit@a*.table"}]
    out: out/all.tar
  tidy: {run: rm -rf out/tmp, after: "fit@*"}
```

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

- is checked like any plan, with its mistakes shown at their places in the made file; it may have no actions
  (`actions: {}`);
- has names with the maker's name and a `:` in front: `gen:a`, or `gen@x:a` of the instance `gen@x`. `gen:` stands
  for what the made plan does by default, which a bare run does too if this plan has no `default`;
- has the paths of the plan that its maker stands in, and no `root` of its own. Its `vars`, `defaults` and
  parameters are its own, as with [include](#include), and plans that it includes are looked for from its folder;
- belongs to its maker: each of its actions waits for it and needs it, and all of them vanish with it. Actions that
  the next made plan does not name any more are as if they had been taken out of this one by hand.

What such a plan holds is known when its maker is up to date. So a run first brings the makers of plans up to date,
whatever it was asked for, with all that they need. Then it reads the whole plan, and goes on. A made plan may make
plans itself, ten deep at most. A maker may read what an action of another made plan makes, by a glob too: it waits
for it. If a maker is left out, so is what needs its plan.

A maker that fails is an action that fails, and the exit code is 1. With `-k` all goes on that does not depend on
its plan; without it what was named and does not depend on it. What needs the maker or its plan is blocked by it. So
is what cannot be understood without that plan, and what reads a file that actions of the plan made in a former run.
A made plan with mistakes counts as a failure of its maker; the exit code is 2 then.

Questions (`status`, `why`, `list`, `graph`, `check`) start nothing. They know what a maker has made as long as it
is up to date, or would only run because it always does; then `status` and `why` add that the plan may be another
one after that. If it is not, they say that the plan is not made yet; actions that cannot be understood without it
are left out, with that reason, and `gen:a` stands for `gen`. Who reads what an action of that plan has made may
run: that file may be made anew. What new files the plan will make, and which globs take these, nobody knows before.
A run with nothing to do is answered as quickly as any other; one in which anything has moved reads the whole plan.

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
