"""What pages of calculus call their arguments."""
# tested in tests/calculus/test_every_row.py

from typing import Any, TypeAlias

Array: TypeAlias = Any  # an array or a Tensor: rules are NumPy, and both go through it
