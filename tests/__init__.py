"""The tests mirror the package; battery/ holds what they draw from."""

import os

import pytest

posix = pytest.mark.skipif(os.name != "posix", reason="signals, forks, limits and links are as POSIX has them")
