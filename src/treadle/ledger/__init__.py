"""The ledger: recorded runs, and an index over their events. Nothing in it decides what a run does."""
