"""A run as events, and what is made of them: JUnit, a trace, a page, GitHub's lines. It knows no walk."""
