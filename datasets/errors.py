"""The error for everything a user can put right."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """The user's input is wrong: its message says what, where, and what to do, in one sentence.

    The command line prints the message without a traceback and exits with code 2.
    """


def nearest(name: str, names: Iterable[str]) -> str:
    """A clause that names the closest of ``names``, for the end of an error: ``; did you mean …?``.

    Returns the empty string when there is nothing to suggest.
    """
    # Case is the commonest slip, so it does not count.
    by_folded = {candidate.casefold(): candidate for candidate in names}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.5)
    return f"; did you mean '{by_folded[found[0]]}'?" if found else ""
