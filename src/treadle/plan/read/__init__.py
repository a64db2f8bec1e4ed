"""Nodes to specifications: what a plan says."""
