"""The hot modules: what `treadle run` loads of ours with nothing to do, and with one input edited.

They import little and late, see docs/development.md, "Measures". tests/meta/test_start_up.py compares these lists
with what is loaded, in both directions, and with the modules for which ruff's TID253 is on in pyproject.toml.
"""

NOTHING_TO_DO = (
    "treadle",
    "treadle.__main__",
    "treadle.content.timestamps",
    "treadle.content.trust",
    "treadle.fastpath.probe",
    "treadle.session.fast_start",
    "treadle.ui.durations",
)
"""What a run with nothing to do loads. Packages are left out: their `__init__` is one line."""

ONE_EDIT = (
    "treadle._startup.interpreter",
    "treadle.cli.commands.run",
    "treadle.cli.exit_codes",
    "treadle.cli.main",
    "treadle.cli.signals",
    "treadle.command.command",
    "treadle.command.depfile",
    "treadle.command.discovered",
    "treadle.command.discovery",
    "treadle.command.fingerprinting",
    "treadle.command.job",
    "treadle.command.outputs",
    "treadle.command.graph_checks",
    "treadle.command.walk",
    "treadle.content.digests",
    "treadle.content.files",
    "treadle.content.fingerprint",
    "treadle.content.links",
    "treadle.core.admission",
    "treadle.core.decision",
    "treadle.core.elements",
    "treadle.core.graph.dag",
    "treadle.core.graph.order",
    "treadle.core.outcomes",
    "treadle.core.output_index",
    "treadle.core.paths",
    "treadle.core.text",
    "treadle.core.wording",
    "treadle.engines.base",
    "treadle.engines.local",
    "treadle.engines.process",
    "treadle.engines.process_marks",
    "treadle.errors",
    "treadle.events.bus",
    "treadle.fastpath.partial_walk",
    "treadle.fastpath.snapshot_file",
    "treadle.scheduling.hooks",
    "treadle.scheduling.job",
    "treadle.scheduling.scheduler",
    "treadle.session.call",
    "treadle.session.options",
    "treadle.session.run",
    "treadle.session.walk",
    "treadle.state.lock",
    "treadle.state.log",
    "treadle.state.own_files",
    "treadle.state.ownership",
    "treadle.state.records",
    "treadle.state.store",
    "treadle.status",
    "treadle.ui.console",
    "treadle.ui.progress",
    "treadle.ui.render",
    "treadle.ui.screen",
    "treadle.ui.text",
    "treadle.walk",
)
"""What a run with one edited input loads in addition, if no action fails and the plan is not loaded.

The two modules of discoveries are loaded if an action has one.
"""
