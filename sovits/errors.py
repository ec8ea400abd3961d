"""The one error a user is meant to read."""


class SovitsError(Exception):
    """A mistake its reader can mend.

    The message is one sentence that names the offending file, key or value, what was expected, and the remedy.
    The command line prints it without a traceback and exits with 1.
    """
