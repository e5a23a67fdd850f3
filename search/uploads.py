"""Ties a run's stages to the mirror of its working copy."""

from __future__ import annotations

from ..results.mirror import Mirror
from .cross_validation import FoldFigures
from .progress import Display


class Uploads(Display):
    """Has what a stage wrote uploaded before the next one starts, and ends a run that can't be."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def stage(self, title: str) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        self._mirror.flush()

    def refresh(self) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        self._mirror.check()

    def fold_done(self, figures: FoldFigures) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        self._mirror.check()
