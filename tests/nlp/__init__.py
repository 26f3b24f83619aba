"""Tests of the language room, and what several of them share."""


def assert_one_line(error: Exception) -> None:
    """A message for a terminal: one line, not empty."""
    assert str(error) and "\n" not in str(error)
