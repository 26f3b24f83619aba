"""Mistakes to plant at the edges, each beside the test that must notice it: numbers without a history, gradients that
are no arrays, sums and lengths at the limits of floating point, what changes behind the graph's back, what is ignored.
"""

from __future__ import annotations

import operator
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests import test_clip_norm, test_fused, test_optim, test_soap, test_updates
from tests.core import test_history, test_sparse, test_unbroadcast
from tests.nlp import test_counts, test_generate, test_metrics, test_text, test_vectors
from tests.nlp.corpora import test_untrusted_archives
from tests.seeing import test_bptt, test_watch
from tinygrad_nlp import Tensor, fused, optim, soap
from tinygrad_nlp.core import interface, sparse, unbroadcast
from tinygrad_nlp.nlp import counts, generate, metrics, text, vectors
from tinygrad_nlp.nlp.corpora import reviews
from tinygrad_nlp.seeing import watch

CHANGED = test_watch.test_a_list_changed_before_backward_is_named
FILLED = partial(test_history.test_an_array_cannot_be_filled_with_tensors, float, "h[0, 1] = t", Tensor(3.0))
HUGE = partial(test_clip_norm.test_clip_norm_of_huge_and_tiny_gradients, np.float64, 200)
IN_PLACE = partial(test_sparse.test_it_can_be_changed_in_place, operator.imul, test_sparse.OTHER)
MILLION = partial(test_unbroadcast.test_the_gradient_of_a_bias_over_a_million_rows, lambda n: np.full((n, 3), 0.1))
NO_COST = test_metrics.test_what_is_no_cost_of_a_text_is_refused.pytestmark[0].args[1]
GROUPS = test_optim.test_parameter_groups_are_refused_because_their_settings_would_be_ignored
OUTSIDE = partial(test_counts.test_ids_outside_the_vocabulary_are_not_counted, [[0, 1], [2, -1]], "id -1 of pair 1")
DECODED = partial(test_text.test_ids_that_encode_could_not_give_are_not_decoded, [2, -1], "id -1 at position 1")


ROWS_OF_VECTORS = test_vectors.test_the_formats_of_the_field.pytestmark[0].args[1]
BAD_ROWS = test_vectors.test_bad_rows_are_named.pytestmark[0].args[1]
ADAMW = partial(test_optim.test_defaults_are_those_of_the_papers_and_of_pytorch, optim.AdamW, 0.01)
BY_HAND = test_history.test_a_leaf_with_a_gradient_is_not_updated_by_hand
FREQUENT = test_text.test_most_frequent
TURNED = partial(test_soap.test_matrices_are_the_textbook_and_all_else_is_adam, 3)
IGNORED = partial(test_fused.test_a_sum_over_no_label_that_counts_is_0, (2,))
SIZES = partial(test_text.test_sizes_below_1_are_refused, "steps", (0, 2))
PROMPT = partial(test_generate.test_a_prompt_is_a_row_of_ids, [])
COVERS = test_metrics.test_an_interval_covers_95_percent_unless_something_else_is_asked
BIGRAMS = test_counts.test_smoothed_bigrams_are_those_of_the_formulas


def in_folder(test: Any, *arguments: Any) -> Any:
    """A test that writes into a folder."""

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            test(Path(folder), *arguments)

    return run


def read(i: int) -> Any:
    """A file of word vectors in one of the field's formats."""
    return in_folder(test_vectors.test_the_formats_of_the_field, ROWS_OF_VECTORS[i])


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
    (vectors._fields, "line.rsplit(None, width)", "line.split(None, width)", "tokens with spaces", read(0)),
    (vectors._header, "len(fields) != 2 or _x or _y", "True", "a first line taken for a row", read(1)),
    (vectors._lines, "line.rstrip()", "line.rstrip(b'\\n')", "a last line of spaces", read(3)),
    (vectors._fields, "line.rsplit(None, width)", "line.rsplit(b' ', width)", "tabs", read(3)),
    (vectors._opened, "start[:2] == _x", "False", "gzip", read(5)),
    (vectors.read_vectors, "not line", "False", "a blank last line", read(3)),
    (vectors.read_vectors, "found[wanted[0]] and not np.array_equal(_a, _b)", "found[wanted[0]]", "the same row twice",
     read(4)),
    (vectors.read_vectors, "found[wanted[0]] and not np.array_equal(_a, _b)", "False", "a word with two different rows",
     in_folder(test_vectors.test_bad_rows_are_named, *BAD_ROWS[14])),
    (vectors.read_vectors, "(table[wanted], found[wanted]) = (_v, True)",
     "table[wanted[0]], found[wanted[0]] = _v, True", "a word that is asked for twice", read(0)),
    (reviews.stream, "member.name.removeprefix('./')", "member.name", "./ in an archive's names",
     in_folder(test_untrusted_archives.test_an_archive_of_a_folder_names_its_members_from_there_on)),
    (text._check_sizes, "value < 1", "value < 0", "no steps at all", SIZES),
    (text.most_frequent, "(-item[1], item[0])", "-item[1]", "ties as they come", FREQUENT),
    (generate.generate, "ids.ndim != 1 or not ids.size", "ids.ndim != 1", "no prompt", PROMPT),
    (fused.checked_labels, "not count and _r", "not count", "a sum over nothing", IGNORED),
    (fused.checked_labels, "not count and _r", "False", "a mean over nothing", IGNORED),
    (optim.AdamW.__init__, "0.999", "0.99", "the default of β₂", ADAMW),
    (optim.AdamW.__init__, "0.9", "0.99", "the default of β₁", ADAMW),
    (optim.AdamW.__init__, "1e-08", "1e-07", "the default of ε", ADAMW),
    (optim.AdamW.__init__, "0.01", "0.0", "the default of λ", ADAMW),
    (soap.SOAP.update_parameter, "Q.T @ g", "Q @ g", "turned the wrong way", TURNED),
    (soap.SOAP.turn, "m[...] = _x", "pass", "moments that stay in the old basis", TURNED),
    (soap.SOAP.turn, "v[order]", "v", "sizes of gradients that belong to other directions", TURNED),
    (soap.SOAP.turn, "-eigenvalues", "eigenvalues", "the smallest direction first", TURNED),
    (soap.SOAP.turn, "self.damping * _x", "0", "a basis that rounding chooses", TURNED),
    (soap.SOAP.turn, "C *= self.decay", "pass", "a covariance that forgets nothing", TURNED),
    (soap.SOAP.update_parameter, "g.todense()", "g.values", "rows of a table that take each other's place",
     test_soap.test_row_sparse_gradients_are_arrays_for_small_tables_and_adams_for_large_ones),
    (interface.NumPyInterface.__isub__, "t.fn is None and _g and _t", "False", "p -= lr * p.grad trains nothing",
     BY_HAND),
    (interface.NumPyInterface.data.fset, "values.shape != self.shape or _d", "False", "p.data = one number for all",
     test_updates.test_values_are_assigned_through_the_one_door),
    (counts.CountBigram.kneser_ney, "kinds.sum(0)", "self.after", "how often, not after how many words", BIGRAMS),
    (counts.NGrams.__init__, "counted = numbers[place[_x]]", "counted = numbers[ending]",
     "how often, in shorter grams", test_counts.test_ngrams_are_those_of_the_definition),
    (metrics.interval, "0.95", "0.9", "the 95 % of an interval", COVERS),
    (metrics.paired_difference, "0.95", "0.9", "the 95 % of a difference", COVERS),
    (metrics.t_interval, "0.95", "0.9", "the 95 % of Student's interval",
     test_metrics.test_students_interval_covers_the_mean_of_three_values_as_often_as_it_says),
    (counts.CountBigram._checked, "_p < 0", "_p < -9", "−1 is the last id", OUTSIDE),
]  # fmt: skip
