"""``python -m evensweep`` is the same as ``evensweep``."""

from .cli import main

main()
