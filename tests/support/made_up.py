"""Events of runs that nobody has run: as many actions as a test wants, with failures, retries and skips in them."""

from __future__ import annotations

from heapq import heappop, heappush
from random import Random
from typing import Any

Event = dict[str, Any]


class MadeUp:
    """A run of `count` actions in four families and some single ones, on `tokens` tokens.

    Sources are compiled, of each ten objects a library is made, of all of them the program; a check of each library
    may fail.
    """

    def __init__(self, count: int, *, tokens: int = 8, failures: int = 3, skipped: float = 0.2) -> None:
        self.random = Random(count)
        self.tokens = tokens
        self.failures = failures
        self.skipped = skipped
        self.needs: dict[str, list[str]] = {"configure": []}
        libraries = max(1, count // 20)
        for library in range(libraries):
            name = f"library@lib{library:04}"
            self.needs[name] = []
            for part in range(max(1, (count - 3 - 2 * libraries) // libraries)):
                source = f"compile@src/part{library:04}/module_{part:02}.c"
                self.needs[source] = ["configure"]
                self.needs[name].append(source)
            self.needs[f"check@lib{library:04}"] = [name]
        self.needs["program"] = [name for name in self.needs if name.startswith("library")]
        self.needs["report"] = ["program"]
        self.events: list[Event] = []

    def made(self) -> list[Event]:
        """Return the events."""
        tell = self._tell
        tell(0.0, "run", schema=1, treadle="0.1.0", began="2026-11-20T12:00:00.000Z", names=["report"])
        queues = {"default": self.tokens}
        tell(0.05, "plan", file="treadle.yaml", actions=len(self.needs), queues=queues, left_out={})
        for line, (name, needs) in enumerate(self.needs.items(), 3):
            family = name.partition("@")[0]
            about = {"family": family, "help": "", "command": f"cc -O2 -c {name} -o build/{name}.o", "after": []}
            place = {"file": "treadle.yaml", "line": line, "column": 3}
            tell(0.06, "action", name=name, needs=needs, **about, queue="default", tokens=1, place=place)
        end = self._walk()
        ended = [event for event in self.events if event["event"] == "ended"]
        states = ("ran", "skipped", "failed", "interrupted", "blocked", "not started")
        counts = {state: sum(event["status"] == state for event in ended) for state in states}
        failed = bool(counts["failed"])
        tell(
            end,
            "summary",
            total=len(ended),
            counts=counts,
            duration=end,
            saved=12.5,
            interrupted=False,
            exit_code=int(failed),
        )
        return self.events

    def _tell(self, at: float, kind: str, **fields: Any) -> None:
        self.events.append({"event": kind, "t": round(at, 6), **fields})

    def _walk(self) -> float:
        """Tell a walk; return when it is over."""
        readers: dict[str, list[str]] = {name: [] for name in self.needs}
        for name, needs in self.needs.items():
            for one in needs:
                readers[one].append(name)
        missing = {name: len(needs) for name, needs in self.needs.items()}
        ready = [name for name, number in missing.items() if not number]
        bad: dict[str, list[str]] = {}
        running: list[tuple[float, int, str]] = []
        free = list(range(self.tokens))
        now = 0.1

        def leave(name: str) -> None:
            for reader in readers[name]:
                bad.setdefault(reader, []).extend(bad.get(name, ()))
                missing[reader] -= 1
                if not missing[reader]:
                    ready.append(reader)

        while ready or running:
            while ready and free:
                name = ready.pop(0)
                if bad.get(name):
                    self._blocked(now, name, sorted(set(bad[name])))
                    leave(name)
                elif name.startswith("compile") and self.random.random() < self.skipped:
                    self._tell(now, "verdict", name=name, verdict="skip", reasons=[])
                    self._tell(now, "ended", name=name, status="skipped", attempts=0, duration=0.0)
                    leave(name)
                else:
                    slot = min(free)
                    free.remove(slot)
                    heappush(running, (now + self._start(now, name, slot), slot, name))
            if running:
                now, slot, name = heappop(running)
                free.append(slot)
                if self._end(now, name):
                    bad[name] = [name]
                leave(name)
        return round(now + 0.02, 6)

    def _start(self, now: float, name: str, slot: int) -> float:
        header = f"input include/config_{self.random.randrange(9)}.h"
        old, new = "file 1200 aa11bb22cc33dd44", "file 1216 ee55ff66aa77bb88"
        reasons = [{"kind": "changed", "text": f"{header} changed", "element": header, "old": old, "new": new}]
        if self.random.random() < 0.3:
            reasons = [{"kind": "new", "text": "new: it has not run here before"}]
        self._tell(now, "verdict", name=name, verdict="run", reasons=reasons)
        self._tell(now, "started", name=name, attempt=1, slot=slot, start=round(now, 6))
        self._began = getattr(self, "_began", {})
        self._began[name] = now
        mean = {"configure": 2.0, "library": 0.9, "check": 1.4, "program": 4.0}.get(name.partition("@")[0], 0.5)
        return self.random.lognormvariate(0, 0.7) * mean

    def _end(self, now: float, name: str) -> bool:
        """Tell the end of an action; return whether it failed."""
        fails = name.startswith("check") and self.failures > 0 and self.random.random() < 0.5
        start = self._began[name]
        said = {"name": name, "attempts": 1, "start": round(start, 6), "duration": round(now - start, 6)}
        if fails:
            self.failures -= 1
            text = "".join(f"checking {name}: line {n} of what it printed\n" for n in range(40))
            self._tell(now, "output", name=name, text=text + "Segmentation fault\n")
            self._tell(
                now, "ended", **said, status="failed", failure="killed by SIGSEGV", log=f".treadle/logs/{name}.log"
            )
        else:
            self._tell(now, "ended", **said, status="ran", exit_code=0)
        return fails

    def _blocked(self, now: float, name: str, origins: list[str]) -> None:
        reasons = [{"kind": "blocked by", "element": one, "text": f"blocked by {one}"} for one in origins]
        self._tell(now, "verdict", name=name, verdict="blocked", reasons=reasons)
        self._tell(now, "ended", name=name, status="blocked", attempts=0, duration=0.0)


def events_of(count: int, **options: Any) -> list[Event]:
    """Return the events of a made-up run."""
    return MadeUp(count, **options).made()
