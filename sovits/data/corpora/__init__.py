"""Recordings as they lie on disk, corpus by corpus: who speaks, what is said, where."""
