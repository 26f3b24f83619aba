"""Schedules: step → a factor of the learning rate, at most 1. Multiply them to combine them.

optimizer.lr = 0.005 * warm_up(step, 100) * linear_decay(step, 2000)
"""

from __future__ import annotations

import math


def warm_up(step: int, steps: int) -> float:
    """Rises linearly to 1, which it reaches at the last of its steps: (step + 1) / steps.

    >>> [warm_up(step, 4) for step in range(6)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """
    return min(1.0, (step + 1) / max(steps, 1))


def step_decay(step: int, every: int, factor: float = 0.5) -> float:
    """Multiplied by a factor every `every` steps: factor^⌊step / every⌋, halving if nothing else is said.

    >>> [step_decay(step, 2) for step in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    return float(factor ** (step // every))


def linear_decay(step: int, total: int) -> float:
    """Falls linearly from 1 to 0 over total steps: 1 − step / total.

    >>> [linear_decay(step, 4) for step in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """
    return max(0.0, 1 - step / total)


def cosine_decay(step: int, total: int, floor: float = 0.0) -> float:
    """Falls from 1 to floor along half a cosine over total steps: Loshchilov and Hutter 2017, "SGDR".

    >>> [round(cosine_decay(step, 4), 3) for step in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / total)))
