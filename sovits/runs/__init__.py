"""Runs of `sovits train` on disk: what each leaves in its folder, and how it is found and read again."""
