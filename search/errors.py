"""What a sweep can fail with, beside wrong input."""


class SweepError(RuntimeError):
    """The sweep can't go on; the message says why."""
