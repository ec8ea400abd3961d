"""The tiny prepared set, for all tests here."""

from __future__ import annotations

from tests.verbs.test_train import prepared

__all__ = ["prepared"]
