"""Pictures and pages about runs: figures without global state, and a listening page that opens from disk."""
