"""Recurrent cells by hand, without the engine: tanh, GRU and LSTM, forward and backward through time.

Each takes projected inputs x (T, B, gates · H) and recurrent weights W (H, gates · H), and starts from a zero state. It
returns the hidden states (T, B, H), and a function from their gradient to those of x and W. The formulas are those
of tinygrad_nlp/recurrent.py, written once more, so that what the engine costs can be measured against them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def over_time(h: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Σₜ hₜᵀ dₜ."""
    return h.reshape(-1, h.shape[-1]).T @ d.reshape(-1, d.shape[-1])


def tanh_cell(x: np.ndarray, W: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
    T, B, H = x.shape
    states = np.zeros((T + 1, B, H), x.dtype)
    for before, now, x_t in zip(states, states[1:], x, strict=False):
        before.dot(W, now)
        now += x_t
        np.tanh(now, now)

    def backward(g: np.ndarray) -> Any:
        W_T, y, dh = np.ascontiguousarray(W.T), states[1:], np.zeros((B, H), x.dtype)
        d = y * y
        np.subtract(1, d, d)
        for d_t, g_t in zip(d[::-1], g[::-1], strict=True):
            dh += g_t
            d_t *= dh
            d_t.dot(W_T, dh)
        return d, over_time(states[:-1], d)

    return states[1:], backward


def gru_cell(x: np.ndarray, W: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
    T, B, H = x.shape[0], x.shape[1], len(W)
    states, a_n = np.zeros((T + 1, B, H), x.dtype), np.empty((T, B, H), x.dtype)
    rz, n = 0.5 * x[..., : 2 * H], x[..., 2 * H :].copy()
    r, z = rz[..., :H], rz[..., H:]
    W_rz, W_n = 0.5 * W[:, : 2 * H], W[:, 2 * H :].copy()
    a_rz, product, half = np.empty((B, 2 * H), x.dtype), np.empty((B, H), x.dtype), np.full((B, 2 * H), 0.5, x.dtype)
    for before, now, rz_t, r_t, z_t, n_t, a_n_t in zip(states, states[1:], rz, r, z, n, a_n, strict=False):
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

    def backward(g: np.ndarray) -> Any:
        drz, dn, dn_r = rz * rz, n * n, np.empty_like(n)
        np.subtract(rz, drz, drz)
        np.subtract(1, dn, dn)
        dr, dz = drz[..., :H], drz[..., H:]
        dr *= a_n
        dz *= states[:-1] - n
        dn *= 1 - z
        W_rz, W_n = W[:, : 2 * H].T.copy(), W[:, 2 * H :].T.copy()
        dh, through = np.zeros((B, H), x.dtype), np.empty((B, H), x.dtype)
        steps = zip(g[::-1], drz[::-1], dr[::-1], dz[::-1], dn[::-1], dn_r[::-1], r[::-1], z[::-1], strict=True)
        for g_t, drz_t, dr_t, dz_t, dn_t, dn_r_t, r_t, z_t in steps:
            dh += g_t
            dn_t *= dh
            dz_t *= dh
            dr_t *= dn_t
            np.multiply(dn_t, r_t, dn_r_t)
            dh *= z_t
            drz_t.dot(W_rz, through)
            dh += through
            dn_r_t.dot(W_n, through)
            dh += through
        h = states[:-1]
        return np.concatenate([drz, dn], 2), np.concatenate([over_time(h, drz), over_time(h, dn_r)], 1)

    return states[1:], backward


def lstm_cell(x: np.ndarray, W: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
    T, B, H = x.shape[0], x.shape[1], len(W)
    hs, cs, tanh_c = np.zeros((T + 1, B, H), x.dtype), np.zeros((T + 1, B, H), x.dtype), np.empty((T, B, H), x.dtype)
    scale, shift = np.full((2, B, 4 * H), 0.5, x.dtype)
    scale[:, 2 * H : 3 * H], shift[:, 2 * H : 3 * H] = 1, 0
    gates, half_W, a, product = x * scale, W * scale[0], np.empty((B, 4 * H), x.dtype), np.empty((B, H), x.dtype)
    i, f, c_in, o = (gates[..., k * H : (k + 1) * H] for k in range(4))
    for h, h_now, c, c_now, t, all_t, i_t, f_t, in_t, o_t in zip(
        hs, hs[1:], cs, cs[1:], tanh_c, gates, i, f, c_in, o, strict=False
    ):
        h.dot(half_W, a)
        all_t += a
        np.tanh(all_t, all_t)
        all_t *= scale
        all_t += shift
        np.multiply(f_t, c, c_now)
        np.multiply(i_t, in_t, product)
        c_now += product
        np.tanh(c_now, t)
        np.multiply(o_t, t, h_now)

    def backward(g: np.ndarray) -> Any:
        d, W_T = np.empty_like(gates), np.ascontiguousarray(W.T)
        di, df, din, do = (d[..., k * H : (k + 1) * H] for k in range(4))
        np.multiply(c_in, i * (1 - i), di)
        np.multiply(cs[:-1], f * (1 - f), df)
        np.multiply(i, 1 - c_in * c_in, din)
        np.multiply(tanh_c, o * (1 - o), do)
        into_c = o * (1 - tanh_c * tanh_c)
        dh, dc, product = np.zeros((B, H), x.dtype), np.zeros((B, H), x.dtype), np.empty((B, H), x.dtype)
        three, dc_thrice = d.reshape(T, B, 4, H)[:, :, :3], dc[:, None]
        for g_t, into_t, three_t, do_t, d_t, f_t in zip(
            g[::-1], into_c[::-1], three[::-1], do[::-1], d[::-1], f[::-1], strict=True
        ):
            dh += g_t
            np.multiply(dh, into_t, product)
            dc += product
            three_t *= dc_thrice
            do_t *= dh
            d_t.dot(W_T, dh)
            dc *= f_t
        return d, over_time(hs[:-1], d)

    return hs[1:], backward


CELLS = {"rnn": tanh_cell, "gru": gru_cell, "lstm": lstm_cell}
