"""Mistakes to plant where limits are taken, where NumPy's forms are read, and in linear algebra, each beside the test
that must notice it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tests.calculus import test_limits as limits
from tests.core import test_interface, test_scipys, test_unbroadcast
from tinygrad_nlp import rules
from tinygrad_nlp.calculus import cones, forms, lengths, linear_algebra, special
from tinygrad_nlp.core import scipys, unbroadcast

SQUARED = partial(limits.test_squares_of_lengths_are_smooth_at_0, *limits.SMOOTH[0])
TWICE = partial(limits.test_squares_of_lengths_are_smooth_at_0, *limits.SMOOTH[3])
HUGE = partial(limits.test_lengths_are_scaled_first, np.float64, 200)
TIED = partial(limits.test_repeated_singular_values, (3, 3))
KEYWORDS = test_interface.test_tensors_in_keywords_and_unknown_keywords_are_refused_at_the_call

# (function, pattern, what stands there instead, what is wrong, the test that notices)
LIMITS: list[tuple[Any, str, str, str, Any]] = [
    (rules.off_zero, "(a == 0) & (b == 0)", "False", "0 · ∞ of x log x", limits.test_x_log_y_and_its_kin_at_0),
    (rules.off_zero, "(a == 0) & (b == 0)", "a == 0", "a mixed derivative", limits.test_x_log_y_and_its_kin_at_0),
    (special.off_minus_one, "(a == 0) & (b == -1)", "False", "0 · ∞ of xlog1py", limits.test_x_log_y_and_its_kin_at_0),
    (rules.weight, "(a == b) & np.isinf(a)", "False", "∞ − ∞", limits.test_impossible_states),
    (rules.weight, "(a == b) & np.isinf(a)", "a == b", "the curvature at a tie", limits.test_impossible_states),
    (rules.d_logsumexp, "y == -np.inf", "False", "nothing possible", limits.test_impossible_states),
    (linear_algebra.d_cofactors, "pairs * mT(_h)", "pairs * h", "a transpose, to second order",
     limits.test_determinants_of_singular_matrices),
    (cones.cone, "smooth * x", "0 * x", "a Hessian of 0 by convention", SQUARED),
    (cones.same_call, "_a == _b", "False", "norm(x) · norm(x)", TWICE),
    (cones.cone, "beyond(y)", "0", "a second derivative where there is none",
     limits.test_a_length_itself_has_no_second_derivative_at_0),
    (lengths.magnitude, "np.where(usable, _s, 1)", "np.ones_like(top)", "squares overflow", HUGE),
    (lengths.d_p_length, "np.where(away, np.abs(x), 1)", "np.abs(x)", "∞ · 0 at order 1/2",
     limits.test_norms_of_order_below_1),
    (linear_algebra.over_gaps, "np.any(closed & used)", "False", "a choice taken for a gradient", TIED),
    (unbroadcast.fit, "share.dtype == np.float32", "False", "a million rows, one after the other",
     test_unbroadcast.test_broadcasting_over_a_million_rows),
    (forms.rebound, "is_default(_v, _d)", "True", "arguments dropped without a word", KEYWORDS),
    (scipys.refused, "instead[-1]", "'t.data'", "a remedy that loses the gradient",
     partial(test_scipys.test_the_message_names_what_to_use_instead, *test_scipys.REFUSED[0])),
]  # fmt: skip
