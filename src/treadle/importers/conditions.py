"""Conditions of other tools as conditions of a plan: tests of a shell, names of platforms.

What it does not understand it refuses: an action is never enabled by a condition that was only half understood.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field

SYSTEMS = {"linux": "linux", "darwin": "macos", "macos": "macos"}
"""The names that other tools have for systems -> the value of `platform.os`."""
ELSEWHERE = frozenset(
    (
        *("windows", "freebsd", "netbsd", "openbsd", "dragonfly", "solaris", "illumos", "aix", "plan9", "android"),
        *("ios", "js", "wasip1"),
    )
)
"""Systems on which no plan runs."""
_MACHINES = {
    "amd64": ("x86_64", "amd64"),
    "arm64": ("aarch64", "arm64"),
    "386": ("i386", "i486", "i586", "i686"),
    "riscv64": ("riscv64",),
    "ppc64le": ("ppc64le",),
    "s390x": ("s390x",),
    "loong64": ("loongarch64",),
}
"""The names that Go has for machines -> the values of `platform.arch`."""
_TEST = re.compile(r"(?:\[\[\s+(?P<long>.*?)\s+\]\]|\[\s+(?P<short>.*?)\s+\]|test\s+(?P<test>.*))\s*", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?-)?\})")
_BARE = re.compile(r"[\w./:+@%,=-]*")


class ConditionError(Exception):
    """A plan has no such condition."""


@dataclass(slots=True)
class Condition:
    """A condition of a plan.

    :ivar text: as `when` has it
    :ivar tracked: the variables of the environment that it looks at
    """

    text: str
    tracked: list[str] = field(default_factory=list)


def quoted(text: str) -> str:
    """Return a text as a condition has it.

    :raises ConditionError: it holds both kinds of quotes
    """
    if '"' not in text:
        return f'"{text}"'
    if "'" not in text:
        return f"'{text}'"
    raise ConditionError(text)


def joined(conditions: list[Condition], word: str = "and") -> Condition:
    """Return several conditions as one."""
    texts = list(dict.fromkeys(one.text for one in conditions))
    if len(texts) > 1:
        texts = [f"({one})" if re.search(r"\b(and|or)\b", one) else one for one in texts]
    return Condition(f" {word} ".join(texts), list(dict.fromkeys(n for one in conditions for n in one.tracked)))


def of_platforms(names: list[str]) -> Condition:
    """Return the condition for a list of platforms as Go names them: `linux`, `amd64`, `darwin/arm64`.

    :raises ConditionError: one of them is not known
    """
    return joined([_of_platform(one) for one in names], "or")


def _of_platform(name: str) -> Condition:
    system, slash, machine = name.partition("/")
    if not slash and system in _MACHINES:
        return Condition(_of_machine(system))
    text = of_system(system).text
    return Condition(f"{text} and {_of_machine(machine)}" if slash else text)


def of_system(name: str) -> Condition:
    """Return the condition for a system.

    :raises ConditionError: it is not known
    """
    if name not in SYSTEMS and name not in ELSEWHERE:
        raise ConditionError(f"the platform {name}")
    return Condition(f'platform.os == "{SYSTEMS.get(name, name)}"')


def _of_machine(name: str) -> str:
    if name not in _MACHINES:
        raise ConditionError(f"the machine {name}")
    values = _MACHINES[name]
    return f'platform.arch == "{values[0]}"' if len(values) == 1 else f"platform.arch in {list(values)}"


def of_shell(text: str, value: Callable[[str], str]) -> Condition:
    """Return the condition for tests of a shell: `[ "$CI" = true ]`, `test -n "$X" && ...`.

    :param value: returns the name in a plan for a mark of the caller, such as a template; "" for any other text
    :raises ConditionError: it is no such test
    """
    text = text.strip()
    for sign, word in (("&&", "and"), ("||", "or")):
        if sign in text:
            if ("||" if sign == "&&" else "&&") in text:
                raise ConditionError(text)
            return joined([of_shell(one, value) for one in text.split(sign)], word)
    found = _TEST.fullmatch(text)
    if found is None or re.search(r"[;&|`()<>\n]|'[^']*\$", text):
        raise ConditionError(text)
    try:
        words = shlex.split(found["long"] or found["short"] or found["test"] or "")
    except ValueError as error:
        raise ConditionError(text) from error
    is_not = words[:1] == ["!"]
    words = words[1:] if is_not else words
    made = Condition("")
    if len(words) == 2 and words[0] in ("-n", "-z"):
        is_not ^= words[0] == "-n"
        made.text = f'{_operand(words[1], value, made)} {"!=" if is_not else "=="} ""'
    elif len(words) == 3 and words[1] in ("=", "==", "!="):
        if found["long"] and re.search(r"[*?\[]", words[2]):
            raise ConditionError(text)
        is_not ^= words[1] == "!="
        left, right = (_operand(one, value, made) for one in (words[0], words[2]))
        made.text = f"{left} {'!=' if is_not else '=='} {right}"
    else:
        raise ConditionError(text)
    return made


def _operand(word: str, value: Callable[[str], str], made: Condition) -> str:
    if name := value(word):
        return name
    found = _VARIABLE.fullmatch(word)
    if found is not None:
        name = found.group(1) or found.group(2)
        if name[0].isdigit():
            raise ConditionError(word)
        made.tracked.append(name)
        return f"env.{name}"
    if not _BARE.fullmatch(word):
        raise ConditionError(word)
    return quoted(word)
