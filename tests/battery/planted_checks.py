"""Mistakes to plant in gradcheck, each beside the test that must notice it: what was never compared, kinks and jumps,
rounding at every magnitude, one bad number, float32, the ways to write a gradient by hand."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tests.battery.right_functions import refuse_complex
from tests.checking import test_diagnose
from tests.checking import test_numerics as numerics
from tests.checking import test_unchecked as unchecked_tests
from tinygrad_nlp import relu
from tinygrad_nlp.checking import candidate, check, compare, diagnose, differences, point, report, unchecked

X = unchecked_tests.x3
NOTHING = partial(
    unchecked_tests.test_outputs_that_cannot_be_compared_are_named_and_never_right, lambda x: None, "None"
)
PAIR = partial(unchecked_tests.test_the_gradient_in_a_pair_is_checked_against_the_cost, X)
FOREIGN = partial(unchecked_tests.test_a_layer_with_a_backward_pass_of_its_own_is_not_approved, unchecked_tests.Tanh())
KINK = partial(numerics.test_at_a_kink_any_number_between_both_sides_is_right_and_no_other, relu, 0, 1, 0.0)
JUMP = partial(numerics.test_at_a_jump_only_the_slope_beside_it_is_right, np.floor, 0)
STEEP = partial(numerics.test_a_steep_function_is_no_jump, refuse_complex)
SCALES = partial(numerics.test_outputs_of_every_scale_from_one_array, refuse_complex, 3)
BESIDE = numerics.test_kinks_and_jumps_that_only_steps_of_a_large_neighbours_size_show
LARGE = partial(numerics.test_one_percent_is_found_at_every_magnitude, refuse_complex, 1.0, 1e12)
SMALL = partial(numerics.test_each_number_moves_by_a_part_of_its_own_size, -1, refuse_complex, [1e-16, 1.0, 1.0])
NAN = partial(numerics.test_one_number_that_is_not_finite_is_reported_at_its_own_place, np.nan, (3, 4))
BY_HAND = unchecked_tests.test_a_list_of_numbers_by_hand_is_the_gradient_of_one_array
ROUNDED = numerics.test_random_right_functions_pass_and_one_percent_is_found
SINGLE = numerics.test_float32_is_held_to_its_own_precision

# (function, pattern, what stands there instead, what is wrong, the test that notices)
CHECKS: list[tuple[Any, str, str, str, Any]] = [
    (unchecked.unusable, "any(kind == 'f' for kind, _ in kinds)", "True", "nothing to compare is right", NOTHING),
    (report.Report.__bool__, "bool(self.arguments)", "True", "a report on nothing is right",
     unchecked_tests.test_a_report_on_nothing_is_not_right),
    (candidate.cost_and_gradient, "return (Point(_f, _a, _n), backward)", "return None",
     "(cost, gradient) as two outputs", PAIR),
    (candidate.cost_and_gradient, "problem or any(_x)", "False", "two outputs taken for (cost, gradient)",
     unchecked_tests.test_what_only_looks_like_a_pair_is_several_outputs),
    (unchecked.passed_through, "met[0] if met else ''", "''", "a backward pass that did not run", FOREIGN),
    (check.gradcheck, "gradient is not None and not callable(gradient)", "False", "gradient= an array",
     partial(unchecked_tests.test_a_gradient_that_is_no_function_is_refused, np.zeros(3))),
    (compare.Comparison.judge, "np.sum(np.minimum(*_e))", "np.sum(g * slope.right)", "the lower bound at a kink", KINK),
    (compare.Comparison.judge, "low - share", "low - share - (high - low)", "a whole gap more below a kink", KINK),
    (compare.Comparison.judge, "share - high", "share - high - (high - low)", "a whole gap more above a kink", KINK),
    (differences.at_jump, "16 * noise.eps * size", "0.01 * size", "a steep function taken for a jump",
     partial(STEEP, 0.0, 1e6, 1e3)),
    (differences.differences, "jump.kink & _x", "jump.kink", "a slope beside a large number taken for a jump",
     partial(STEEP, 1e6, 1e12, 1e-3)),
    (differences.differences, "jump.kink & ~(_a & _b)", "jump.kink & ~_a", "many jumps of floor taken for a slope",
     partial(JUMP, 1e5, 0.0)),
    (differences.Slope.contradicts, "APART * _e", "np.inf * _e", "the step with the smallest error, whatever it skips",
     partial(STEEP, 0.0, 1e9, 1.0)),
    (differences.differences, "sorted(_x)", "[max(sizes)]", "steps of the largest neighbour's size",
     partial(SCALES, np.sin, np.cos)),
    (differences.differences, "sorted(_x)", "[max(sizes)]", "a kink near for its neighbour, but not here",
     partial(SCALES, np.abs, np.sign)),
    (point.Point.third_differences, "(step, -step)", "(step, step)", "rounding behind a relu", partial(BESIDE, 1e5)),
    (point.Point.moved, "np.full(self.y.size, np.nan)", "self.outputs(leaves)", "cholesky raises beyond its domain",
     partial(numerics.test_a_function_that_raises_beyond_its_domain_is_checked_within_it, "cholesky")),
    (compare.Comparison.around, "0.1 * small * _s", "0.1 * small * max(sizes)", "slopes beside a jump, across others",
     partial(JUMP, 2.0, 1e12)),
    (diagnose.of_paths, "y is None", "False", "a report that ends in an error",
     test_diagnose.test_a_mistake_without_a_name_in_a_function_that_drops_tensors),
    (compare.Comparison.check, "abs(x.flat[i])", "x.flat[i]", "the size of a negative number", SMALL),
    (compare.Comparison.probe, "UNDERFLOW", "1e10", "an absolute tolerance",
     partial(numerics.test_one_percent_is_found_at_every_magnitude, lambda f: f, 1.0, 1.0)),
    (differences.at_step, "noise.output", "1e-4 * top", "rounding guessed from a large result", LARGE),
    (compare.Comparison.is_rounding, "return True", "return False", "a zero that rounding has reached", ROUNDED),
    (compare.along_direction, "d != 0", "d == d", "one NaN in every entry", NAN),
    (compare.compare_precisions, "0.01 * abs(high)", "0.1 * abs(high)", "float32 held to too little", SINGLE),
    (compare.compare_precisions, "0.01 * abs(high)", "1e-05 * abs(high)", "float32 held to too much", SINGLE),
    (compare.compare_precisions, "1000.0 * rounding", "1e10 * rounding", "float32: rounding allowed for all", SINGLE),
    (candidate.by_name, "is_list_of_numbers(returned)", "False", "a gradient by hand as a list", BY_HAND),
    (point.distinct, "id(a) in seen", "False and id(a) in seen", "one array, passed twice",
     unchecked_tests.test_an_array_that_is_passed_twice_has_two_gradients),
]  # fmt: skip
