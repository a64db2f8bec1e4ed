"""Tags: names that actions are chosen by, and expressions of them. It knows no command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from treadle.errors import TreadleError, UsageError, listed, nearest
from treadle.frontends.base import Action
from treadle.plan.language.enabled_if import KEYWORDS, Condition, Operand
from treadle.plan.schema.keys import NAME
from treadle.plan.yaml.nodes import Scalar, Source

from .declared_outputs import Instance


def tags(instance: Instance) -> tuple[str, ...]:
    """Return the tags of an action.

    :raises TreadleError: one is no name
    """
    found: dict[str, None] = {}
    for template in instance.spec.tags:
        for text in instance.scope.items(template):
            if not NAME.fullmatch(text) or text in KEYWORDS:
                hint = "letters, digits and _ only, not a digit first, and none of and, or, not, in, true, false"
                raise template.source.error(f"{text!r} cannot be a tag", template.node, hint=hint)
            found[text] = None
    return tuple(found)


def tagged(expression: str, actions: Mapping[str, Action], uids: Iterable[str]) -> list[str]:
    """Return those of some actions whose tags an expression takes.

    :param expression: tags with `and`, `or`, `not` and brackets: `slow and not gpu`
    :param actions: all of the plan: a tag that none of them has is an error
    :raises UsageError: it is no expression, or knows a tag that no action has
    """
    source = Source("-l", expression)
    known = dict.fromkeys(tag for action in actions.values() for tag in action.tags)
    decided: dict[tuple[str, ...], bool] = {}
    found = []
    try:
        condition = Condition(source, Scalar(expression, None, 0, len(expression)))
        for uid in uids:
            its = actions[uid].tags
            if its not in decided:
                names: dict[str, Operand] = {tag: tag in its for tag in known}
                decided[its] = condition.evaluate(names, {})[0]
            if decided[its]:
                found.append(uid)
    except TreadleError as error:
        raise _usage(expression, error, known) from None
    return found


def _usage(expression: str, error: TreadleError, known: Iterable[str]) -> UsageError:
    word = error.what.partition(" is not defined")[0]
    if word != error.what:
        close = nearest(word, known)
        hint = f"did you mean {close}?" if close else f"known: {listed(known) or 'none'}"
        return UsageError(f"-l {expression}: no action has the tag {word}", hint=hint)
    return UsageError(
        f"-l {expression}: {error.what}", hint='tags with and, or, not and brackets: "slow and not gpu"'
    )
