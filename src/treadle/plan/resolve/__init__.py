"""Specifications to actions, edges and Commands: what a plan means."""
