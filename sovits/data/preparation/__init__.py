"""From recordings to a prepared set: find the speech, learn what is said, cut, judge, split, report."""
