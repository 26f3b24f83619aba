"""Mistakes to plant where limits are taken, where NumPy's forms are read, and in linear algebra, each beside the test
that must notice it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sparse
import scipy.special
from hypothesis import Phase, given, settings

from tests import test_checkpoint
from tests.battery.drawing import SEEDS
from tests.calculus import test_forms
from tests.calculus import test_limits as limits
from tests.core import test_interface, test_scipys, test_unbroadcast
from tinygrad_nlp import rules, sigmoid
from tinygrad_nlp.calculus import axes, cones, decompositions, forms, kinds, lengths, linear_algebra, special
from tinygrad_nlp.core import interface, scipys, unbroadcast
from tinygrad_nlp.engine import TABLE

SQUARED = partial(limits.test_squares_of_lengths_are_smooth_at_0, *limits.SMOOTH[0])
TWICE = partial(limits.test_squares_of_lengths_are_smooth_at_0, *limits.SMOOTH[3])
MULTIPLES = partial(limits.test_squares_of_lengths_are_smooth_at_0, *limits.SMOOTH[14])
NEGATIVE = partial(limits.test_squares_of_lengths_are_smooth_at_0, *limits.SMOOTH[15])
OTHERS = partial(limits.test_what_the_page_of_cones_says_of_other_lengths_and_of_kinks, *limits.CONVENTIONS[4])
HUGE = partial(limits.test_lengths_are_scaled_first, np.float64, 200)
TIED = partial(limits.test_repeated_singular_values, (3, 3))
SPREAD = partial(limits.test_squares_of_lengths_are_smooth_at_0, *limits.SMOOTH[5])
ONE = limits.test_statistics_of_one_entry_are_nan_and_so_are_their_gradients
PRODUCTS = partial(test_scipys.test_sparse_products, sparse.csr_array, (3, 2))
CHECKPOINT = partial(test_checkpoint.test_nan_and_infinity_in_a_checkpoint_hide_no_change_and_are_none, np.nan)
CHECKPOINT_INF = partial(test_checkpoint.test_nan_and_infinity_in_a_checkpoint_hide_no_change_and_are_none, np.inf)
FAR = limits.test_far_out
WRITTEN_OUT = partial(test_forms.test_every_default_may_be_written_out, np.stack)
KEYWORDS = test_interface.test_tensors_in_keywords_and_unknown_keywords_are_refused_at_the_call


def forms_of(fn: Any) -> Any:
    """The property of NumPy's call forms, for one function."""

    @settings(max_examples=100, phases=[Phase.generate], derandomize=True, database=None, deadline=None)
    @given(SEEDS)
    def every_form(seed: int) -> None:
        test_forms.test_every_form_means_what_numpy_means.hypothesis.inner_test(fn, seed)

    return every_form


# (function, argument, wrong derivative, what is wrong, the test that notices)
FAR_OUT: list[tuple[Any, int, Any, str, Any]] = [
    (np.arctan2, 0, lambda g, y, a, b: g * b / (a * a + b * b), "squares overflow and vanish", FAR),
    (np.arctan2, 1, lambda g, y, a, b: -g * a / (a * a + b * b), "squares overflow and vanish", FAR),
    (np.arcsinh, 0, lambda g, y, x: g / np.sqrt(x * x + 1), "the square overflows", FAR),
    (np.arccosh, 0, lambda g, y, x: g / np.sqrt(x * x - 1), "the square overflows", FAR),
    (scipy.special.expit, 0, lambda g, y, x: g * y * (1 - y), "1 − σ is 0 from 37 on", FAR),
    (sigmoid, 0, lambda g, y, x: g * y * (1 - y), "1 − σ is 0 from 37 on", FAR),
    (scipys.sparse_product, 0, lambda g, y, a, b: g @ b, "transpose forgotten", PRODUCTS),
    (scipys.sparse_product, 1, lambda g, y, a, b: a @ g, "transpose forgotten", PRODUCTS),
]

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
    (cones.multiple, "t is y or _a or _b", "True", "norm(x) · norm(x)", TWICE),
    (cones.multiple, "abs(c / d)", "1.0", "|x| · |2x|", MULTIPLES),
    (cones.multiple, "len(ratios) == 1", "len(ratios) > 0", "hypot(2a, b) · hypot(a, b)", OTHERS),
    (cones.unscaled, "(np.multiply, np.divide, np.negative)", "(np.multiply, np.divide)", "|x| · |−x|", NEGATIVE),
    (cones.same, "a.fn is b.fn is not None", "False", "std(x) · std(x), two graphs", SPREAD),
    (cones.same, "pairs += [*_x, _k]", "return all(p is q for p, q in zip(a.args, b.args))", "std(x) · std(x)",
     SPREAD),
    (TABLE[np.var].forward, "max(_n - ddof, 0)", "max(_n - ddof, 1)", "ddof=1 of one entry", ONE),
    (TABLE[np.std].forward, "max(_n - ddof, 0)", "max(_n - ddof, 1)", "ddof=1 of one entry", ONE),
    (cones.cone, "beyond(y)", "0", "a second derivative where there is none",
     limits.test_a_length_itself_has_no_second_derivative_at_0),
    (lengths.magnitude, "np.where(usable, _s, 1)", "np.ones_like(top)", "squares overflow", HUGE),
    (lengths.d_p_length, "np.where(away, np.abs(x), 1)", "np.abs(x)", "∞ · 0 at order 1/2",
     limits.test_norms_of_order_below_1),
    (decompositions.over_gaps, "np.any(closed & used)", "False", "a choice taken for a gradient", TIED),
    (unbroadcast.fit, "share.dtype == np.float32", "False", "a million rows, one after the other",
     test_unbroadcast.test_broadcasting_over_a_million_rows),
    (scipys.is_sparse_product, "any(_x)", "False", "A @ t refused", PRODUCTS),
    (interface.product, "known or not _x", "True", "t @ A as an array of objects", PRODUCTS),
    (kinds.Jointly.shares, "together[i]", "self.derivatives(g, t.data, *args, **t.kwargs)[i]", "O(n²) for n parts",
     limits.test_thousands_of_parts_are_taken_apart_once),
    (kinds.same_numbers, "True", "False", "NaN in a checkpoint", CHECKPOINT),
    (kinds.same_numbers, "np.max(_a, initial=0, where=_w)", "np.max(_a, initial=0)", "changes beside infinity",
     CHECKPOINT_INF),
    (forms.rebound, "is_default(_v, _d)", "True", "arguments dropped without a word", KEYWORDS),
    (forms.remedy, "key in KEYWORDS", "False", "dim= without a remedy that is true", KEYWORDS),
    (forms.is_default, "value == default", "False", "NumPy's own default refused", WRITTEN_OUT),
    (forms.rebound, "ours.append(value)", "named[p.name] = value", "np.negative(a=t)", forms_of(np.transpose)),
    (axes.count, "axis is None", "axis is None or np.ndim(x) == 0", "a mean over an axis of a number",
     forms_of(np.mean)),
    (axes.axis_of, "ndim", "ndim + 1", "a negative axis", forms_of(np.diff)),
    (TABLE[np.diag].forward, "v.ndim not in (1, 2)", "False", "diag of 3-D", forms_of(np.diag)),
    (TABLE[np.take_along_axis].forward, "np.ndim(indices) != arr.ndim or _x or _y", "False", "indices of other axes",
     forms_of(np.take_along_axis)),
    (TABLE[np.repeat].forward, "axis is None or a.ndim == 0", "axis is None", "repeat of 0-d", forms_of(np.repeat)),
    (TABLE[np.take].forward, "axis is None or a.ndim == 0", "axis is None", "take of 0-d", forms_of(np.take)),
    (TABLE[np.linalg.norm].forward, "len(axes) == 1", "isinstance(axis, int)", "norm(t, 1, axis=(1,))",
     forms_of(np.linalg.norm)),
    (TABLE[np.column_stack].forward, "a.ndim < 2", "a.ndim == 1", "column_stack of numbers", forms_of(np.column_stack)),
    (scipys.refused, "instead[-1]", "'t.data'", "a remedy that loses the gradient",
     partial(test_scipys.test_the_message_names_what_to_use_instead, *test_scipys.REFUSED[0])),
]  # fmt: skip
