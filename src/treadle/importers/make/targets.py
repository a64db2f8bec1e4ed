"""The targets of a makefile: which are files, folders, instances of a pattern rule, or names alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from treadle.core.graph.algorithms import reached

from .parser import SPECIAL, Makefile, Rule
from .recipes import folders_made, is_filled_by, is_made_by
from .variables import UnknownError, matches

_BUILT_IN = """
%.o: %.c
	$(COMPILE.c) $(OUTPUT_OPTION) $<
%.o: %.cc
	$(COMPILE.cc) $(OUTPUT_OPTION) $<
%.o: %.cpp
	$(COMPILE.cpp) $(OUTPUT_OPTION) $<
%: %.c
	$(LINK.c) $^ $(LOADLIBES) $(LDLIBS) -o $@
%: %.cpp
	$(LINK.cpp) $^ $(LOADLIBES) $(LDLIBS) -o $@
"""
_LINK = {
    ".o": "$(LINK.o) $^ $(LOADLIBES) $(LDLIBS) -o $@",
    ".c": "$(LINK.c) $^ $(LOADLIBES) $(LDLIBS) -o $@",
}
"""Ending of a prerequisite -> the recipe by which make links a program from it."""

_STEM = re.compile(r"(?<!\$)((?:\$\$)*)\$(?:\*|\(\*\)|\{\*\})")


class Targets:
    """The targets of a makefile.

    :ivar files: target -> its rule, several rules of one target joined
    :ivar joint: target -> the others that are made with it
    :ivar patterns: the pattern rules, those of the makefile before those of make
    :ivar own: how many of the patterns are the makefile's
    :ivar instances: file -> the pattern rule that makes it, and its stem
    :ivar named: the patterns of which names are made rules of their own
    :ivar phony: targets that are no files
    :ivar folders: target of a rule that only makes folders -> what it gives to `mkdir -p`, and the folders
    """

    def __init__(self, make: Makefile, root: str) -> None:
        self.files: dict[str, Rule] = {}
        self.joint: dict[str, list[str]] = {}
        self.patterns: list[Rule] = []
        self.instances: dict[str, tuple[Rule, str]] = {}
        self.phony = set(make.phony)
        self.named: set[int] = set()
        self.folders: dict[str, tuple[str, list[str]]] = {}
        self._make = make
        self._root = root
        for rule in make.rules:
            self._sort(rule)
        self.own = len(self.patterns)
        if make.has_built_in_rules:
            cancelled = [
                (one.targets, one.prerequisites) for one in make.rules if one.is_pattern and not one.recipe
            ]
            built_in = Makefile(_BUILT_IN, lambda _: []).rules
            self.patterns += [one for one in built_in if (one.targets, one.prerequisites) not in cancelled]
        self._find_folders()
        for target, rule in self.files.items():
            if not self.is_mkdir(target) and self._is_no_file(target, rule):
                self.phony.add(target)
            for ending, recipe in _LINK.items():
                is_linked = target + ending in rule.prerequisites and target not in self.phony
                if not rule.recipe and is_linked and make.has_built_in_rules:
                    rule.recipe.append(recipe)
        self._find_instances()
        self._find_names()

    def members(self, pattern: Rule) -> dict[str, str]:
        """Return the files that a pattern rule makes, each with its stem."""
        return {target: stem for target, (rule, stem) in self.instances.items() if rule is pattern}

    def is_mkdir(self, target: str) -> bool:
        """Return whether a target is a folder, and its rule only makes that."""
        return target in self.folders and (target not in self.phony or not self.files[target].recipe)

    def is_phony(self, target: str) -> bool:
        """Return whether a target is an action or a group, and no file that could be read."""
        rule = self.files.get(target)
        if rule is None or self.is_mkdir(target):
            return False
        if target in self.phony or self.makes_folder(target):
            return True
        return not rule.recipe and target not in self.instances and not self._is_file(target)

    def is_always(self, target: str) -> bool:
        """Return whether what has this prerequisite is made anew each time."""
        rule = self.files.get(target)
        if rule is None or self.is_mkdir(target) or self.makes_folder(target):
            return target in self.phony
        return target in self.phony or (self.is_phony(target) and not rule.recipe)

    def is_nothing(self, target: str) -> bool:
        """Return whether a target is there only to make what needs it run each time, as FORCE is."""
        rule = self.files.get(target)
        return target in self.phony and (rule is None or not (rule.recipe or rule.needed))

    def is_there(self, target: str) -> bool:
        """Return whether a prerequisite is a file or folder of the project that no recipe makes."""
        rule = self.files.get(target)
        is_made = target in self.instances or target in self.phony
        is_made = is_made or (rule is not None and bool(rule.recipe or rule.needed))
        return not is_made and os.path.exists(os.path.join(self._root, target))

    def is_folder(self, target: str) -> bool:
        """Return whether a target is a folder that is there, or that a rule only makes."""
        return self.is_mkdir(target) or os.path.isdir(os.path.join(self._root, target))

    def makes_folder(self, target: str) -> bool:
        """Return whether a target is a folder that something else fills, as that of an installation."""
        rule = self.files.get(target)
        if rule is None or not rule.recipe or target in self.folders or target in self.phony:
            return False
        if os.path.isdir(os.path.join(self._root, target)):
            return True
        return is_filled_by(target, rule.recipe, self._make.variables)

    def in_order(self, order_only: Iterable[str]) -> list[str]:
        """Return the order-only prerequisites for which something is done."""
        return [one for one in order_only if not self.is_folder(one) and not self.is_there(one)]

    def before(self, rule: Rule) -> set[str]:
        """Return what make has done before a rule: what it names, and what other rules name before its targets."""
        names = {*rule.targets, *self.members(rule)}
        found = set(rule.needed)
        for target in names & self.files.keys():
            found.update(self.files[target].needed)
        for other in self.files.values():
            for number, one in enumerate(other.needed):
                if one in names:
                    found.update(other.needed[:number])

        def members(one: str) -> list[str]:
            known = self.files.get(one)
            return known.needed if known is not None and not known.recipe else []

        # an action that it needs has made its folders already
        return set(reached(found, members)) - ({*rule.needed} & self.phony)

    def _is_file(self, target: str) -> bool:
        return os.path.isfile(os.path.join(self._root, target))

    def _sort(self, rule: Rule) -> None:
        pattern = self._make.pattern_of(rule)
        if pattern is not None:
            if rule.recipe:
                # it replaces an earlier one of the same names
                names = pattern.targets, pattern.prerequisites, pattern.only
                self.patterns = [
                    one for one in self.patterns if (one.targets, one.prerequisites, one.only) != names
                ]
                self.patterns.append(pattern)
            return
        targets = [one for one in rule.targets if not SPECIAL.fullmatch(one)]
        if rule.is_joint and targets:
            self.joint[targets[0]] = targets[1:]
            for target in targets:
                if (reason := self._make.doubt_of(target)) and not self._make.general_doubts:
                    self._make.doubt(targets[0], reason)
            targets = targets[:1]
        for target in targets:
            self._add_to_target(target, rule)

    def _add_to_target(self, target: str, rule: Rule) -> None:
        """Add a rule to what other rules say of a target."""
        known = self.files.setdefault(target, Rule([target], [], [], rule.line))
        if rule.is_double and rule.recipe and known.recipe:
            self._make.doubt(target, "make runs each of its rules (::) for itself")
        known.join(rule)

    def _is_no_file(self, target: str, rule: Rule) -> bool:
        """Return whether a target that is not declared phony is no file: nothing shows that it is one."""
        if any(pattern.only is not None and target in pattern.only for pattern in self.patterns):
            return False
        if not rule.recipe:
            return not rule.needed
        if "/" in target or self._is_file(target):
            return False
        return not is_made_by(target, rule.recipe, self._make.variables)

    def _find_folders(self) -> None:
        """Find the rules that only make folders: a plan makes the folders around outputs by itself."""
        made_by = {target: made for target, rule in self.files.items() if (made := folders_made(rule.recipe))}
        # those that another one needs first
        for target in sorted(made_by, key=lambda one: one.count("/")):
            if any(one not in self.folders for one in self.files[target].needed):
                continue
            given = " ".join(made_by[target])
            try:
                listed = self._make.variables.expand(given, {"@": target}).split()
            except UnknownError:
                continue
            made = [os.path.normpath(one) for one in listed if one[0] != "-"]
            is_of_it = any(f"{one}/".startswith(f"{os.path.normpath(target)}/") for one in made)
            if is_of_it or target in self.phony:
                self.folders[target] = given, made
        for target, rule in self.files.items():
            is_of_folders = bool(rule.needed) and all(one in self.folders for one in rule.needed)
            if is_of_folders and not rule.recipe and self._made_as(target) is None:
                given = " ".join(self.folders[one][0].replace("$@", one) for one in rule.needed)
                self.folders[target] = given, [path for one in rule.needed for path in self.folders[one][1]]

    def _find_instances(self) -> None:
        wanted = [one for rule in self.files.values() for one in (*rule.targets, *rule.prerequisites)]
        for target in wanted:
            known = self.files.get(target)
            if target in self.instances or target in self.phony or (known is not None and known.recipe):
                continue
            instance = self._made_as(target)
            if instance is not None:
                self.instances[target] = pattern, stem = instance
                wanted += [one.replace("%", stem) for one in pattern.prerequisites]

    def _find_names(self) -> None:
        """Make rules of the instances of patterns that make no file, such as `guard-%: test -n "$($*)"`."""
        for target, (pattern, stem) in list(self.instances.items()):
            if pattern.only is not None or is_made_by(target, pattern.recipe, self._make.variables):
                continue
            before, order = (
                [one.replace("%", stem) for one in names] for names in (pattern.prerequisites, pattern.order_only)
            )
            recipe = [_STEM.sub(rf"\g<1>{stem}", line) for line in pattern.recipe]
            known = self.files.setdefault(target, Rule([target], [], [], pattern.line))
            known.join(Rule([target], before, order, pattern.line, recipe, pattern.help))
            for one in pattern.targets:
                if reason := self._make.doubt_of(one):
                    self._make.doubt(target, reason)
            self.phony.add(target)
            self.named.add(id(pattern))
            del self.instances[target]

    def _made_as(self, target: str) -> tuple[Rule, str] | None:
        """Return the pattern rule that makes a target, and its stem; None if all of them lack a source."""
        found = [
            (pattern, stem)
            for pattern in self.patterns
            for one in pattern.targets
            if (stem := matches(one, target)) is not None and (pattern.only is None or target in pattern.only)
        ]
        # the closest first; a static pattern rule is a rule for its targets, and comes before all others
        for pattern, stem in sorted(found, key=lambda one: (one[0].only is None, len(one[1]))):
            sources = [one.replace("%", stem) for one in pattern.prerequisites]
            if all(one in self.files or os.path.exists(os.path.join(self._root, one)) for one in sources):
                return pattern, stem
        return None
