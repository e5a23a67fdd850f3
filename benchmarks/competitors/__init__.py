"""The same search as users of other tools write it, each a process of its own."""
