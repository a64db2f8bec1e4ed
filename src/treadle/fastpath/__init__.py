"""Decides without the plan: "nothing to do", and "only this part"."""
