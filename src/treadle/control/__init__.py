"""Requests to a run that is under way: what they may say, what they do, and the socket that takes them."""
