from __future__ import annotations

from pathlib import Path

import pytest

from plan_folder import Folder, argv
from treadle.errors import PlanError
from treadle.ui.error_text import problem_lines

# name: (the plan, or its actions if it begins with blanks; line and column of the first mistake; words that are said)
CASES: dict[str, tuple[str | bytes, str, list[str]]] = {
    # the file and YAML
    "empty": ("", "1:1", ["empty"]),
    "only a comment": ("# nothing\n", "1:1", ["empty"]),
    "a list": ("- a\n", "1:1", ["must be a map"]),
    "a text": ("hello\n", "1:1", ["must be a map"]),
    "no version": ("actions: {a: {run: x}}\n", "1:1", ["treadle: 1"]),
    "another version": ("treadle: 2\nactions: {a: {run: x}}\n", "1:10", ["must be 1", "'2'"]),
    "version as text": ("treadle: '1'\nactions: {a: {run: x}}\n", "1:10", ["must be 1"]),
    "no actions": ("treadle: 1\n", "1:1", ["no actions"]),
    "actions empty": ("treadle: 1\nactions: {}\n", "2:10", ["no actions"]),
    "actions nothing": ("treadle: 1\nactions:\n", "2:1", ["not an empty value"]),
    "actions a list": ("treadle: 1\nactions: [1]\n", "2:10", ["must be a map", "a list"]),
    "action a text": ("treadle: 1\nactions: {a: make}\n", "2:14", ["the action a must be a map"]),
    "two documents": ("treadle: 1\n---\nactions: {}\n", "2:1", ["second YAML document"]),
    "tab": ("treadle: 1\nactions:\n\ta: {run: x}\n", "3:1", ["not valid YAML", "indent with spaces"]),
    "bad utf8": (b"treadle: 1\n# \xc3\xa4\xff\n", "2:4", ["not UTF-8", "0xff"]),
    "utf16": ("treadle: 1".encode("utf-16"), "1:1", ["not UTF-8"]),
    "nul": (b"treadle: 1\na: \0\n", "2:4", ["NUL"]),
    "escaped nul": ('  a: {run: "x \\0"}\n', "3:12", ["NUL"]),
    "python tag": ("  a: !!python/object/apply:os.system [x]\n", "3:6", ["tag", "python/object"]),
    "str tag": ("  a: {run: !!str x}\n", "3:12", ["tag"]),
    "merge key": ("  a: &a {run: x}\n  b: {<<: *a}\n", "4:7", ["merge keys"]),
    "twice": (
        "  a: {run: x}\n  b: {run: x}\n  a: {run: y}\n",
        "5:3",
        ["duplicate key 'a'", "treadle.yaml:3:3"],
    ),
    "duplicate key": ("  a:\n    run: x\n    run: y\n", "5:5", ["duplicate key 'run'"]),
    "alias bomb": (
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{b}: &{b} [" + ",".join([f"*{a}"] * 9) + "]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "7:8",
        ["1,000,000"],
    ),
    "deep": ("treadle: 1\nvars: {x: " + "[" * 200000 + "\n", "2:109", ["nested more than 100"]),
    "unknown alias": ("  a: {run: x, in: *files}\n", "3:19", ["no anchor &files", "alias in YAML"]),
    "star in flow": ("  a: {run: x, in: [*.c]}\n", "3:21", ["not valid YAML", "begins with `*`"]),
    "star in list": ("  a:\n    run: x\n    in:\n      - *.c\n", "6:10", ["not valid YAML", "begins with `*`"]),
    "dollar in flow list": ("  a: {argv: [cp, ${in}, x]}\n", "3:19", ["not valid YAML", "needs quotes"]),
    "dollars in flow maps": (
        "  a: {run: cp ${in} x${out}, in: ${o}, out: [y, ${z}]}\n  b: {run: '${in}', in: a${o}/x, out: \"${o}\"}\n",
        "3:16",
        ["not valid YAML", "the same at 3:23, 3:35, 3:50, 4:27", "needs quotes"],
    ),
    "dollar in flow map": ("  a:\n    run: x\n    in: {raw: ${o}/x}\n", "5:16", ["not valid YAML", "needs quotes"]),
    "no size of a queue": (
        "treadle: 1\nqueues: {net: 0}\nactions: {a: {run: x}}\n",
        "2:15",
        ["1 or more", "example queues: {net: 2}"],
    ),
    "list for a text": ("  a: {run: x, env: {A: [x]}}\n", "3:24", ["not a list", "without [ ]"]),
    "a list in a variable": (
        "  a: {run: x, in: {f: [src/main.c]}, env: {F: '${in.f}'}}\n",
        "3:48",
        ["${in.f} is a list, but one text is needed here", "it holds 1 element"],
    ),
    "colon in text in braces": ("  a: {sh: curl -H 'A: b'}\n", "3:21", ["not valid YAML", "`: ` inside a text"]),
    "brace not closed": ("  a: {run: x\n  b: {run: y}\n", "4:4", ["a bracket is not closed"]),
    "colon in text": (
        '  a:\n    sh: curl -H "A: b"\n',
        "4:19",
        ["not valid YAML", "`: ` inside a text", "block after `|`"],
    ),
    "list element a map": (
        "  a:\n    run:\n      - echo a\n      - echo b: c\n",
        "6:9",
        ["a command must be a text, not a map", "echo b"],
    ),
    "cut at comma": ("  a: {run: echo a, b}\n", "3:20", ["split a value at a comma", "'b'"]),
    "cut at comma in run": (
        "  a: {run: [docker build --platform=a,b x]}\n",
        "3:38",
        ["split this value at the comma", "'docker build --platform=a' and 'b x'", "in quotes"],
    ),
    "cut at comma in argv": (
        "  a: {argv: [docker, build, --platform=a,b, x]}\n",
        "3:41",
        ["split this value at the comma", "'--platform=a' and 'b'"],
    ),
    "cut at hash": ("  a:\n    run: echo a # b\n", "4:17", ["ended this value at the #"]),
    "cut at hash in list": ("  a:\n    run:\n      - echo a # b\n", "5:16", ["ended this value at the #"]),
    # keys
    "unknown key top": (
        "treadle: 1\ntasks: {}\nactions: {a: {run: x}}\n",
        "2:1",
        ["no key 'tasks'", "did you mean actions?"],
    ),
    "unknown key action": ("  a: {run: x, inputs: y}\n", "3:15", ["no key 'inputs'", "did you mean in?"]),
    "near key": ("  a: {run: x, timout: 5m}\n", "3:15", ["no key 'timout'", "did you mean timeout?"]),
    "unknown default": (
        "treadle: 1\ndefaults: {out: x}\nactions: {a: {run: x}}\n",
        "2:12",
        ["defaults has no key 'out'"],
    ),
    "bad action name": ("  a b: {run: x}\n", "3:3", ["'a b' is not a valid name in actions"]),
    "bad action name at": ("  a@b: {run: x}\n", "3:3", ["'a@b' is not a valid name in actions"]),
    "no command": ("  a: {in: x}\n", "3:3", ["does nothing"]),
    "two commands": ("  a: {run: x, sh: y}\n", "3:3", ["both run and sh"]),
    "yes": ("  a: {run: x, always: yes}\n", "3:23", ["always must be true or false", "'yes'"]),
    "quoted true": ("  a: {run: x, always: 'true'}\n", "3:23", ["true or false"]),
    "null value": ("  a:\n    run:\n", "4:5", ["run must be", "not an empty value"]),
    "null in list": ("  a: {run: x, in: [~]}\n", "3:20", ["an input must be a text, not an empty value"]),
    "number too small": ("  a: {run: x, tokens: 0}\n", "3:23", ["1 or more"]),
    "duration bare": ("  a: {run: x, timeout: 30}\n", "3:24", ["duration with a unit", "'30'"]),
    "duration zero": ("  a: {run: x, timeout: 0s}\n", "3:24", ["more than zero"]),
    "retries": ("  a: {run: x, retries: often}\n", "3:24", ["retries must be a whole number"]),
    "retries on": (
        "  a: {run: x, retries: {max: 1, on: [exit 300]}}\n",
        "3:38",
        ["'exit 300' is not a condition for a retry"],
    ),
    "codes: [0]": (
        "  a: {run: x, codes: [0]}\n",
        "3:22",
        ["codes must be a map of meanings to exit codes", "not a list"],
    ),
    "codes: {sucess: 0}": (
        "  a: {run: x, codes: {sucess: 0}}\n",
        "3:23",
        ["codes has no key 'sucess'", "did you mean success?"],
    ),
    "codes: {success: x}": (
        "  a: {run: x, codes: {success: x}}\n",
        "3:32",
        ["must be a number from 0 to 255, or a range such as 130-143", "'x'"],
    ),
    "codes: {success: 256}": ("  a: {run: x, codes: {success: 256}}\n", "3:32", ["from 0 to 255", "256"]),
    "codes: {success: -1}": ("  a: {run: x, codes: {success: -1}}\n", "3:32", ["from 0 to 255", "-1"]),
    "codes: {success: [0, 300]}": (
        "  a: {run: x, codes: {success: [0, 300]}}\n",
        "3:36",
        ["from 0 to 255", "'300'"],
    ),
    "codes: {success: [0, 5-3]}": ("  a: {run: x, codes: {success: [0, 5-3]}}\n", "3:36", ["lower", "'5-3'"]),
    "codes: {success: [0, {a: b}]}": (
        "  a: {run: x, codes: {success: [0, {a: b}]}}\n",
        "3:36",
        ["a code in success must be a text"],
    ),
    "codes: {success: ~}": ("  a: {run: x, codes: {success: ~}}\n", "3:32", ["success must be an exit code"]),
    "codes: {success: [0, 3], diffed: 3}": (
        "  a: {run: x, codes: {success: [0, 3], diffed: 3}}\n",
        "3:48",
        ["the exit code 3 means both success and diffed"],
    ),
    "codes: {diffed: 1-5, skipped: [9, 4-9]}": (
        "  a: {run: x, codes: {diffed: 1-5, skipped: [9, 4-9]}}\n",
        "3:49",
        ["the exit code 4 means both diffed and skipped"],
    ),
    "codes: {retry: 75, not_ready: 75}": (
        "  a: {run: x, codes: {retry: 75, not_ready: 75}}\n",
        "3:45",
        ["the exit code 75 means both"],
    ),
    "codes: {success: []}": ("  a: {run: x, codes: {success: []}}\n", "3:32", ["no exit code means success"]),
    "codes: {skipped: 0}": ("  a: {run: x, codes: {skipped: 0}}\n", "3:22", ["no exit code means success"]),
    "expect: fail": (
        "  a: {run: x, expect: fail}\n",
        "3:23",
        ["expect must be one of failure, diff", "did you mean failure?"],
    ),
    "expect: success": ("  a: {run: x, expect: success}\n", "3:23", ["expect must be one of failure, diff"]),
    "expect: [failure]": (
        "  a: {run: x, expect: [failure]}\n",
        "3:23",
        ["expect must be failure, diff, or a map with failure"],
    ),
    "expect: {diff: 3}": (
        "  a: {run: x, expect: {diff: 3}}\n",
        "3:23",
        ["expect has no key 'diff'", "expect needs failure:"],
    ),
    "expect: {failure: 0}": (
        "  a: {run: x, expect: {failure: 0}}\n",
        "3:33",
        ["the exit code 0 is expected as a failure, and means success"],
    ),
    "expect: {failure: [3, 0-2]}": (
        "  a: {run: x, expect: {failure: [3, 0-2]}}\n",
        "3:37",
        ["the exit code 0 is expected as a failure, and means success"],
    ),
    "expect: {failure: 80}, codes: {skipped: 80}": (
        "  a: {run: x, expect: {failure: 80}, codes: {skipped: 80}}\n",
        "3:33",
        ["the exit code 80 is expected as a failure"],
    ),
    "expect: {failure: 3}, codes: {retry: 3}": (
        "  a: {run: x, expect: {failure: 3}, codes: {retry: 3}}\n",
        "3:33",
        ["the exit code 3 is expected as a failure, and means retry"],
    ),
    "expect: {failure: []}": ("  a: {run: x, expect: {failure: []}}\n", "3:33", ["expect names no exit code"]),
    "expect: {failure: x}": ("  a: {run: x, expect: {failure: x}}\n", "3:33", ["must be a number from 0 to 255"]),
    "retries max": ("  a: {run: x, retries: {backoff: 5s}}\n", "3:24", ["retries needs max"]),
    "queue": (
        "treadle: 1\nqueues: {net: 2}\nactions: {a: {run: x, queue: nett}}\n",
        "3:30",
        ["no queue 'nett'", "did you mean net?"],
    ),
    "tokens": (
        "treadle: 1\nqueues: {net: 2}\nactions: {a: {run: x, queue: net, tokens: 3}}\n",
        "3:43",
        ["3 tokens are more", "net has 2"],
    ),
    "queue size": (
        "treadle: 1\nqueues: {net: 0}\nactions: {a: {run: x}}\n",
        "2:15",
        ["size of a queue", "1 or more"],
    ),
    "queue default": ("treadle: 1\nqueues: {default: 3}\nactions: {a: {run: x}}\n", "2:10", ["-j"]),
    "console": (
        "treadle: 1\nqueues: {net: 2}\nactions: {a: {run: x, console: true, queue: net}}\n",
        "3:45",
        ["queue cannot be combined with console"],
    ),
    "shell without sh": ("  a: {run: x, shell: [sh, -c]}\n", "3:22", ["shell has no effect without sh"]),
    "env lists": ("  a: {run: x, env: {A: b}, track: [A]}\n", "3:35", ["A is in both env and track"]),
    "track value": ("  a: {run: x, track: [A=b]}\n", "3:23", ["'A=b' is not a valid variable name"]),
    "env own": ("  a: {run: x, env: {TREADLE_X: b}}\n", "3:21", ["are reserved"]),
    "env null": ("  a:\n    run: x\n    env:\n      A:\n", "6:9", ["the variable A must be a text"]),
    # params and vars
    "param type": (
        "treadle: 1\nparams: {n: {type: integer}}\nactions: {a: {run: x}}\n",
        "2:20",
        ["type must be one of", "did you mean int?"],
    ),
    "param default type": (
        "treadle: 1\nparams: {n: {type: int, default: many}}\nactions: {a: {run: x}}\n",
        "2:34",
        ["'many' is not a whole number"],
    ),
    "param choice": (
        "treadle: 1\nparams: {n: {choices: [debug, release], default: relase}}\nactions: {a: {run: x}}\n",
        "2:50",
        ["not a choice of n", "did you mean release?"],
    ),
    "param required": (
        "treadle: 1\nparams: {n: {type: int}}\nactions: {a: {run: x}}\n",
        "2:10",
        ["n has no value", "-p n=VALUE"],
    ),
    "param required choices": (
        "treadle: 1\nparams: {n: {choices: [a, b], help: which one}}\nactions: {a: {run: x}}\n",
        "2:10",
        ["n has no value\n  which one\n  choices: a, b", "-p n=VALUE"],
    ),
    "param ref": (
        "treadle: 1\nparams: {n: {default: 'x${o}'}}\nactions: {a: {run: x}}\n",
        "2:25",
        ["a default cannot contain ${}"],
    ),
    "param short": (
        "treadle: 1\nparams: {n: debug}\nactions: {a: {run: x}}\n",
        "2:13",
        ["the parameter n must be a map"],
    ),
    "param name": (
        "treadle: 1\nparams: {in: {default: x}}\nactions: {a: {run: x}}\n",
        "2:10",
        ["in cannot be the name"],
    ),
    "var and param": (
        "treadle: 1\nparams: {n: {default: x}}\nvars: {n: y}\nactions: {a: {run: x}}\n",
        "3:8",
        ["the name n is already used by a parameter or var"],
    ),
    "var circle": (
        "treadle: 1\nvars:\n  a: ${b}\n  b: x${c}\n  c: ${a}\nactions: {a: {run: x}}\n",
        "3:3",
        ["refer to each other", "a -> b -> c -> a"],
    ),
    "var self": (
        "treadle: 1\nvars:\n  a: ${a}\nactions: {a: {run: x}}\n",
        "3:3",
        ["refer to each other", "a -> a"],
    ),
    "var map": (
        "treadle: 1\nvars: {a: {name: x}}\nactions: {a: {run: x}}\n",
        "2:11",
        ["the var a must be a text or a list"],
    ),
    "var undefined": (
        "treadle: 1\nvars: {out_dir: x, b: '${outdir}/y'}\nactions: {a: {run: x}}\n",
        "2:24",
        ["${outdir} is not defined", "did you mean ${out_dir}?"],
    ),
    "list in text": (
        "treadle: 1\nvars: {l: [a, b], b: 'x${l}'}\nactions: {a: {run: x}}\n",
        "2:24",
        ["is a list and cannot be part of a text"],
    ),
    "bad mark": (
        "  a:\n    run: x\n    out: out/${a-b}\n",
        "5:14",
        ["invalid reference `${a-b}`: expected ${NAME}"],
    ),
    # run
    "pipe": ("  a:\n    run: ls | wc\n", "4:13", ["| is a pipe", "use sh:"]),
    "redirect": ("  a:\n    run: ls > x\n", "4:13", ["> is a redirection"]),
    "and": ("  a:\n    run: ls && ls\n", "4:13", ["& is"]),
    "semicolon": ("  a:\n    run: ls; ls\n", "4:12", ["; is a separator"]),
    "substitution": ("  a:\n    run: ls $(pwd)\n", "4:13", ["$( would be passed"]),
    "backtick": ("  a:\n    run: ls `pwd`\n", "4:13", ["command substitution"]),
    "variable": ("  a:\n    run: ls $HOME\n", "4:13", ["$HOME would be passed", "${HOME}"]),
    "variable in quotes": ('  a:\n    run: ls "$HOME/x"\n', "4:14", ["$HOME would be passed"]),
    "glob in run": ("  a:\n    run: cat *.c\n", "4:14", ["* is a glob"]),
    "braces": ("  a:\n    run: ls {a,b}.c\n", "4:13", ["{a,b} would be passed", "use sh:"]),
    "tilde": ("  a:\n    run: ls ~/x\n", "4:13", ["~ would be passed"]),
    "assignment": ("  a:\n    run: A=b make\n", "4:10", ["A=b would be taken as the program", "env:"]),
    "cd": ("  a:\n    run: cd x\n", "4:10", ["cd is a word of the shell", "cwd:"]),
    "two lines": (
        "  a:\n    run: |\n      make x\n      make y\n",
        "6:7",
        ["second line", "list with one command each"],
    ),
    "open quote": ("  a:\n    run: echo 'x\n", "4:15", ["a quote that is not closed"]),
    "comment in run": ("  a:\n    run: |\n      echo x # y\n", "5:14", ["run does not support comments"]),
    "argv in run": (
        '  a:\n    run: [cp, "${in}", "${out}"]\n    in: [x]\n',
        "4:15",
        ["'${in}' is an argument, not a command", "argv:"],
    ),
    "list in word": ("  a:\n    run: cc -I${l}\n", "4:15", ["${l} is not defined"]),
    "list in word 2": (
        "treadle: 1\nvars: {l: [a, b]}\nactions:\n  a:\n    run: cc -I${l}\n",
        "5:15",
        ["${l} is a list"],
    ),
    "list in quotes": (
        'treadle: 1\nvars: {l: [a, b]}\nactions:\n  a:\n    run: cc "${l}"\n',
        "5:14",
        ["${l} is a list and cannot be in quotes"],
    ),
    "undefined in run": (
        "treadle: 1\nvars: {flags: [a]}\nactions:\n  a:\n    run: cc ${flag}\n",
        "5:13",
        ["${flag} is not defined", "did you mean ${flags}?"],
    ),
    "no in": ("  a:\n    run: cat ${in}\n", "4:14", ["this action has no in"]),
    "no out name": (
        "  a:\n    run: cp x ${out.b}\n    out: {a: x}\n",
        "4:15",
        ["${out.b} is not defined", "out.a"],
    ),
    "empty program": ("treadle: 1\nvars: {cc: ''}\nactions:\n  a:\n    run: ${cc} -c\n", "5:10", ["no program"]),
    # sh
    "single quotes": (
        "treadle: 1\nvars: {v: x}\nactions:\n  a:\n    sh: echo '${v}'\n",
        "5:15",
        ["inside single quotes", "use double quotes"],
    ),
    "arithmetic": (
        "treadle: 1\nvars: {v: x}\nactions:\n  a:\n    sh: echo $((${v} + 1))\n",
        "5:17",
        ["inside $(( ))"],
    ),
    "quoted heredoc": (
        "treadle: 1\nvars: {v: x}\nactions:\n  a:\n    sh: |\n      cat <<'E'\n      ${v}\n      E\n",
        "7:7",
        ["heredoc with a quoted end"],
    ),
    "shell form": ("  a:\n    sh: echo ${x:-y}\n", "4:14", ["invalid reference `${x:-y}`", "$${"]),
    "shell variable": ("  a:\n    sh: echo ${HOME}\n", "4:14", ["${HOME} is not defined", "$HOME or $${HOME}"]),
    "open quote sh": (
        'treadle: 1\nvars: {v: x}\nactions:\n  a:\n    sh: |\n      echo "${v}\n',
        "6:12",
        ['a quote (") that is not closed'],
    ),
    "list in sh word": (
        "treadle: 1\nvars: {v: [x]}\nactions:\n  a:\n    sh: echo x${v}\n",
        "5:15",
        ["${v} is a list and cannot be part of a word"],
    ),
    "strange shell": (
        "treadle: 1\nvars: {v: x}\nactions:\n  a:\n    sh: print(${v})\n    shell: [python3, -c]\n",
        "5:15",
        ["cannot be passed to python3"],
    ),
    "empty sh": ("  a: {sh: ''}\n", "3:11", ["an empty script"]),
    # files
    "missing input": (
        "  a: {run: x, in: src/mian.c}\n",
        "3:19",
        ["src/mian.c does not exist", "did you mean src/main.c?"],
    ),
    "glob nothing": ('  a: {run: x, in: "src/*.cc"}\n', "3:19", ["src/*.cc matches nothing", "empty: ok"]),
    "glob bad": ('  a: {run: x, in: "src/[a.cc"}\n', "3:19", ["invalid glob: "]),
    "glob empty": ('  a: {run: x, in: {glob: ""}}\n', "3:26", ["it names no file"]),
    "glob root": ("  a: {run: x, in: {glob: ./.}}\n", "3:26", ["it names no file"]),
    "glob dots": ('  a: {run: x, in: "src/*/../x"}\n', "3:19", [".. can only be before"]),
    "glob list": ("  a: {run: x, in: {glob: []}}\n", "3:19", ["matches nothing"]),
    "glob deep": ('  a: {run: x, in: "src/a**/x"}\n', "3:19", ["** must be a whole name"]),
    "folder": ("  a: {run: x, in: src}\n", "3:19", ["the input src is a folder", "write src/"]),
    "file as folder": ("  a: {run: x, in: src/main.c/}\n", "3:19", ["is a file", "write src/main.c"]),
    "out glob": ('  a: {run: x, out: "out/*.o"}\n', "3:20", ["not a pattern"]),
    "out absolute": ("  a: {run: x, out: /tmp/x}\n", "3:20", ["absolute"]),
    "out outside": ("  a: {run: x, out: ../x}\n", "3:20", ["outside the root"]),
    "out dots": ("  a: {run: x, out: a/../x}\n", "3:20", ["through .."]),
    "out state": ("  a: {run: x, out: .treadle/x}\n", "3:20", ["state folder"]),
    "out state sly": ("  a: {run: x, out: .//.treadle/./x}\n", "3:20", ["state folder"]),
    "out plan": ("  a: {run: x, out: treadle.yaml}\n", "3:20", ["is the plan itself"]),
    "out root": ("  a: {run: x, out: ./}\n", "3:20", ["the root itself"]),
    "out empty": ('  a: {run: x, out: ""}\n', "3:20", ["empty path"]),
    "out long": ("  a: {run: x, out: " + "x" * 300 + "}\n", "3:20", ["more than 255 bytes"]),
    "out tilde": ("  a: {run: x, out: ~/x}\n", "3:20", ["~ is not expanded"]),
    "in tilde": ("  a: {run: x, in: ~/x}\n", "3:19", ["~ is not expanded"]),
    "in state": ("  a: {run: x, in: .treadle/x}\n", "3:19", ["state folder"]),
    "in root": ("  a: {run: x, in: ./}\n", "3:19", ["state folder"]),
    "two makers": (
        "  a: {run: x, out: out/x}\n  b: {run: y, out: ./out//x}\n",
        "4:20",
        ["two actions make out/x: a and b", "treadle.yaml:3:"],
    ),
    "two makers folder": ("  a: {run: x, out: out/}\n  b: {run: y, out: out}\n", "4:20", ["two actions make out"]),
    "below folder": (
        "  a: {run: x, out: out/}\n  b: {run: y, out: out/x}\n",
        "4:20",
        ["is inside out/, an output of a", "treadle.yaml:3:"],
    ),
    "below file": ("  a: {run: x, out: out}\n  b: {run: y, out: out/x}\n", "4:20", ["which a makes as a file"]),
    "own input": ("  a: {run: x, in: [src/main.c, out/x], out: out/x}\n", "3:32", ["a reads its own output out/x"]),
    "own input glob": (
        '  a: {run: x, in: "src/*.c", out: src/new.c}\n',
        "3:19",
        ["a reads its own output src/new.c", "use exclude"],
    ),
    "own input tree": ("  a: {run: x, in: src/, out: src/new.c}\n", "3:19", ["a reads its own output src/new.c"]),
    "folder of outputs": (
        "  a: {run: x, out: site/x}\n  b: {run: y, in: site}\n",
        "4:19",
        ["the input site is a folder", "write site/"],
    ),
    "glob in an output folder": (
        '  a: {run: x, out: site/}\n  b: {run: y, in: "site/sub/*.html"}\n',
        "4:19",
        ["site/sub/*.html matches nothing", "a makes site/", "treadle.yaml:3:", "read the whole folder: site/"],
    ),
    "glob map in an output folder": (
        "  a: {run: x, out: site/}\n  b: {run: y, in: {glob: [no/*, site/**/*.html]}}\n",
        "4:19",
        ["a makes site/", "read the whole folder: site/"],
    ),
    "glob in its own output folder": (
        '  a: {run: x, out: site/, in: "site/*.html"}\n',
        "3:31",
        ["a makes site/", "an action cannot read what it makes"],
    ),
    "foreach in an output folder": (
        '  a: {run: x, out: site/}\n  b: {run: y, foreach: {p: "site/*.html"}}\n',
        "4:28",
        ["a makes site/", "name the files in out: of a"],
    ),
    "depfile read": (
        "  a: {run: x, depfile: d}\n  b: {run: y, in: d}\n",
        "4:19",
        ["d is a depfile", "out: of its action"],
    ),
    "out folder as file": (
        "  a: {run: x, out: site/}\n  b: {run: y, in: site}\n",
        "4:19",
        ["site/ is a folder that a makes", "write site/"],
    ),
    "depfile shared": ("  a: {run: x, depfile: d}\n  b: {run: y, depfile: d}\n", "4:24", ["two actions make d"]),
    "stdout folder": ("  a: {run: x, stdout: o/}\n", "3:23", ["stdout must be a file"]),
    "cwd": ("  a: {run: x, cwd: nowhere}\n", "3:20", ["the folder nowhere of cwd does not exist"]),
    "cwd outside": ("  a: {run: x, cwd: ..}\n", "3:20", ["cwd is outside"]),
    "root": ("treadle: 1\nroot: nowhere\nactions: {a: {run: x}}\n", "2:7", ["root: 'nowhere' is not a directory"]),
    # order
    "circle": (
        "  a: {run: x, in: c.o, out: a.o}\n  b: {run: x, in: a.o, out: b.o}\n  c: {run: x, in: b.o, out: c.o}\n",
        "3:3",
        ["3 actions wait for each other", "waits for", "c at "],
    ),
    "long circle": (
        "".join(f"  a{n}: {{run: x, in: o{(n + 1) % 300}, out: o{n}}}\n" for n in range(300)),
        "3:3",
        ["300 actions wait for each other", "... 281 more ..."],
    ),
    "circle needs": ("  a: {run: x, needs: a}\n", "3:3", ["a waits for itself"]),
    "circle after": ("  a: {run: x, after: b}\n  b: {run: x, needs: a}\n", "3:3", ["2 actions wait"]),
    "needs": (
        "  lint: {run: x}\n  b: {run: x, needs: [lnt]}\n",
        "4:23",
        ["needs: there is no action, family or group 'lnt'", "did you mean lint?"],
    ),
    "needs file": ("  a: {run: x, out: o}\n  b: {run: x, needs: [o]}\n", "4:23", ["name a file in in:"]),
    "after": (
        "  lint: {run: x}\n  b: {run: x, after: [lnt]}\n",
        "4:23",
        ["after: there is no action, family or group 'lnt'"],
    ),
    "from": (
        "  fit: {run: x, out: o}\n  b: {run: x, in: {from: fot}}\n",
        "4:26",
        ["from: there is no action, family or group 'fot'", "did you mean fit?"],
    ),
    "from nothing": ("  fit: {run: x}\n  b: {run: x, in: {from: fit}}\n", "4:26", ["fit has no outputs"]),
    "from name": (
        "  fit: {run: x, out: {a: o}}\n  b: {run: x, in: {from: fit.b}}\n",
        "4:26",
        ["fit has no output b", "it has a"],
    ),
    "from self": ("  fit: {run: x, out: o, in: {from: fit}}\n", "3:36", ["fit reads its own outputs"]),
    "in map": (
        "  a: {run: x, in: [{folder: x}]}\n",
        "3:20",
        ["an input cannot be a map with folder", "glob:, tree: or from:"],
    ),
    "tree without a slash": (
        "  a: {run: x, in: [{tree: src}]}\n",
        "3:27",
        ["a tree is a folder, and src has no / at its end", "write src/"],
    ),
    "group": (
        "treadle: 1\ngroups: {ci: [lnt]}\nactions: {lint: {run: x}}\n",
        "2:15",
        ["the group ci: there is no action", "did you mean lint?"],
    ),
    "group and action": (
        "treadle: 1\ngroups: {lint: [lint]}\nactions: {lint: {run: x}}\n",
        "2:10",
        ["lint names both a group and an action"],
    ),
    "default": (
        "treadle: 1\ndefault: lnt\nactions: {lint: {run: x}}\n",
        "2:10",
        ["default: there is no action", "did you mean lint?"],
    ),
    # foreach
    "foreach text": ("  a: {run: x, foreach: {p: one}}\n", "3:28", ["must be a list or a glob", "[one]"]),
    "foreach text var": (
        'treadle: 1\nvars: {v: x}\nactions:\n  a: {run: x, foreach: {p: "${v}"}}\n',
        "4:29",
        ["foreach needs a list"],
    ),
    "foreach twice": ("  a: {run: x, foreach: {p: [a, a]}}\n", "3:24", ["foreach makes a@a twice"]),
    "foreach shadow": (
        "treadle: 1\nvars: {p: x}\nactions:\n  a: {run: x, foreach: {p: [a]}}\n",
        "4:25",
        ["the name p is already used by a parameter or var"],
    ),
    "foreach many": (
        "treadle: 1\nvars: {l: ["
        + ",".join(map(str, range(100)))
        + ']}\nactions:\n  a: {run: x, foreach: {p: "${l}", q: "${l}", r: "${l}", s: "${l}"}}\n',
        "4:3",
        ["more than 250,000"],
    ),
    "foreach same out": (
        "  a: {run: x, foreach: {p: [a, b]}, out: o}\n",
        "3:42",
        ["two actions make o: a@a and a@b"],
    ),
    "foreach glob": ('  a: {run: x, foreach: {p: "*.zz"}}\n', "3:28", ["*.zz matches nothing"]),
    "foreach part": (
        '  a: {run: "x ${p.root}", foreach: {p: [a]}}\n',
        "3:15",
        ["${p.root} is not defined", "p.stem"],
    ),
    "in in out": (
        '  a: {run: x, in: src/main.c, out: "${in}.o"}\n',
        "3:37",
        ["can only be used in commands and env"],
    ),
    # when
    "when undefined": (
        'treadle: 1\nparams: {mode: {default: x}}\nactions:\n  a: {run: x, when: mod == "x"}\n',
        "4:21",
        ["mod is not defined", "did you mean mode?"],
    ),
    "when env": ('  a: {run: x, when: env.CI == "1"}\n', "3:21", ["write track: [CI]"]),
    "when dollar": ("  a: {run: x, when: \"${mode} == 'x'\"}\n", "3:22", ["mode, not ${mode}"]),
    "when value": (
        "treadle: 1\nparams: {mode: {default: x}}\nactions:\n  a: {run: x, when: mode}\n",
        "4:21",
        ["a value, not a condition"],
    ),
    "when chained": ("  a: {run: x, when: 1 < 2 < 3}\n", "3:27", ["cannot be chained"]),
    "when bracket": ("  a: {run: x, when: (true}\n", "3:21", ["a bracket that is not closed"]),
    "when sign": ("  a: {run: x, when: 1 = 2}\n", "3:23", ["unexpected = in a condition"]),
    "when mixed": (
        "treadle: 1\nparams: {mode: {default: x}}\nactions:\n  a: {run: x, when: mode < 3}\n",
        "4:26",
        ["two numbers or two texts"],
    ),
    "when in": (
        'treadle: 1\nparams: {mode: {default: x}}\nactions:\n  a: {run: x, when: mode in "x"}\n',
        "4:26",
        ["right side of in must be a list"],
    ),
    "when end": ("  a: {run: x, when: 1 ==}\n", "3:23", ["ends too early"]),
    "a word for true": ("  a: {run: x, once: yes}\n", "3:21", ["'yes'", "for example once: true"]),
    "a text for a shell": (
        "  a: {sh: x, shell: bash}\n",
        "3:21",
        ["must be a list", "for example shell: [sh, -euc]"],
    ),
    "word of another tool in an action": ("  a: {run: x, targets: y}\n", "3:15", ["did you mean out?"]),
    "word of another tool at the top": ("treadle: 1\ntargets: {a: {run: x}}\n", "1:1", ["did you mean actions?"]),
    "comma in a variable": ("  a: {run: x, env: {A: x,y}}\n", "3:26", ["at a comma", "'y' became a key of env"]),
    "comma in an input": ("  a: {run: x, in: [src/main.c, b,c]}\n", "3:33", ["at the comma", "'b' and 'c'"]),
    "comma in a named input": ("  a: {run: x, in: {i: [src/main.c, b,c]}}\n", "3:37", ["at the comma"]),
    "comma in a tag": ("  a: {run: x, tags: [a, b,c]}\n", "3:26", ["at the comma"]),
    "comma in foreach": ("  a: {run: x, foreach: {f: [a, b,c]}}\n", "3:33", ["at the comma"]),
    "comma in a var": ("treadle: 1\nvars: {v: [a, [b, c,d]]}\nactions: {a: {run: x}}\n", "2:20", ["at the comma"]),
    "when deep": ("  a: {run: x, when: " + "(" * 60 + "true" + ")" * 60 + "}\n", "3:71", ["more than 50 brackets"]),
}


@pytest.mark.parametrize("name", CASES)
def test_each_mistake_is_told_with_its_place_and_its_mend(name: str, folder: Folder) -> None:
    text, place, words = CASES[name]
    folder.write("src/main.c")
    problems = folder.problems(text)
    first = problems[0].place
    assert first is not None
    assert f"{first.line}:{first.column}" == place
    said = "\n".join(str(problem) for problem in problems)
    for word in words:
        assert word in said
    assert all(problem.hint for problem in problems), said


@pytest.mark.parametrize("name", CASES)
def test_the_line_of_a_mistake_is_at_hand_to_be_shown(name: str, folder: Folder) -> None:
    text, _, _ = CASES[name]
    folder.write("src/main.c")
    place = folder.problems(text)[0].place
    assert place is not None
    if isinstance(text, str):
        whole = (Path(folder.root) / "treadle.yaml").read_text().split("\n")
        assert place.text == whole[place.line - 1]


@pytest.mark.parametrize("name", CASES)
def test_the_mark_stands_below_the_place(name: str, folder: Folder) -> None:
    text, _, _ = CASES[name]
    folder.write("src/main.c")
    problem = folder.problems(text)[0]
    assert problem.place is not None
    shown = ["".join(part for part, _ in made) for made in problem_lines(problem)]
    if problem.place.text:
        at = next(number for number, line in enumerate(shown) if line.strip() == "^")
        marked = shown[at - 1][shown[at].index("^") :][:1]
        expected = problem.place.text[problem.place.column - 1 :][:1]
        assert marked == expected or not expected.isprintable()
    assert any(line.startswith("  hint: ") for line in shown)


def test_a_list_without_blanks_behind_commas_is_one(folder: Folder) -> None:
    plan = folder.load("  a: {argv: [cc,-DX=1,main.c]}\n  b: {run: [make a,make b]}\n")
    assert argv(plan) == ("cc", "-DX=1", "main.c")
    assert plan.actions["b"].command.steps == (("make", "a"), ("make", "b"))


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(folder: Folder) -> None:
    problems = folder.problems("  a: {run: x, always: maybe}\n  b: {run: ls | wc}\n  c: {sh: y, timeout: 5}\n")
    assert [problem.place.line for problem in problems if problem.place] == [3, 4, 5]


def test_one_mistake_is_told_once(folder: Folder) -> None:
    for text in (
        "  a: {runn: x}\n",
        "treadle: 1\nvars: {v: null}\nactions: {a: {run: x}}\n",
        "  a: {run: x, in: [nowhere], foreach: {p: [1, 2, 3]}}\n",
        "  a: {run: 'x ${in}', in: [nowhere]}\n",
        "  a: {run: x, foreach: {p: [1, 2, 3]}, out: '/${p}'}\n",
        "treadle: 1\nvars: {a: '${b}', c: '${a}'}\nactions: {a: {run: 'x ${c}'}}\n",
        "treadle: 1\ndefaults: {track: [A=b]}\nactions: {a: {run: x}, b: {run: x}}\n",
    ):
        assert len(folder.problems(text)) == 1, text


def test_a_name_without_a_value_hides_no_other_mistake(folder: Folder) -> None:
    problems = folder.problems("  a: {run: x, in: '${nope}'}\n  b: {run: x, in: gone}\n")
    assert [problem.what.split()[0] for problem in problems] == ["${nope}", "the"]


def test_more_than_ten_mistakes_are_cut_and_counted(folder: Folder) -> None:
    with pytest.raises(PlanError) as caught:
        folder.load("".join(f"  a{i}: {{run: x, always: maybe}}\n" for i in range(25)))
    assert len(caught.value.problems) == 10
    assert caught.value.more == 15
    assert str(caught.value).splitlines()[-1] == "and 15 more"
