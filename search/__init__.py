"""Sweep configuration, spaces, rungs, schedulers, the runner and the stages after the search."""
