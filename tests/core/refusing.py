"""What a refusal looks like: one clear error on one line."""

from __future__ import annotations

import re
from typing import Any

import pytest


def refused(error: Any, message: str, call: Any) -> None:
    """One clear error: on one line, never a RecursionError."""
    with pytest.raises(error, match=re.escape(message)) as caught:
        call()
    assert type(caught.value) is error and "\n" not in str(caught.value)
