"""`why`: why an action would run now or is up to date, what follows it, and why it ran last time."""

from __future__ import annotations

from time import localtime, strftime, time
from typing import TYPE_CHECKING

from treadle.content.fingerprint import Fingerprint
from treadle.core import decision, wording
from treadle.core.decision import Reason, Verdict
from treadle.core.elements import FILES, TOOL, path_of
from treadle.core.text import safe
from treadle.session import old_content
from treadle.session.look import looked, open_plans, without_skips
from treadle.session.lookup import PathUse
from treadle.state.records import ADOPTED
from treadle.ui.console import FORMAT
from treadle.ui.durations import duration
from treadle.ui.text import Line, folded, line
from treadle.ui.why import Explained, explained_lines, last_run_lines, verdict_lines

from .status import reason_data, shown_decision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from treadle.command.walk import CommandWalk
    from treadle.session.call import Call
    from treadle.state.records import Entry, Run

_MOST_TEXTS = 10
"""Small files of one action whose old text is looked for: git is facts about each."""


def why_command(call: Call) -> int:
    """Print why actions would run now or are up to date, what follows them, and why they ran last time."""
    options = call.options
    plan = call.load()
    uids = call.selected(plan)
    walk = looked(call, plan, uids if options.names else [*uids, *plan.plan_producers])
    plans = open_plans(plan, walk.verdicts)
    if not options.names:
        uids = [str(uid) for uid in without_skips(walk.verdicts)]
    use = PathUse(plan)
    facts = ActionFacts(walk, use, plans, everything=bool(options.names))
    if options.json:
        call.console.say_data({"format": FORMAT, "actions": [facts.data(uid) for uid in uids]})
        return 0
    if not uids and not plans:
        call.console.say([line(f"nothing would run: {wording.count(len(walk.verdicts), 'action')} up to date")])
    made = (one for uid in uids for one in explained_lines(facts.explained(uid), verbose=options.verbose))
    call.console.say(shown for one in made for shown in folded(one, call.console.room))
    for uid, said in plans.items() if not options.names else ():
        call.console.say([*verdict_lines(f"{uid}:...", Verdict(decision.MAY_RUN)), line(f"  {safe(said)}")])
    return 0


class ActionFacts:
    """Collects the facts about the actions of a walk that has looked.

    :param use: which action reads what in the plan
    :param plans: producer -> a text, of the generated plans that a run may change
    :param everything: whether to collect all facts, or the reasons alone
    """

    def __init__(self, walk: CommandWalk, use: PathUse, plans: Mapping[str, str], *, everything: bool) -> None:
        self.walk = walk
        self.use = use
        self.plans = plans
        self.everything = everything
        self._by_name: dict[tuple[str, str], Entry] | None = None
        """Plan and action -> its last success, of those without outputs: these have a record for each command."""

    def explained(self, uid: str) -> Explained:
        """Return what is known of an action, for people."""
        verdict, unlike = self.walk.verdicts[uid], self._unlike_last(uid)
        if not self.everything:
            return Explained(uid, verdict, unlike, restored_from=self.walk.restorable.get(uid, ""))
        texts, written = self._differences(uid)
        command = self.walk.command_of(uid)
        consumers = self.use.consumers_of(uid)
        waiting = self.use.needed_by(uid)
        plan = [one for one in waiting if uid in self.use.plan.plan_producers and one.startswith(f"{uid}:")]
        cut_off, last = self._last_run(uid)
        return Explained(
            uid,
            verdict,
            unlike,
            equal=self._equal(uid),
            texts=texts,
            written=written,
            # which actions of an unread plan read it is not known
            makes=bool(command.outputs or command.edits) and uid not in self.use.plan.unread,
            once=command.once,
            open=self._open(uid),
            plan=plan,
            consumers=consumers,
            needed_by=[one for one in waiting if one not in plan],
            after_them=[one for one in self.use.all_consumers_of(uid) if one not in consumers],
            cut_off=cut_off,
            last=last,
            when=self._when_it_runs(uid),
            restored_from=self.walk.restorable.get(uid, ""),
        )

    def _when_it_runs(self, uid: str) -> list[str]:
        """Return in words which outcomes of others it needs, and whether it comes at the end."""
        action = self.use.plan.actions[uid]
        told = {why.name for why in self.walk.verdicts[uid].reasons if why.kind == decision.ONLY_IF}
        conditions = {one: text for one, text in action.conditions.items() if one not in told}
        said = [f"only {text}" if text.startswith("if ") else text for text in wording.conditions(conditions)]
        return [wording.AT_END, *said] if action.is_last else said

    def _open(self, uid: str) -> str:
        """Return the text about the generated plan of an action, "" if a run does not change it."""
        if uid in self.plans:
            return self.plans[uid]
        producer = next((producer for producer in self.plans if uid.startswith(f"{producer}:")), None)
        return f"{producer} comes first, and {self.plans[producer]}" if producer is not None else ""

    def _last_run(self, uid: str) -> tuple[str, list[Line]]:
        """Return what is known of a last run without an end, and the lines on one that has ended."""
        entry = self._entry(uid)
        if entry is None:
            return "", []
        run = entry.last_run
        if run is None:
            return "has not ended yet" if self.walk.store.lock.is_busy() else "was cut off before it ended", []
        return "", lines_of(run)

    def data(self, uid: str) -> dict[str, object]:
        """Return what is known of an action, for programs."""
        verdict = self.walk.verdicts[uid]
        entry = self._entry(uid)
        run = entry.last_run if entry is not None else None
        consumers = self.use.consumers_of(uid)
        data: dict[str, object] = {
            "name": uid,
            "decision": shown_decision(self.walk, uid, verdict),
            "reasons": [reason_data(why) for why in verdict.reasons],
            "equal": self._equal(uid),
            "read_by": consumers,
            "needed_by": self.use.needed_by(uid),
            "last_run": None if run is None else _run_data(run),
            "conditions": dict(self.use.plan.actions[uid].conditions),
            "finally": self.use.plan.actions[uid].is_last,
        }
        if self.everything:
            # of all actions of a long chain this would be the square of its length
            data["after_them"] = [one for one in self.use.all_consumers_of(uid) if one not in consumers]
        return data

    def _entry(self, uid: str) -> Entry | None:
        return self.walk.store.entries.get(self.walk.owner(uid, self.walk.command_of(uid)).key)

    def _unlike_last(self, uid: str) -> list[Reason]:
        """Return how an action differs from its last success, if that had another command and so another record."""
        command = self.walk.command_of(uid)
        new = self.walk.new_fingerprints.get(uid)
        if command.outputs or new is None or self.walk.verdicts[uid].reasons != (Reason(decision.NEW),):
            return []
        if self._by_name is None:
            self._by_name = {}
            for entry in sorted(self.walk.store.entries.values(), key=lambda one: one.offset):
                if entry.offset >= 0 and not (owner := entry.owner).outputs:
                    self._by_name[owner.label, owner.uid] = entry
        last = self._by_name.get((command.label, uid))
        success = last.success if last is not None else None
        if success is None:
            return []
        return decision.differences(Fingerprint.from_elements(success.elements, success.results), new)

    def _equal(self, uid: str) -> dict[str, str]:
        """Return the elements that are what they were at the last success."""
        old = getattr(self.walk.prev_fingerprints.get(uid), "elements", {})
        new = getattr(self.walk.new_fingerprints.get(uid), "elements", {})
        command = self.walk.command_of(uid)
        unasked = {TOOL + tool.name for tool in command.tools if tool.version}
        return {name: value for name, value in new.items() if old.get(name) == value and name not in unasked}

    def _differences(self, uid: str) -> tuple[dict[str, tuple[str, str]], dict[str, list[str]]]:
        """Return old and new text of files that changed, and what was written in trees that did."""
        texts: dict[str, tuple[str, str]] = {}
        written: dict[str, list[str]] = {}
        left = _MOST_TEXTS
        for why in filter(_is_file, self.walk.verdicts[uid].reasons):
            path = path_of(why.name) or ""
            if path.endswith("/") and not (why.new or "").startswith("success "):
                written[why.name] = old_content.written_since(self.walk.root, path, self._last_start(uid))
                continue
            if left <= 0 or not old_content.may_be_text(why.old or "", why.new or ""):
                continue
            left -= 1
            found = old_content.texts(self.walk.root, path, why.old or "", why.new or "")
            if found is not None:
                texts[why.name] = found
        return texts, written

    def _last_start(self, uid: str) -> int:
        entry = self._entry(uid)
        record = entry.record if entry is not None else None
        return 0 if record is None else record.run.ended_at - round(record.run.duration * 1000)


def lines_of(run: Run) -> list[Line]:
    """Return the lines on a run of an action that has ended."""
    state = "was adopted" if run.state == ADOPTED else run.state
    about = (run.text, run.reasons, run.outcome, run.usage)
    return last_run_lines(state, _when(run.ended_at / 1000), run.duration, *about)


def _is_file(why: Reason) -> bool:
    return why.kind in (decision.CHANGED, decision.OUTPUT_ALTERED) and why.name.startswith(FILES)


def _run_data(run: Run) -> dict[str, object]:
    return {
        "state": run.state,
        "outcome": run.outcome or None,
        "ended_at": run.ended_at / 1000,
        "seconds": run.duration,
        "text": run.text,
        "usage": None if run.usage is None else run.usage.as_data(),
        "reasons": [reason_data(why) for why in run.reasons],
    }


def _when(seconds: float) -> str:
    """Return a time as a date and how long ago it was."""
    ago = duration(max(0.0, time() - seconds))
    return f"{ago} ago ({strftime('%Y-%m-%d %H:%M:%S', localtime(seconds))})"
