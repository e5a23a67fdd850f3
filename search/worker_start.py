"""Imported by every worker process as it starts, so that it is warm when its first work arrives.

Ray starts a worker a CPU with a session of our own, and these imports, the slowest part of a small
sweep, then pass while the driver makes its own.
"""

import gc
import os

from ..cluster.tasks import COLD

if COLD not in os.environ:
    # Imports make a million objects that live as long as the process: the collector need look at
    # them neither now nor ever again.
    gc.disable()
    from ..trainables import training, tune_adapter  # noqa: F401

    gc.freeze()
    gc.enable()
