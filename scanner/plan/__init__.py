"""Deciding and ordering, without a clock, a process or a file: the planner and the merge."""
