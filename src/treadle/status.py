"""The statuses a job can end with; it knows nothing of jobs.

ReturnValue is what an IntEnum is, without the module `enum`: that takes longer to load than all that a run with one
edited file does besides starting its programs.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from enum import EnumMeta as _Members
    from enum import IntEnum as _Number
else:
    _Number = int

    class _Members(type):
        """A class of named numbers: its members by order, name and number."""

        def __new__(mcs, name, bases, namespace):
            if any(isinstance(base, mcs) for base in bases):
                raise TypeError(f"{name} cannot add to the members of {bases[0].__name__}")
            # Python itself puts in the line that the class begins in, from 3.13 on
            names = [key for key, value in namespace.items() if isinstance(value, int) and not key.startswith("_")]
            numbers = {key: namespace.pop(key) for key in names}
            made = super().__new__(mcs, name, bases, namespace)
            made.__members__ = {key: int.__new__(made, number) for key, number in numbers.items()}
            made._of_number = {int(member): member for member in made.__members__.values()}
            for key, member in made.__members__.items():
                member.name, member.value = key, int(member)
                type.__setattr__(made, key, member)
            return made

        def __call__(cls, value):
            try:
                return cls._of_number[value]
            except (KeyError, TypeError):
                raise ValueError(f"{value!r} is not a valid {cls.__name__}") from None

        def __getitem__(cls, name):
            return cls.__members__[name]

        def __iter__(cls):
            return iter(cls.__members__.values())

        def __len__(cls):
            return len(cls.__members__)

        def __contains__(cls, value):
            return isinstance(value, cls) or value in cls._of_number

        def __setattr__(cls, name, value):
            if name in cls.__dict__.get("__members__", ()):
                raise AttributeError(f"cannot reassign member {name!r}")
            super().__setattr__(name, value)


class ReturnValue(_Number, metaclass=_Members):
    """How a job ended, as a number that a process can also exit with (the numbers are e3's)."""

    success = 0
    """It did what it should."""
    failure = 1
    """It ran and did not do what it should."""
    notready = 75
    """It could not do its work yet: it may be queued again (EX_TEMPFAIL of sysexits.h)."""
    force_fail = 123
    """It did not run because something before it failed."""
    unknown = 124
    """It is not known how it ended."""
    skip = 125
    """It did not run because nothing changed."""
    unchanged = 126
    """It ran and found nothing to do."""

    @property
    def is_good(self) -> bool:
        """Whether what comes after may run: success, skip and unchanged."""
        return self in _GOOD

    def __repr__(self) -> str:
        return f"<ReturnValue.{self.name}: {self.value}>"

    def __str__(self) -> str:
        return int.__repr__(self)

    def __reduce__(self) -> tuple[type[ReturnValue], tuple[int]]:
        return ReturnValue, (int(self),)


_GOOD = frozenset((ReturnValue.success, ReturnValue.skip, ReturnValue.unchanged))
