"""Recurrent cells over a whole sequence, differentiated by hand: backpropagation through time (Werbos 1990).

The inputs are projected already: x is x W_in + b for all steps at once, by one matrix product outside the loop.
Inside stays only what must wait for the step before, h W, and the weight gradient is again one product at the end,
hᵀ dA.

A backward pass owns what its forward pass has saved, and works in that memory: where an array is not needed any more, a
comment says which gradient takes its place. Inside loops the last argument of a product or function is where the result
goes, because NumPy takes it faster by position than as out=.
"""

from __future__ import annotations

from itertools import repeat
from typing import Any

import numpy as np

from .calculus.kinds import Saved
from .calculus.rows import op
from .core.types import Array
from .rules import sigmoid


def common_dtype(cell: str, gates: int, x: Array, W: Array, *states: Array) -> Array:
    """The dtype of a cell's result; every shape and dtype that does not fit is named."""
    T, B, width = x.shape if np.ndim(x) == 3 else (0, 0, 0)
    H = width // gates
    for what, a, shape in [("W", W, (H, gates * H)), *(("initial state", s, (B, H)) for s in states)]:
        if T == 0 or np.shape(a) != shape or width != gates * H:
            want = f"x (T, B, {gates}H) with T > 0, W (H, {gates}H), states (B, H)".replace("1H", "H")
            raise ValueError(f"{cell}: x {np.shape(x)} and {what} {np.shape(a)} do not fit: {want}")
    return one_dtype(cell, x, W, *states)


def one_dtype(op: str, *arrays: Array) -> Array:
    """The dtype that all arrays have; float32 among float64 is an error (complex is not: it comes from complex
    steps)."""
    dtypes = {a.dtype for a in arrays}
    if len(dtypes) == 1:
        return dtypes.pop()
    floats = sorted(str(dtype) for dtype in dtypes if dtype.kind != "c")
    if len(floats) > 1:
        raise TypeError(f"{op}: {' and '.join(floats)} mixed: bring all arguments to one dtype with astype")
    return np.result_type(*arrays)


def flat_product(h: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Σₜ hₜᵀ dₜ over (T, B, H) and (T, B, K): the gradient (H, K) of weights used at every step."""
    return h.reshape(-1, h.shape[-1]).T @ d.reshape(-1, d.shape[-1])


# --- Elman's network: h = tanh(x + h W) -------------------------------------------------------------------------------


def rnn_reference(x: Array, h0: Array, W: Array) -> Array:
    h, states = h0, []
    for x_t in x:
        h = np.tanh(x_t + h @ W)
        states.append(h)
    return np.stack(states)


def d_rnn(g: Array, y: Array, x: Array, h0: Array, W: Array, *, saved: Any) -> Array:
    """With a = x + h W: δa = δh ∘ (1 − tanh²), and δh of the step before is δa Wᵀ plus what comes from its own
    output."""
    da = np.square(y)
    np.subtract(1, da, out=da)
    W_T = np.ascontiguousarray(W.T)
    dh = g[-1].copy()
    for da_t, g_before in zip(da[:0:-1], g[-2::-1], strict=True):
        da_t *= dh
        da_t.dot(W_T, dh)
        dh += g_before
    da[0] *= dh
    return da, da[0] @ W_T, flat_product(saved[:-1], da)


@op(d_rnn, reference=rnn_reference)
def rnn(x: Array, h0: Array, W: Array) -> Array:
    """All states h_t = tanh(x_t + h_{t−1} W) (T, B, H) for projected inputs x (T, B, H), initial state h0 (B, H), W
    (H, H).

    Elman 1990, "Finding structure in time". Raises ValueError for shapes that do not fit, TypeError for mixed dtypes.
    """
    T, B, H = np.shape(x) if np.ndim(x) == 3 else (0, 0, 0)
    states = np.empty((T + 1, B, H), common_dtype("rnn", 1, x, W, h0))
    states[0] = h0
    for before, now, x_t in zip(states, states[1:], x, strict=False):
        before.dot(W, now)
        now += x_t
        np.tanh(now, now)
    return Saved(states[1:], states)


# --- GRU: gates r, z and candidate n, stacked in that order -----------------------------------------------------------


def gru_reference(x: Array, h0: Array, W: Array) -> Array:
    h, states, H = h0, [], h0.shape[-1]
    for x_t in x:
        a = h @ W
        r, z = sigmoid(x_t[:, :H] + a[:, :H]), sigmoid(x_t[:, H : 2 * H] + a[:, H : 2 * H])
        n = np.tanh(x_t[:, 2 * H :] + r * a[:, 2 * H :])
        h = (1 - z) * n + z * h
        states.append(h)
    return np.stack(states)


def d_gru(g: Array, y: Array, x: Array, h0: Array, W: Array, *, saved: Any) -> Array:
    """From h' = (1 − z) n + z h, with a = h W: δn = δh' (1 − z)(1 − n²), δr = δn aₙ r(1 − r), δz = δh' (h − n) z(1 −
    z) before their non-linearities, and δh = δh' z + [δr, δz, δn r] Wᵀ. What does not wait for δ is multiplied for
    all steps at once."""
    states, rz, n, a_n = saved
    H, d = W.shape[0], np.empty(x.shape, a_n.dtype)  # δr, δz and δn r
    dr, dz, drz, dn_r = d[..., :H], d[..., H : 2 * H], d[..., : 2 * H], d[..., 2 * H :]
    r, z = rz[..., :H], rz[..., H:]
    np.multiply(rz, rz, out=drz)
    np.subtract(rz, drz, out=drz)  # σ′ of both gates
    dr *= a_n
    dz_factor = np.subtract(states[:-1], n, out=a_n)  # aₙ is not needed any more
    dz *= dz_factor
    dn = np.multiply(n, n, out=dz_factor)
    np.subtract(1, dn, out=dn)
    dn *= np.subtract(1, z, out=n)  # (1 − z)(1 − n²), and n is not needed any more
    W_T, dh, through = np.ascontiguousarray(W.T), np.zeros(h0.shape, dn.dtype), np.empty(h0.shape, dn.dtype)
    steps = zip(g[::-1], dr[::-1], dz[::-1], d[::-1], dn[::-1], dn_r[::-1], r[::-1], z[::-1], strict=True)
    for g_t, dr_t, dz_t, d_t, dn_t, dn_r_t, r_t, z_t in steps:
        dh += g_t
        dn_t *= dh
        dz_t *= dh
        dr_t *= dn_t
        np.multiply(dn_t, r_t, dn_r_t)
        dh *= z_t
        d_t.dot(W_T, through)
        dh += through
    dW = flat_product(states[:-1], d)
    dn_r[...] = dn
    return d, dh, dW


@op(d_gru, reference=gru_reference)
def gru(x: Array, h0: Array, W: Array) -> Array:
    """All states (T, B, H) of a gated recurrent unit for projected inputs x (T, B, 3H), stacked r, z, n; h0 (B, H),
    W (H, 3H).

    With a = h W:  r = σ(x_r + a_r),  z = σ(x_z + a_z),  n = tanh(x_n + r ∘ a_n),  h' = (1 − z) ∘ n + z ∘ h.
    Cho et al. 2014, with the reset after the product, which lets one product serve all gates. Raises as rnn().
    """
    dtype = common_dtype("gru", 3, x, W, h0)
    (T, B), H = x.shape[:2], h0.shape[-1]
    states, a_n, product = np.empty((T + 1, B, H), dtype), np.empty((T, B, H), dtype), np.empty((B, H), dtype)
    states[0] = h0
    half = np.full((B, 2 * H), 0.5, x.dtype)  # σ(a) = (1 + tanh(a/2)) / 2: the inner halves are taken once, here
    rz, n = (x[..., : 2 * H] * half).astype(dtype, copy=False), x[..., 2 * H :].astype(dtype)
    W_rz, W_n, a_rz = 0.5 * W[:, : 2 * H], np.ascontiguousarray(W[:, 2 * H :]), np.empty((B, 2 * H), dtype)
    steps = zip(states, states[1:], rz, rz[..., :H], rz[..., H:], n, a_n, strict=False)
    for before, now, rz_t, r_t, z_t, n_t, a_n_t in steps:
        before.dot(W_rz, a_rz)
        rz_t += a_rz
        np.tanh(rz_t, rz_t)
        rz_t *= half
        rz_t += half
        before.dot(W_n, a_n_t)
        np.multiply(r_t, a_n_t, product)
        n_t += product
        np.tanh(n_t, n_t)
        np.subtract(before, n_t, now)
        now *= z_t
        now += n_t
    return Saved(states[1:], (states, rz, n, a_n))


# --- LSTM: gates i, f, g, o, stacked in that order --------------------------------------------------------------------


def lstm_states_reference(x: Array, h0: Array, c0: Array, W: Array) -> Array:
    h, c, hs, cs, H = h0, c0, [], [], h0.shape[-1]
    for x_t in x:
        a = x_t + h @ W
        i, f, o = sigmoid(a[:, :H]), sigmoid(a[:, H : 2 * H]), sigmoid(a[:, 3 * H :])
        c = f * c + i * np.tanh(a[:, 2 * H : 3 * H])
        h = o * np.tanh(c)
        hs.append(h)
        cs.append(c)
    return np.stack([np.stack(hs), np.stack(cs)])


def d_lstm_states(g: Array, y: Array, x: Array, h0: Array, c0: Array, W: Array, *, saved: Any) -> Array:
    """From h = o tanh(c) and c = f c' + i g: δc gains δh o (1 − tanh²c); δi = δc g i(1 − i), δf = δc c' f(1 − f), δg
    = δc i(1 − g²), δo = δh tanh(c) o(1 − o) before their non-linearities; then δc' = δc f and δh' = [δi, δf, δg, δo]
    Wᵀ. What does not wait for δ takes the place of the gates, for all steps at once."""
    states, gates, tanh_c = saved
    (T, B), H = x.shape[:2], h0.shape[-1]
    i, f, c_in, o = (gates[..., k * H : (k + 1) * H] for k in range(4))  # each becomes its factor of δ, in place
    forget, scratch = f.copy(), 1 - f
    f *= scratch
    f *= states[1, :-1]  # f: c' f (1 − f)
    np.multiply(c_in, c_in, out=scratch)
    np.subtract(1, scratch, out=scratch)
    scratch *= i
    c_in *= i
    np.subtract(1, i, out=i)
    i *= c_in  # i: g i (1 − i)
    c_in[...] = scratch  # g: i (1 − g²)
    into_c = np.multiply(tanh_c, tanh_c, out=scratch)
    np.subtract(1, into_c, out=into_c)
    into_c *= o  # what δh sends into the cell: o (1 − tanh²c)
    tanh_c *= o
    np.subtract(1, o, out=o)
    o *= tanh_c  # o: tanh(c) o (1 − o)
    W_T = np.ascontiguousarray(W.T)
    dh, dc, through = np.zeros((B, H), gates.dtype), np.zeros((B, H), gates.dtype), np.empty((B, H), gates.dtype)
    difg, dc_per_gate = gates.reshape(T, B, 4, H)[:, :, :3], dc[:, None]
    g_h, g_c = g[0, ::-1], g[1, ::-1] if g[1].any() else repeat(None, T)  # the cells are seldom used outside
    steps = zip(g_h, g_c, into_c[::-1], difg[::-1], o[::-1], gates[::-1], forget[::-1], strict=True)
    for gh_t, gc_t, into_c_t, difg_t, do_t, da_t, f_t in steps:
        dh += gh_t
        np.multiply(dh, into_c_t, through)
        dc += through
        if gc_t is not None:
            dc += gc_t
        difg_t *= dc_per_gate
        do_t *= dh
        da_t.dot(W_T, dh)
        dc *= f_t
    return gates, dh, dc, flat_product(states[0, :-1], gates)


@op(d_lstm_states, reference=lstm_states_reference)
def lstm_states(x: Array, h0: Array, c0: Array, W: Array) -> Array:
    """Both sequences of lstm() in one array (2, T, B, H): the hidden states, then the cells."""
    dtype = common_dtype("lstm", 4, x, W, h0, c0)
    (T, B), H = x.shape[:2], h0.shape[-1]
    states, tanh_c = np.empty((2, T + 1, B, H), dtype), np.empty((T, B, H), dtype)
    states[0, 0], states[1, 0] = h0, c0
    halves = np.full((2, 4 * H), 0.5, x.dtype)  # sigmoids as tanh: see gru
    halves[0, 2 * H : 3 * H], halves[1, 2 * H : 3 * H] = 1, 0
    scale, shift = np.repeat(halves[:, None], B, axis=1)  # of the shape of a step, which is NumPy's quick way
    gates, W = (x * scale).astype(dtype, copy=False), W * halves[0]
    a, product = np.empty((B, 4 * H), dtype), np.empty((B, H), dtype)
    parts = (gates[..., k * H : (k + 1) * H] for k in range(4))
    for h, h_now, c, c_now, t, all_four, i, f, g, o in zip(
        states[0], states[0, 1:], states[1], states[1, 1:], tanh_c, gates, *parts, strict=False
    ):
        h.dot(W, a)
        all_four += a
        np.tanh(all_four, all_four)
        all_four *= scale
        all_four += shift
        np.multiply(f, c, c_now)
        np.multiply(i, g, product)
        c_now += product
        np.tanh(c_now, t)
        np.multiply(o, t, h_now)
    return Saved(states[:, 1:], (states, gates, tanh_c))


def lstm(x: Array, h0: Array, c0: Array, W: Array) -> tuple[Any, Any]:
    """All hidden states and all cells, (T, B, H) each, for projected inputs x (T, B, 4H), stacked i, f, g, o; h0, c0
    (B, H), W (H, 4H).

    With a = x + h W:  c' = σ(a_f) ∘ c + σ(a_i) ∘ tanh(a_g),  h' = σ(a_o) ∘ tanh(c').
    Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000. Raises as rnn().
    """
    both = lstm_states(x, h0, c0, W)
    return both[0], both[1]
