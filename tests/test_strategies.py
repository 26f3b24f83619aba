"""The strategies draw what they promise, and the property in their documentation runs as it stands."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from tinygrad_nlp import Tensor, gradients, strategies
from tinygrad_nlp.strategies import arrays, axes, broadcastable_shapes, einsum_specs, indices, programs, shapes

SEARCH = settings(max_examples=1000, database=None, phases=[Phase.generate])
KINDS = {
    "0-d": lambda x: x.ndim == 0,
    "empty": lambda x: x.size == 0,
    "one number": lambda x: x.ndim > 0 and x.size == 1,
    "not contiguous": lambda x: not x.flags.c_contiguous and not x.flags.f_contiguous,
    "negative strides": lambda x: any(step < 0 for step in x.strides),
    "read-only": lambda x: not x.flags.writeable,
    "broadcast": lambda x: x.size > 1 and 0 in x.strides,
    "fortran": lambda x: x.flags.f_contiguous and not x.flags.c_contiguous,
}


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_of_every_kind_are_drawn(kind):
    assert KINDS[kind](find(arrays(), KINDS[kind], settings=SEARCH))


@given(st.data(), st.sampled_from([np.float32, np.float64]))
def test_numbers_keep_to_their_domain_and_away_from_kinks(data, dtype):
    x = data.draw(arrays(low=-3, high=1, kinks=[0, -1], dtype=dtype))
    assert x.dtype == dtype and np.all((x > -3) & (x < 1))
    assert np.all(abs(x) > 0.07) and np.all(abs(x + 1) > 0.07)


@given(arrays(layouts=["contiguous", "strided", "reversed"]))
def test_numbers_differ_unless_broadcast(x):
    assert len(np.unique(x)) == x.size


@given(st.data())
def test_shapes_axes_and_indices_fit(data):
    shape = data.draw(shapes())
    x = data.draw(arrays(shape))
    assert x.shape == shape
    axis, index = data.draw(axes(shape)), data.draw(indices(shape))
    assert np.sum(x, axis=axis).ndim <= x.ndim
    assert isinstance(np.asarray(x[index]), np.ndarray)
    drawn = data.draw(broadcastable_shapes(3))
    assert len(drawn) == 3 and np.broadcast_shapes(*drawn) is not None


@given(einsum_specs(min_side=1), einsum_specs())
def test_einsum_specs_fit(drawn, with_empty):
    for at_least, (spec, operands) in [(1, drawn), (0, with_empty)]:
        assert np.all(np.einsum(spec, *[np.ones(shape) for shape in operands]) >= at_least)


@given(programs())
def test_programs_run_and_every_leaf_has_a_part(program):
    leaves = [Tensor(x) for x in program.leaves]
    y = program(*leaves)
    # without Tensors a 0-d result is a scalar, whose tanh may be another loop of NumPy's than an array's
    np.testing.assert_allclose(y.data, program(*program.leaves), rtol=1e-9, atol=1e-9)
    assert set(gradients(y, g=np.ones(y.shape))) == set(leaves)
    assert len(repr(program).splitlines()) == len(program.leaves) + len(program.steps)


def test_programs_share_values():
    def shares(program: Any) -> bool:
        places = [k for _, used, _ in program.steps for k in used]
        return len(program.leaves) > 1 and any(places.count(k) > 2 for k in places)

    assert shares(find(programs(), shares, settings=SEARCH))


def test_the_documented_property_runs_as_it_stands_and_can_fail():
    lines = strategies.__doc__.splitlines()
    code = textwrap.dedent("\n".join(line for line in lines if not line or line.startswith("    ")))
    scope: dict[str, Any] = {}
    exec(code, scope)
    scope["test_standardise"]()
    scope["gradcheck"] = lambda f, x: scope["Report"](f, x)
    scope["Report"] = lambda f, x: x.size == 0
    with pytest.raises(AssertionError):
        scope["test_standardise"]()
