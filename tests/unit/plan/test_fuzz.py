"""Whatever text a plan is, it loads or it is a TreadleError, and soon."""

from __future__ import annotations

import contextlib
import random
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plan_folder import HEAD, Folder
from treadle.errors import TreadleError
from treadle.plan.load import load_plan
from treadle.plan.yaml import parser as loader

GOOD = """\
treadle: 1
root: .
params:
  mode: {type: str, choices: [debug, release], default: debug, help: flavour}
  parts: {type: list, default: [a, b]}
  n: {type: int, default: 3}
  fl: {split: words, env: CFLAGS, default: [-O2]}
vars:
  o: out/${mode}
  flags: [-O0, [-g, "${parts}"]]
  sources: {glob: ["src/*", "${o}/*.n"], exclude: src/b}
queues: {net: 2}
defaults: {timeout: 30m, pass: [A], retries: 1}
default: [merge]
groups: {ci: [lint, merge], all: {help: x, of: [ci, "f*"]}}
actions:
  fetch:
    help: the raw table
    run: cp ${in} ${out}
    in: src/main.c
    out: ${o}/raw.csv
  split:
    run:
      - python3 ${in.script} ${in.raw} ${out.a} 'x y'
      - echo "a ${o}" ${flags}
    in: {raw: "${o}/raw.csv", script: src/main.c}
    out: {a: "${o}/a.txt", b: "${o}/b.txt"}
    env: {LC_ALL: C}
    track: [CFLAGS]
    tools: [python3, {tool: cc, version: cc --version}]
  fit:
    foreach: {part: "${parts}"}
    sh: |
      cat <<E ${in} > "${out}" # x
      ${part} $(echo ${part})
      E
    in: ${o}/${part}.txt
    out: ${o}/${part}.n
    queue: net
    retries: {max: 2, on: [timeout, exit 75], backoff: 5s}
  merge:
    sh: cat ${in} > ${out}
    in: {from: fit}
    out: ${o}/all
    when: mode == "release" or "a" in parts and not n < 3 and env.X != "1"
    track: [X]
  objects:
    foreach: {src: {glob: "src/**/*.c", exclude: ["src/old*"], empty: ok}}
    argv: [cc, "${src.stem}"]
    in: ${src}
    out: ${o}/${src.noext}.o
    depfile: ${o}/${src.noext}.d
  lint: {run: ruff check, in: "${sources}", after: [fetch, "s*"], needs: "fit@*", always: true}
  pack: {run: "tar ${fl} ${in}", in: [{from: ["fit@?", "sp*.b", ci], empty: ok}, "${sources}"]}
"""


def check(folder: Folder, text: str | bytes) -> None:
    started = time.monotonic()
    with contextlib.suppress(TreadleError):
        folder.load(text).dag()
    assert time.monotonic() - started < 10


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder(Path(tmp_path_factory.mktemp("fuzz")))
    folder.write("src/main.c", "src/a/b.c", "data/x")
    return folder


def test_the_plan_that_is_mutated_is_good(shared: Folder) -> None:
    assert list(shared.load(GOOD).actions)[:4] == ["fetch", "split", "fit@a", "fit@b"]


PIECES = [
    *("${", "$${", "}", "{", "[", "]", "'", '"', "\\", "*", "**", "&", "|", ">", "<", "<<", "<<E", "#", " #", ": "),
    *("- ", "\n", "  ", "\t", "@", "!", "!!str ", "%", "`", "~", "null", "true", "no", "..", "/", "//", "./", ","),
    *("${o}", "${in}", "${out}", "${parts}", "${flags}", "$(", "$((", "((", "))", ")", "\0", "\x85", "é", "\ud800"),
    *("case x in", "esac", "a" * 300, "*a" * 20, "---\n", "...", "*x", "&x ", "? ", "<<: ", "in", "out", "glob: "),
]


@pytest.mark.parametrize("seed", range(60))
def test_a_mutated_plan_loads_or_is_refused(seed: int, shared: Folder) -> None:
    dice = random.Random(seed)
    for _ in range(12):
        check(shared, mutated(GOOD, dice))


def mutated(text: str, dice: random.Random) -> bytes:
    for _ in range(dice.choice((1, 1, 1, 2, 5))):
        at = dice.randrange(len(text))
        kind = dice.randrange(4)
        if kind == 0:
            text = text[:at] + dice.choice(PIECES) + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + dice.randrange(1, 12) :]
        elif kind == 2:
            other = dice.randrange(len(text))
            text = text[:at] + text[other : other + dice.randrange(1, 40)] + text[at:]
        else:
            text = text[:at] + chr(dice.randrange(1, 0x250)) + text[at + 1 :]
    return text.encode("utf-8", "surrogatepass")


PLANS = """\
treadle: 1
params: {p: {default: a}}
vars: {list: [a, b]}
include:
  - sub/plan.yaml
  - {file: none.yaml, optional: true}
  - {file: two/plan.yaml, as: second, params: {mode: release, parts: ["${p}", b]}}
groups: {g: [sub, "second:*", "gen@x:fit", "sub:ci"]}
default: [g, sub, "gen@x:"]
actions:
  gen: {foreach: {n: [x, "${list}"]}, run: "x ${out}", in: src/main.c, out: "m/${n}.yaml", expand: "m/${n}.yaml"}
  one: {run: "x ${out}", in: {from: ["sub:merge", "gen@x:fit"]}, out: one, needs: ["second:lint"]}
  end: {run: x, in: [sub/out/debug/all, two/out/release/all], after: ["gen@x:lint"]}
"""


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("which", ["treadle.yaml", "sub/plan.yaml", "m/x.yaml"])
def test_mutated_plans_in_plans_load_or_are_refused(seed: int, which: str, folder: Folder) -> None:
    dice = random.Random(seed)
    write_plans(folder)
    good = (folder.root / which).read_text()
    for _ in range(6):
        (folder.root / which).write_bytes(mutated(good, dice))
        for made in ((), ("gen@x",), ("gen@x", "gen@a")):
            with contextlib.suppress(TreadleError):
                load_plan(str(folder.root / "treadle.yaml"), environ={}, generated=made).dag()


def test_the_plans_that_are_mutated_are_good(folder: Folder) -> None:
    write_plans(folder)
    plan = load_plan(str(folder.root / "treadle.yaml"), environ={})
    assert {"gen@x", "sub:merge", "second:fit@b"} <= plan.actions.keys()
    assert {"one", "end"} <= plan.left_out.keys()
    plan = load_plan(str(folder.root / "treadle.yaml"), environ={}, generated=["gen@x"])
    assert {"gen@x:fit@a", "one", "end"} <= plan.actions.keys()


def write_plans(folder: Folder) -> None:
    folder.write("treadle.yaml", text=PLANS)
    for place in ("", "sub/", "two/"):
        folder.write(f"{place}src/main.c", f"{place}src/a/b.c")
    folder.write("sub/plan.yaml", "two/plan.yaml", text=GOOD)
    folder.write("m/x.yaml", text=GOOD.replace("root: .\n", ""))


COMMON = settings(max_examples=150, suppress_health_check=list(HealthCheck))


@COMMON
@given(st.binary(max_size=200))
def test_any_bytes_load_or_are_refused(shared: Folder, data: bytes) -> None:
    check(shared, data)


@COMMON
@given(st.text(max_size=80))
def test_any_run_loads_or_is_refused(shared: Folder, text: str) -> None:
    check(shared, HEAD.encode() + b"  a:\n    run: " + _quoted(text))


@COMMON
@given(st.lists(st.sampled_from(PIECES), max_size=30))
def test_any_script_loads_or_is_refused(shared: Folder, pieces: list[str]) -> None:
    check(shared, HEAD.encode() + b"  a:\n    sh: " + _quoted("".join(pieces)))


WORDS = [
    *(
        "mode",
        "n",
        "(",
        ")",
        "[",
        "]",
        ",",
        "==",
        "!=",
        "<",
        "in",
        "not",
        "and",
        "or",
        "1",
        "'x'",
        "env.X",
        ".",
        "$",
    )
]


@COMMON
@given(st.lists(st.sampled_from(WORDS), max_size=40))
def test_any_condition_loads_or_is_refused(shared: Folder, words: list[str]) -> None:
    head = b"treadle: 1\nparams: {mode: {default: a}, n: {type: int, default: 3}}\nactions:\n  a:\n    run: x\n    when: "
    check(shared, head + _quoted(" ".join(words)))


@COMMON
@given(
    st.lists(
        st.sampled_from(["*", "**", "/", "a", "?", "[", "]", "!", ".", "..", "src", "b.c", "-", "^"]), max_size=30
    )
)
def test_any_glob_loads_or_is_refused(shared: Folder, pieces: list[str]) -> None:
    check(
        shared,
        HEAD.encode() + b"  a:\n    run: x\n    in: " + _quoted("src/" + "".join(pieces).replace("..", ".x")),
    )


TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(PIECES[:60]) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "run",
                        "sh",
                        "in",
                        "out",
                        "foreach",
                        "when",
                        "glob",
                        "from",
                        "empty",
                        "max",
                        "tool",
                        "env",
                        "of",
                        "expand",
                        "file",
                        "params",
                        "a",
                    )
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@COMMON
@given(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), TREES, max_size=3),
    st.dictionaries(
        st.sampled_from(["params", "vars", "groups", "defaults", "queues", "default", "shell", "include"]), TREES
    ),
)
def test_any_tree_of_values_loads_or_is_refused(
    shared: Folder, actions: dict[str, object], top: dict[str, object]
) -> None:
    import yaml

    check(
        shared,
        yaml.safe_dump({"treadle": 1, **top, "actions": actions}, allow_unicode=True).encode("utf-8", "replace"),
    )


def _quoted(text: str) -> bytes:
    """Return a text as a YAML scalar in single quotes, which takes all but what YAML does not know."""
    return ("'" + text.replace("'", "''").replace("\n", "\n\n      ") + "'\n").encode("utf-8", "replace")


BOMBS = {
    "aliases in a list": "v: &v [" + "x," * 999 + "x]\nw: [" + "*v," * 1200 + "]\n",
    "texts that double": "vars:\n  a0: xxxxxxxxxx\n"
    + "".join(f"  a{i}: ${{a{i - 1}}}${{a{i - 1}}}\n" for i in range(1, 60)),
    "lists that multiply": "vars:\n  a0: [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"  a{i}: [" + f"'${{a{i - 1}}}', " * 10 + "]\n" for i in range(1, 30)),
    "vars in a long chain": "vars:\n" + "".join(f"  a{i}: ${{a{i + 1}}}\n" for i in range(20000)) + "  a20000: x\n",
    "a circle of many vars": "vars:\n" + "".join(f"  a{i}: ${{a{(i + 1) % 5000}}}\n" for i in range(5000)),
    "foreach to the fourth": "actions:\n  a:\n    run: x\n    foreach: {"
    + ", ".join(f"k{i}: [{', '.join(map(str, range(200)))}]" for i in range(4))
    + "}\n",
    "many stars": 'actions:\n  a: {run: x, in: "' + "*a" * 100 + 'b"}\n',
    "many double stars": 'actions:\n  a: {run: x, in: "' + "**/a/" * 100 + 'b"}\n',
    "a script of openings": "actions:\n  a:\n    sh: '" + "$(" * 20000 + "${x}'\n",
    "a script of heredocs": "actions:\n  a:\n    sh: '" + "<<E " * 5000 + "${x}'\n",
    "a script of holes": "vars: {x: y}\nactions:\n  a:\n    sh: '" + "${x} " * 50000 + "'\n",
    "a word of quotes": "actions:\n  a:\n    run: '" + '"a"' * 50000 + "'\n",
    "a condition of nots": "actions:\n  a:\n    run: x\n    when: '" + "not " * 20000 + "true'\n",
    "a circle of many actions": "actions:\n"
    + "".join(f"  a{i}: {{run: x, needs: a{(i + 1) % 3000}}}\n" for i in range(3000)),
    "globs that wait for each other": "actions:\n  gen: {run: x, expand: g}\n  a0: {run: x, in: {from: 'gen:x'}, out: a0.x}\n"
    + "".join(f"  a{i}: {{run: x, in: 'a{i - 1}.?', out: a{i}.x}}\n" for i in range(1, 2000)),
    "many mistakes": "actions:\n" + "".join(f"  a{i}: {{run: x, in: nowhere/{i}, oot: y}}\n" for i in range(2000)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_no_small_text_takes_long_or_much(name: str, folder: Folder) -> None:
    text = BOMBS[name]
    if "actions:" not in text:
        text += "actions: {z: {run: x}}\n"
    check(folder, "treadle: 1\n" + text)


def _deep(before: str, opener: str, count: int = 2000) -> tuple[str, int]:
    """Return a text with so many brackets, and the column of the first that is one too many."""
    inside = before.count("[") + before.count("{")
    return before + opener * count, len(before) + (100 - inside) * len(opener) + 1


DEEP = {
    "lists": _deep("", "["),
    "lists apart": _deep("", "[ "),
    "maps": _deep("", "{a: "),
    "maps with quoted keys": _deep("", '{"a":'),
    "with anchors": _deep("", "&a [", 300),
    "behind lists": _deep("[[", "["),
    "behind a text and a comma": _deep("[text, ", "["),
    "a text that ends": _deep("", "[", 102),
    "behind a text of brackets": ('["' + "[" * 200 + '", ' + "[" * 1500, 205 + 100),
}
BROKEN = {
    "in double quotes": '["' + "[" * 300 + '", }',
    "in single quotes": "['" + "{" * 300 + "', }",
    "in a comment": "[ # " + "[" * 300 + "\n }",
    "closed again": "[" + "[]," * 300 + "}",
    "in plain text": "a: b" + "[" * 300 + "\n  c: d",
    "in a block": "a: |\n  " + "[" * 300 + "\n\tb",
}
PARSERS = pytest.mark.parametrize("pure", [False, True], ids=["libyaml", "python"])


@PARSERS
@pytest.mark.parametrize("name", DEEP)
def test_our_own_limit_of_depth_comes_before_that_of_the_parser(
    name: str, pure: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import yaml

    monkeypatch.setattr(loader, "_PARSER", yaml.SafeLoader if pure else loader._PARSER)
    text, column = DEEP[name]
    for before, line in (("", 1), ("# [[[[\n", 2)):
        with pytest.raises(TreadleError) as caught:
            loader.parse(loader.decode("plan.yaml", (before + text).encode()))
        assert caught.value.what == "nested more than 100 levels deep"
        assert caught.value.hint == loader.HINT_DEEP
        assert caught.value.place is not None
        assert (caught.value.place.line, caught.value.place.column) == (line, column)


@PARSERS
@pytest.mark.parametrize("name", BROKEN)
def test_brackets_that_open_nothing_are_not_counted(name: str, pure: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    monkeypatch.setattr(loader, "_PARSER", yaml.SafeLoader if pure else loader._PARSER)
    with pytest.raises(TreadleError, match="not valid YAML"):
        loader.parse(loader.decode("plan.yaml", BROKEN[name].encode()))


@PARSERS
def test_both_parsers_refuse_what_is_nested_too_deep(pure: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    monkeypatch.setattr(loader, "_PARSER", yaml.SafeLoader if pure else loader._PARSER)
    for text in (
        "[" * 200000,
        "{a: " * 200000,
        "- " * 5000,
        "? " * 5000,
        "a:\n" + "".join(" " * i + "- \n" for i in range(200)),
    ):
        with pytest.raises(TreadleError):
            loader.parse(loader.decode("plan.yaml", text.encode()))
