"""The options of the commands that show a plan, and examples: `list`, `graph`, `why`, `init` and their like."""

from __future__ import annotations

import argparse
import sys

GRAPH_FORMATS = ("tree", "dot", "mermaid", "json", "svg")

WITHOUT_NAMES = ("check", "init", "schema", "completion")
"""Commands that take no names of actions."""

EXAMPLES = {
    "why": """\
examples:
  treadle why fit@a             why it would run, what is equal, what follows
  treadle why                   the reasons of all that would run
  treadle why --json fit        the same for programs

""",
    "list": """\
examples:
  treadle list --all            each action, also hidden ones
  treadle list --files fit@a    where each of its inputs comes from

""",
    "graph": """\
examples:
  treadle graph merge --depth 1             what merge needs, and who needs it
  treadle graph --format svg > plan.svg     a picture, where Graphviz is
  treadle graph --format mermaid            for a page in Markdown

""",
    "check": """\
examples:
  treadle check                 treadle.yaml here or above
  treadle check other.yaml      another plan

""",
    "init": """\
examples:
  treadle init -n               print the plan, write nothing
  treadle init Makefile         from this file alone
  treadle init -f build.yaml    under another name

It takes over what is in a Taskfile, a dvc.yaml and a Makefile; where there is
none, Python and C. What it cannot take over stands in the plan as remarks.

""",
    "schema": """\
examples:
  treadle schema .treadle/schema.json

A plan that begins with this line is completed and checked by editors with a
YAML language server:
  # yaml-language-server: $schema=.treadle/schema.json

""",
    "completion": """\
examples:
  source <(treadle completion bash)         in ~/.bashrc
  source <(treadle completion zsh)          in ~/.zshrc, below compinit
  treadle completion fish | source          in ~/.config/fish/config.fish

""",
}


def add_options(name: str, group: argparse._ArgumentGroup) -> None:
    """Add the options that one command has beside the common ones."""
    none = argparse.SUPPRESS
    if name in ("run", "list", "status", "graph"):
        group.add_argument("-l", dest="tags", metavar="TAGS", default=none, help=_TAGS)
    if name in ("list", "check", "why", "status"):
        group.add_argument("--json", action="store_true", default=none, help="all of it, for programs")
    if name == "clean":
        group.add_argument("--stale", action="store_true", default=none, help=_STALE)
        group.add_argument("--all", dest="everything", action="store_true", default=none, help=_ALL_RUNS)
        group.add_argument("--replaced", action="store_true", default=none, help=_REPLACED)
    if name == "list":
        group.add_argument("--all", dest="everything", action="store_true", default=none, help=_ALL)
        group.add_argument("--files", action="store_true", default=none, help=_FILES)
    if name == "graph":
        group.add_argument("--format", choices=GRAPH_FORMATS, default=none, help=_FORMAT)
        group.add_argument("--depth", type=_number, metavar="N", default=none, help=_DEPTH)
        group.add_argument("--fold", type=_number, metavar="N", default=none, help=_FOLD)
        group.add_argument("--all", dest="fold", action="store_const", const=0, default=none, help="fold nothing")
        group.add_argument("--no-state", dest="state", action="store_false", default=none, help=_NO_STATE)


_TAGS = 'of these actions those with tags: "slow and not gpu"'
_STALE = "outputs of actions that are no longer in the plan, and no others"
_ALL_RUNS = "what any run has made and still is there, whatever the plan says now"
_REPLACED = "what runs have moved aside to .treadle/replaced/, and nothing else"
_ALL = "each action of a family, names that begin with _, and what is left out"
_FILES = "what each action reads and where that comes from, what it makes and who reads that"
_FORMAT = "tree (the default), dot, mermaid, json, or svg, which Graphviz draws"
_DEPTH = "with names: at most N edges away from them"
_FOLD = "families of more than N actions are one node; 8 if left out, in json none"
_NO_STATE = "do not look what would run"


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 0 or more")
    return min(int(text), sys.maxsize)
