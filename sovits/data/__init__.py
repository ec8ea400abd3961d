"""From recordings to batches: preparing a set, its manifest, and the data module that trains on it.

Nothing is imported here: preparing needs neither Lightning nor the seconds that it takes to import it.
"""
