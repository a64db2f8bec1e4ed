"""The keys of plans, and the values that they allow."""
