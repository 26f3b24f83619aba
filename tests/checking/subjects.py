"""What several tests of checking share: arguments, a model, and what a report says is wrong."""

import numpy as np

from tinygrad_nlp import Tensor

x34 = np.random.default_rng(1).normal(size=(3, 4))
w4 = np.random.default_rng(2).normal(size=4)


def diagnoses(report):
    return " | ".join(a.diagnosis for a in report.arguments if not a.right)


class Model:
    """A Module as check.py sees one: anything with named_parameters."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.W, self.fixed, self.size = Tensor(rng.normal(size=(4, 2))), rng.normal(size=2), 2

    def named_parameters(self):
        return [("W", self.W)]

    def __call__(self, x):
        return np.tanh(x @ self.W + self.fixed)
