"""Threads and tasks: who is observed, transforms inside a pool, backward passes that meet."""

import asyncio
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tinygrad_nlp import Tensor, engine, explain, grad, gradients, gru, hvp, lstm, nn, rnn, vjp, watch

THREADS = 4


@pytest.fixture(autouse=True)
def often():
    """Threads take turns after a microsecond, so that what can go wrong between two of them does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def nan():
    """Make a NaN: FloatingPointError where a watch sees it."""
    with np.errstate(all="ignore"):
        return np.log(Tensor([-1.0]))


def together(work, threads=THREADS, rounds=1):
    """Call work(i) in several threads, which begin each round at once; what they returned."""
    barrier = threading.Barrier(threads)

    def begin(i):
        found = []
        for _ in range(rounds):
            barrier.wait()
            found.append(work(i))
        return found

    with ThreadPoolExecutor(threads) as pool:
        return [value for found in pool.map(begin, range(threads)) for value in found]


# %% Observers
def test_a_watch_sees_its_own_thread_only():
    with watch(), ThreadPoolExecutor(1) as pool:
        assert np.isnan(pool.submit(nan).result().data).all()
        with pytest.raises(FloatingPointError):
            nan()


def test_watches_that_overlap_in_threads_stay_on_no_longer_than_each():
    first, second = threading.Event(), threading.Event()

    def opened_first(i):
        with watch():
            first.set()
            assert second.wait(10)  # the other one begins before this one ends
        nan()
        assert np.geterr() == before

    def opened_second(i):
        assert first.wait(10)
        with watch():
            second.set()
            with pytest.raises(FloatingPointError):
                nan()
        nan()

    before = np.geterr()
    together(lambda i: (opened_first, opened_second)[i](i), threads=2)
    assert engine.observer is None


def test_watches_of_tasks_that_overlap():
    async def work(begin, end):
        nan()
        for _ in range(begin):
            await asyncio.sleep(0)
        with watch():
            for _ in range(end):
                await asyncio.sleep(0)
                with pytest.raises(FloatingPointError):
                    nan()
        nan()
        assert np.geterr() == before

    async def main():
        await asyncio.gather(*[work(begin, end) for begin, end in ((0, 3), (1, 5), (2, 1), (4, 4))], work(1, 2))

    before = np.geterr()
    asyncio.run(main())
    assert engine.observer is None


def test_watches_of_suspended_generators_end_when_they_are_closed_in_any_order():
    def watched():
        with watch():
            yield

    before = np.geterr()
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        generators = [watched() for _ in range(3)]
        for generator in generators:
            next(generator)
        for i in order:
            with pytest.raises(FloatingPointError):
                nan()
            generators[i].close()
        nan()
        assert engine.observer is None and np.geterr() == before


def test_a_generator_that_is_closed_in_another_thread():
    def watched():
        with watch():
            yield

    before = np.geterr()
    next(generator := watched())
    with ThreadPoolExecutor(1) as pool:
        pool.submit(generator.close).result()
        assert pool.submit(np.geterr).result() == before
    nan()
    assert engine.observer is None
    np.seterr(**before)


def test_explain_in_one_thread_writes_down_that_thread():
    def work(i):
        x = Tensor(np.full(3, float(i)))
        y = np.sum(np.tanh(x * x))
        return str(explain(y)) if i == 0 else [y.backward() for _ in range(20)]

    alone = work(0)
    told = [text for text in together(work, rounds=5) if type(text) is str]
    assert told == [alone] * 5


# %% Transforms
@pytest.mark.parametrize("depth", [1, 2])
def test_grad_inside_the_thread_of_a_pool_inside_grad(depth):
    """∂/∂x of x · ∂/∂u (x u³) at u = 1 is ∂/∂x 3x², and so on: what a thread returns depends on x."""

    def elsewhere(f, *args):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(f, *args).result()

    def direct(f, *args):
        return f(*args)

    def nested(x, ask):
        inner = ask(grad(lambda u: x * u**3), 1.0)
        if depth == 2:
            inner = ask(grad(lambda v: ask(grad(lambda u: x * v * v * u**3), 1.0)), 2.0)
        return x * inner

    here, there = (float(grad(lambda x: nested(x, ask))(2.0)) for ask in (direct, elsewhere))  # noqa: B023 (called at once)
    assert there == pytest.approx(here) == pytest.approx({1: 12.0, 2: 48.0}[depth])


def test_other_transforms_inside_the_threads_of_a_pool():
    def f(x):
        with ThreadPoolExecutor(2) as pool:
            products = [pool.submit(lambda: hvp(lambda u: x * u**3)(2.0)(1.0)), pool.submit(pulled, x)]
            return sum(product.result() for product in products)

    def pulled(x):
        return vjp(lambda u: x * x * u)(3.0)[1](1.0)

    assert float(grad(f)(5.0)) == pytest.approx(12 + 10)  # ∂/∂x (x · 12 + x²)


def test_transforms_in_threads_that_have_nothing_to_do_with_each_other_give_arrays():
    model = nn.Linear(3, 1, rng=np.random.default_rng(0), dtype=float)

    def work(i):
        x = np.full((1, 3), float(i))
        found = grad(lambda x: np.sum(model(x) ** 2))(x)
        assert type(found) is np.ndarray
        return np.allclose(found, 2 * (x @ model.W.data + model.b.data) * model.W.data.T)

    assert all(together(work, rounds=50))


# %% Backward passes that meet
def test_contributions_to_a_shared_leaf_all_arrive():
    W = Tensor(np.zeros(50))
    rounds = 400
    together(lambda i: (W * float(i + 1)).sum().backward(), rounds=rounds)
    assert np.array_equal(W.grad, np.full(50, rounds * float(sum(range(1, THREADS + 1)))))


@pytest.mark.parametrize("cell", [rnn, gru, lstm])
def test_walks_through_one_fused_call_do_not_take_each_others_arrays(cell):
    rng = np.random.default_rng(0)
    gates = {rnn: 1, gru: 3, lstm: 4}[cell]
    x, W = Tensor(rng.normal(size=(7, 2, gates * 5))), Tensor(rng.normal(size=(5, gates * 5)) / 3)
    h0 = rng.normal(size=(2, 5))
    states = [h0, rng.normal(size=(2, 5))] if cell is lstm else [h0]

    def forward():
        y = cell(x, *states, W)
        y = y[0] if type(y) is tuple else y
        return np.sum(y * y)

    right = gradients(forward(), [x, W])
    for _ in range(60):
        y = forward()
        for found in together(lambda i: gradients(y, [x, W])):  # noqa: B023 (called at once)
            assert all(np.allclose(a, b, rtol=1e-12, atol=1e-12) for a, b in zip(found, right, strict=True))


def test_training_of_separate_models_in_threads_is_training_of_each():
    def work(i):
        rng = np.random.default_rng(i)
        model, x = nn.Linear(4, 2, rng=rng, dtype=float), rng.normal(size=(8, 4))
        for _ in range(20):
            model.W.grad = None
            with warnings.catch_warnings():
                np.sum(np.tanh(model(x)) ** 2).backward()
            model.W._writable()[...] -= 0.1 * model.W.grad
        return model.W.data.tobytes()

    assert together(work) == [work(i) for i in range(THREADS)]
