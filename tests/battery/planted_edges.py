"""Mistakes to plant at the edges, each beside the test that must notice it: numbers without a history, gradients that
are no arrays, sums and lengths at the limits of floating point, what changes behind the graph's back, what is ignored.
"""

from __future__ import annotations

import operator
from functools import partial
from typing import Any

import numpy as np

from tests import test_optim
from tests.core import test_interface, test_sparse, test_unbroadcast
from tests.nlp import test_metrics, test_text
from tests.nlp.corpora import test_bundles
from tests.seeing import test_bptt, test_watch
from tinygrad_nlp import Tensor, optim
from tinygrad_nlp.core import interface, sparse, unbroadcast
from tinygrad_nlp.nlp import counts, metrics, text
from tinygrad_nlp.seeing import watch

CHANGED = test_watch.test_a_list_changed_before_backward_is_named
FILLED = partial(test_interface.test_an_array_cannot_be_filled_with_tensors, float, "h[0, 1] = t", Tensor(3.0))
HUGE = partial(test_optim.test_clip_norm_of_huge_and_tiny_gradients, np.float64, 200)
IN_PLACE = partial(test_sparse.test_it_can_be_changed_in_place, operator.imul, test_sparse.OTHER)
MILLION = partial(test_unbroadcast.test_the_gradient_of_a_bias_over_a_million_rows, lambda n: np.full((n, 3), 0.1))
NO_COST = test_metrics.test_what_is_no_cost_of_a_text_is_refused.pytestmark[0].args[1]
GROUPS = test_optim.test_parameter_groups_are_refused_because_their_settings_would_be_ignored
OUTSIDE = partial(test_bundles.test_ids_outside_the_vocabulary_are_not_counted, [[0, 1], [2, -1]], "id -1 of pair 1")
DECODED = partial(test_text.test_ids_that_encode_could_not_give_are_not_decoded, [2, -1], "id -1 at position 1")


def refused(i: int) -> Any:
    return partial(test_metrics.test_what_is_no_cost_of_a_text_is_refused, *NO_COST[i])


# (function, pattern, what stands there instead, what is wrong, the test that notices)
EDGES: list[tuple[Any, str, str, str, Any]] = [
    (interface.no_history, "raise _e", "return self._data.item()", "h[t] = … loses its gradient", FILLED),
    (sparse.length, "1e-30 < _s < math.inf", "_s < math.inf", "squares vanish in float32",
     partial(test_bptt.test_norms_whose_squares_vanish_are_not_0, np.float32)),
    (sparse.length, "1e-30 < _s < math.inf", "True", "squares overflow", HUGE),
    (optim.clip_norm, "math.hypot(*_n)", "math.sqrt(sum(n * n for n in _n))", "the sum of squares overflows", HUGE),
    (sparse.length, "_g.coalesce().values", "_g.values", "rows that are there twice, squared apart",
     partial(test_sparse.test_lengths_are_exact_at_every_magnitude, np.float64, 0)),
    (optim.named_tensors, "len(_g) > 1", "False", "settings of parameter groups ignored", partial(GROUPS, optim.Adam)),
    (sparse.RowSparse.__array_ufunc__, "_o._become(_v)", "_v", "np.multiply(g, 2, out=g) changes nothing", IN_PLACE),
    (sparse.RowSparse.__setitem__, "self._become(_d)", "pass", "g[0] = 0 changes nothing",
     test_sparse.test_entries_can_be_set),
    (sparse.RowSparse.__sub__, "-_o", "_o", "sign of a difference",
     partial(test_sparse.test_it_acts_as_the_array, lambda g: g - g, np.float64)),
    (unbroadcast.sum_rows, "len(_a) > 256", "False", "a million rows, one after the other", MILLION),
    (unbroadcast.sum_rows, "np.concatenate([_s, _r])", "_s", "the rows that fill no block", MILLION),
    (watch.constants, "type(_p) is list", "False", "a list that changes", partial(CHANGED, list.reverse, lambda x: x)),
    (watch.checksum, "checksum(_p)", "id(_p)", "a list in a list", test_watch.test_lists_that_stay_as_they_are_pass),
    (metrics.checked_cost, "not _n >= _l", "_n < _l", "NaN is a cost", refused(9)),
    (metrics.log_of_base, "_b == 1", "False", "base 1", refused(7)),
    (metrics.Perplexity.add_log_probabilities, "np.all(_n)", "True", "probabilities taken for logarithms", refused(0)),
    (text.Characters.decode, "_g < 0", "_g < -9", "−1 is the last character", DECODED),
    (counts.CountBigram._checked, "_p < 0", "_p < -9", "−1 is the last id", OUTSIDE),
]  # fmt: skip
