"""The one error a user is meant to read."""

from __future__ import annotations


class SovitsError(Exception):
    """A mistake its reader can mend.

    The message is one sentence that names the offending file, key or value, what was expected, and the remedy.
    The command line prints it without a traceback and exits with 1.
    """


def mistake_behind(error: BaseException | None) -> SovitsError | None:
    """The :class:`SovitsError` that a library, such as Hydra building an object, wrapped in an error of its own, if there is one."""
    while error is not None and not isinstance(error, SovitsError):
        error = error.__cause__ or error.__context__
    return error
