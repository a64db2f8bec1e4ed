"""`mixins` and `use`: parts that actions share."""

from __future__ import annotations

import pytest

from plan_folder import Folder, argv

HEAD = """\
treadle: 1
params: {mode: {choices: [debug, release], default: debug}}
defaults: {env: {D: d, E: default}, track: [T], timeout: 1m, tools: [cc]}
mixins:
  c: {env: {E: c, C: c}, track: [CFLAGS], tags: [c], timeout: 2m, cwd: sub, in: a}
  fast: {env: {C: fast}, track: [FAST], tags: [fast], timeout: 3m, priority: 5}
  script: {sh: echo script}
  each: {foreach: {p: [x, y]}, out: "out/${p}"}
  chosen: {timeout: {select: "${mode}", debug: 5m, release: 6m}}
  untracked: {env: {CFLAGS: mixin}}
  quiet: {secret: CFLAGS}
"""


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("{run: x}", {"timeout": 60, "set": {"D": "d", "E": "default"}, "track": ("T",), "tags": ()}),
        ("{run: x, use: c}", {"timeout": 120, "set": {"D": "d", "E": "c", "C": "c"}, "track": ("T", "CFLAGS"), "tags": ("c",), "cwd": "sub", "inputs": ("a",)}),
        ("{run: x, use: [c, fast]}", {"timeout": 180, "set": {"D": "d", "E": "c", "C": "fast"}, "track": ("T", "CFLAGS", "FAST"), "tags": ("fast",)}),
        ("{run: x, use: [fast, c]}", {"timeout": 120, "set": {"D": "d", "E": "c", "C": "c"}, "track": ("T", "FAST", "CFLAGS"), "tags": ("c",)}),
        ("{run: x, use: [c, fast], timeout: 4m, env: {E: own}, tags: own}", {"timeout": 240, "set": {"D": "d", "E": "own", "C": "fast"}, "tags": ("own",)}),
        ("{run: x, use: c, env: {CFLAGS: own}}", {"set": {"D": "d", "E": "c", "C": "c", "CFLAGS": "own"}, "track": ("T",)}),
        ("{run: x, use: c, track: [C]}", {"set": {"D": "d", "E": "c"}, "track": ("T", "CFLAGS", "C")}),
        ("{run: x, use: c, pass: [CFLAGS]}", {"track": ("T",), "pass_": ("CFLAGS",)}),
        ("{run: x, use: [c, untracked]}", {"set": {"D": "d", "E": "c", "C": "c", "CFLAGS": "mixin"}, "track": ("T",)}),
        ("{run: x, use: [untracked, c]}", {"set": {"D": "d", "E": "c", "C": "c"}, "track": ("T", "CFLAGS")}),
        ("{run: x, use: [c, quiet]}", {"secret": ("CFLAGS",)}),
        ("{use: script}", {"shown": "echo script"}),
        ("{use: script, run: own}", {"shown": "own"}),
        ("{use: script, argv: [own, b]}", {"shown": "own b"}),
        ("{run: x, use: c, in: [b]}", {"inputs": ("b",)}),
        ("{run: x, use: chosen}", {"timeout": 300}),
        ("{run: x, use: chosen, timeout: {select: \"${mode}\", debug: 7m, else: 8m}}", {"timeout": 420}),
        ("{run: x, use: []}", {"timeout": 60}),
        ("{run: x, use: c, tools: []}", {"tools": ()}),
        ("{run: x, use: c, tools: [ld]}", {"tools": ("ld",)}),
        ("{run: x, use: c}", {"tools": ("cc",)}),
    ],
)  # fmt: skip
def test_the_action_wins_over_its_mixins_and_these_over_defaults(
    action: str, expected: dict[str, object], folder: Folder
) -> None:
    folder.write("a", "b", "sub/")
    plan = folder.load(f"{HEAD}actions:\n  a: {action}\n")
    command = plan.actions["a"].command
    found = {
        "timeout": command.limits.timeout,
        "set": command.env.set,
        "track": command.env.track,
        "pass_": command.env.pass_,
        "secret": command.env.secret,
        "tags": plan.actions["a"].tags,
        "cwd": command.cwd,
        "inputs": command.inputs,
        "shown": command.shown,
        "tools": tuple(tool.name for tool in command.tools),
    }
    assert {name: found[name] for name in expected} == expected


def test_a_family_comes_from_a_mixin(folder: Folder) -> None:
    plan = folder.load(f"{HEAD}actions:\n  a: {{run: 'x ${{p}}', use: [each]}}\n")
    assert [argv(plan, uid) for uid in plan.actions] == [("x", "x"), ("x", "y")]
    assert plan.actions["a@y"].command.outputs == ("out/y",)


def test_values_of_the_action_fill_a_mixin(folder: Folder) -> None:
    folder.write("q", "r")
    plan = folder.load(
        "treadle: 1\nmixins: {m: {run: 'cp ${in} ${out}', in: '${p}', out: 'out/${p}'}}\n"
        "actions: {a: {use: m, foreach: {p: [q, r]}}}\n"
    )
    assert argv(plan, "a@r") == ("cp", "r", "out/r")


def test_a_select_in_a_mixin_may_depend_on_values_of_the_action(folder: Folder) -> None:
    plan = folder.load(
        "treadle: 1\nmixins: {m: {timeout: {select: '${p}', q: 1m, else: 2m}}}\n"
        "actions: {a: {use: m, run: x, foreach: {p: [q, r]}}}\n"
    )
    assert [plan.actions[uid].command.limits.timeout for uid in ("a@q", "a@r")] == [60, 120]


def test_an_included_plan_has_mixins_of_its_own(folder: Folder) -> None:
    folder.write(
        "lib/treadle.yaml", text="treadle: 1\nmixins: {m: {timeout: 9m}}\nactions: {b: {run: x, use: m}}\n"
    )
    plan = folder.load(
        "treadle: 1\ninclude: [lib/treadle.yaml]\nmixins: {m: {timeout: 1m}}\nactions: {a: {run: x, use: m}}\n"
    )
    assert plan.actions["a"].command.limits.timeout == 60
    assert plan.actions["lib:b"].command.limits.timeout == 540
    error = folder.problems(
        "treadle: 1\ninclude: [lib/treadle.yaml]\nmixins: {n: {}}\nactions: {a: {run: x, use: m}}\n"
    )[0]
    assert error.what == "there is no mixin 'm'"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("actions: {a: {run: x, use: tast}}", "3:28", ["there is no mixin 'tast'", "did you mean fast?", "c, fast"]),
        ("actions: {a: {run: x, use: [c, c]}}", "3:32", ["use names the mixin c twice"]),
        ("actions: {a: {run: x, use: {c: 1}}}", "3:28", ["use must be a name or a list of names, not a map"]),
        ("actions: {a: {run: x, use: }}", "3:23", ["use names no mixin"]),
        ("actions: {a: {run: x, use: [[c]]}}", "3:29", ["a name in use must be a text"]),
        ("actions: {a: {run: x, use: '${m}'}}", "3:28", ["there is no mixin '${m}'", "use takes fixed names"]),
        ("actions: {a: {select: x, x: {run: x, use: c}}}", "3:38", ["use cannot be inside a select"]),
        ("actions: {a: {use: c}}", "3:11", ["does nothing"]),
        ("mixins: {c: {runn: x}}\nactions: {a: {run: x, use: c}, b: {run: x, use: c}}", "3:14", ["the mixin c has no key 'runn'"]),
        ("mixins: {c: {use: fast, run: x}}\nactions: {a: {run: x, use: c}}", "3:14", ["the mixin c uses others", "name all of them in use: of the action"]),
        ("mixins: {c: {timeout: 30}}\nactions: {a: {run: x, use: c}}", "3:23", ["timeout must be a duration"]),
        ("mixins: {c: {run: 'a | b'}}\nactions: {a: {use: c}}", "3:22", ["run starts no shell"]),
        ("mixins: {c: {in: none}}\nactions: {a: {run: x, use: c}}", "3:18", ["none"]),
        ("mixins: {c: text}\nactions: {a: {run: x, use: c}}", "3:13", ["the mixin c must be a map"]),
        ("mixins: {c: {select: x, x: {}}}\nactions: {a: {run: x, use: c}}", "3:13", ["cannot be a select as a whole"]),
        ("mixins: {a b: {run: x}}\nactions: {a: {run: x}}", "3:10", ["'a b' is not a valid name in mixins"]),
        ("mixins: [c]\nactions: {a: {run: x}}", "3:9", ["mixins must be a map, not a list"]),
        ("mixins: {c: {env: {A: x}, track: [A]}}\nactions: {a: {run: x, use: c}}", "3:34", ["the variable A is in both env and track"]),
        ("actions: {a: &a {run: x}, b: {<<: *a}}", "3:31", ["merge keys", "use: [NAME]"]),
        ("params: {p: {env: KEY}}\nmixins: {c: {track: [KEY], secret: [KEY]}}\nactions: {a: {run: 'x ${p}', use: c}}", "3:19", ["KEY, which is secret"]),
    ],
)  # fmt: skip
def test_a_mistake_in_a_mixin_has_its_place(text: str, place: str, words: list[str], folder: Folder) -> None:
    mixins = "" if "mixins" in text else "mixins: {c: {tags: c}, fast: {tags: f}}"
    found = folder.problems(f"treadle: 1\n{mixins}\n{text}\n")
    error = found[0]
    assert error.place is not None
    said = "\n".join((error.what, *error.facts, error.hint or ""))
    for one in words:
        assert one in said
    assert f"{error.place.line}:{error.place.column}" == place
    assert len(found) == 1


def test_defaults_may_have_tools(folder: Folder) -> None:
    plan = folder.load(
        "treadle: 1\ndefaults: {tools: [cc, {tool: ld, version: ld --version}]}\n"
        "actions: {a: {run: x}, b: {run: x, tools: [ar]}, c: {run: x, timeout: 1m}}\n"
    )
    tools = {uid: [tool.name for tool in one.command.tools] for uid, one in plan.actions.items()}
    assert tools == {"a": ["cc", "ld"], "b": ["ar"], "c": ["cc", "ld"]}
