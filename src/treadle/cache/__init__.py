"""The output cache: brings back outputs that an earlier run made, in place of running the action."""
