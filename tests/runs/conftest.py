"""The tiny prepared set that the tests of `sovits train` use."""

from tests.verbs.test_train import prepared  # noqa: F401
