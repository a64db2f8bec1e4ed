"""Reports of a run, made from its events: JUnit, a trace, a page, GitHub annotations. It knows no walk."""
