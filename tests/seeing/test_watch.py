"""watch.py: what is caught, what is let pass, and what the messages say."""

import gc
import inspect
import re

import numpy as np
import pytest

from tinygrad_nlp import Tensor, embedding, engine, logsumexp, softmax_cross_entropy
from tinygrad_nlp.seeing.watch import notes, watch

ZERO, BIG = Tensor([0.0, 2.0]), Tensor(np.array([1.0, 1e3]))
NAN = Tensor([np.nan, 1.0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: np.log(ZERO),
            r"`log` at .*test_watch.py:\d+ made -inf: argument 0 \(2,\) in \[0, 2\]: log is -inf at 0",
        ),
        (lambda: np.log(-BIG), r"`log` .* made NaN: argument 0 \(2,\) in \[-1000, -1\]: .*log_softmax"),
        (
            lambda: BIG / ZERO,
            r"`divide` .* made inf: argument 0 \(2,\) in \[1, 1000\], argument 1 \(2,\) in \[0, 2\]: division by",
        ),
        (lambda: np.exp(BIG), r"`exp` .* made inf: argument 0 \(2,\) in \[1, 1000\]: exp overflows above 88"),
        (lambda: np.sqrt(-BIG), "`sqrt` .* made NaN: .*outside of the function's domain"),
        (lambda: BIG * 1e306, "`multiply` .* made inf: .*argument 1 .* the values grew until they overflowed"),
        (lambda: (BIG * 1e200).astype(np.float32), "`astype` .* made inf"),
        (lambda: BIG * NAN, "`multiply` .* was given NaN in argument 1: .*look at the data"),
        (lambda: np.maximum(BIG, np.array([np.nan, 1])), "`maximum` .* was given NaN in argument 1"),
        (lambda: (BIG - np.inf) * ZERO, r"`multiply` .* made NaN: .*0 \* inf .* large finite number"),
    ],
)
def test_the_first_bad_call_is_named_with_its_remedy(make, message):
    with pytest.raises(FloatingPointError, match=message), watch():
        make()
    assert engine.observer is None


def test_the_line_is_the_users_even_below_composites_and_methods():
    def run():
        (BIG * 1e154).var()

    line = inspect.getsourcelines(run)[1] + 1
    with pytest.raises(FloatingPointError, match=re.escape(f"{__file__}:{line} ")), watch():
        run()


def test_what_may_pass():
    mask = np.array([[0, -np.inf]])
    with watch():
        y = logsumexp(BIG + mask)
        y = y + np.sum(np.where([True, False], BIG, -np.inf)[0]) + np.sum(Tensor(np.ones((0, 2))))
        y = y + Tensor([1e200, 1e200]).sum()  # its squares overflow, it does not
        y.sum().backward()
    assert np.isfinite(BIG.grad).all()
    BIG.grad = None


def test_a_nan_born_in_backward():
    x = Tensor([0.0, 4.0])
    with watch():
        y = np.sum(np.where(x.data > 0, np.sqrt(x), 0))
        with pytest.raises(
            FloatingPointError, match=r"argument 0 of `sqrt` at .*:\d+ became NaN in backward: .*np.where"
        ):
            y.backward()
        assert x.grad is None
        safe = np.where(x.data > 0, x, 1)
        np.sum(np.where(x.data > 0, np.sqrt(safe), 0)).backward()
    np.testing.assert_array_equal(x.grad, [0, 0.25])


def changed(make, constant, index, value):
    """A backward pass after constant[index] has become value."""
    old = constant[index]
    y = make()
    constant[index] = value
    try:
        y.sum().backward()
    finally:
        constant[index] = old


labels, ids, scale, offset = np.array([0, 1]), np.array([2, 0]), np.arange(1.0, 3.0), np.ones((2, 3))[:, 1]
table = Tensor(np.random.default_rng(0).normal(size=(4, 3)))


@pytest.mark.parametrize(
    ("make", "constant", "name"),
    [
        (lambda: softmax_cross_entropy(table[:2], labels), labels, "softmax_cross_entropy"),
        (lambda: embedding(table, ids), ids, "embedding"),
        (lambda: table[ids], ids, "getitem"),
        (lambda: table[ids, labels], labels, "getitem"),
        (lambda: BIG * scale, scale, "multiply"),
        (lambda: BIG * offset, offset, "multiply"),
        (lambda: np.where(labels > 0, BIG * scale[::-1], 0), scale, "multiply"),
    ],
)
def test_a_constant_changed_before_backward_is_named(make, constant, name):
    with (
        watch(),
        pytest.raises(RuntimeError, match=rf"argument \d of `{name}` at .*, a constant .* changed between forward"),
    ):
        changed(make, constant, 0, 3 if constant is not labels else 2)
    with watch():
        changed(make, constant, 0, constant[0])  # nothing has changed
    BIG.grad = table.grad = None


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.reverse(),
        lambda x: x.append(1),
        lambda x: x.pop(),
        lambda x: x.__setitem__(0, 3),
        lambda x: x.clear(),
    ],
)
@pytest.mark.parametrize("index", [lambda x: x, lambda x: (x, slice(1)), lambda x: (slice(None), x), lambda x: (x, x)])
def test_a_list_changed_before_backward_is_named(change, index):
    """The call remembers the list itself, so its gradient would go to other places."""
    places, square = [0, 2, 2], Tensor(np.arange(16.0).reshape(4, 4))
    with watch():
        y = square[index(places)].sum()
        change(places)
        with pytest.raises(RuntimeError, match=r"argument 1 of `getitem` at .*, a list, changed between forward"):
            y.backward()


def test_lists_that_stay_as_they_are_pass():
    square, deep = Tensor(np.arange(16.0).reshape(4, 4)), [np.array([0, 1]), [1, 2]]
    with watch():
        (square[[0, 2, 2]].sum() + square[[[0, 1]], [1, 2]].sum() + square[tuple(deep)].sum()).backward()
        y = square[tuple(deep)].sum()
        deep[1][0] = 3
        with pytest.raises(RuntimeError, match="a list, changed"):
            y.backward()
        nested = [[0, 1]]
        y = square[nested].sum()
        nested[0][0] = 3
        with pytest.raises(RuntimeError, match="a list, changed"):
            y.backward()
    assert square.grad.sum() == 12 + 2 + 2


def test_off_means_off_and_nothing_is_kept():
    changed(lambda: BIG * scale, scale, 0, 5.0)  # not watched
    BIG.grad = None
    gc.collect()
    before = len(notes)
    with watch():
        y = ZERO
        for _ in range(100):
            y = y * ZERO
        assert len(notes) == before + 100
        del y
        assert len(notes) == before  # by reference counting alone
    assert engine.observer is None


def test_watches_nest_and_numpy_stays_silent_inside_only():
    with watch():
        with watch():
            np.log(np.zeros(1))
        with pytest.raises(FloatingPointError, match="`log`"):
            np.log(ZERO)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        np.log(ZERO)


def test_a_column_that_meets_a_row_is_a_warning() -> None:
    prediction, target = Tensor(np.ones((4, 1))), np.arange(4.0)
    with watch(), pytest.warns(UserWarning, match=r"`subtract` at .*test_watch.py:\d+ makes \(4, 4\).*reshape"):
        np.mean((prediction - target) ** 2)
    with watch():  # meant: one of them has both axes written out, or the sizes agree anyway
        np.mean((prediction - target[None, :]) ** 2 + (prediction[:, 0] - target) ** 2)
