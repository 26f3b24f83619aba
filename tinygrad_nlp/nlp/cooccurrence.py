"""Word vectors from the training text alone: positive pointwise mutual information, factorised.

What stands in for GloVe where there is none (Levy and Goldberg 2014, "Neural word embedding as implicit matrix
factorization", show that the two are close relatives).
"""
# tested in tests/nlp/test_models.py

from __future__ import annotations

import numpy as np
import scipy.sparse
import scipy.sparse.linalg


def cooccurrences(ids: np.ndarray, offsets: np.ndarray, size: int, window: int) -> scipy.sparse.csr_array:
    """How often words a and b stand within `window` words of each other in a bag: (V, V), symmetric.

    >>> cooccurrences(np.array([0, 1, 0]), np.array([0]), size=2, window=2).toarray().tolist()
    [[2.0, 2.0], [2.0, 0.0]]
    """
    bag = np.repeat(np.arange(len(offsets), dtype=np.int32), np.diff(offsets, append=len(ids)))
    total = scipy.sparse.csr_array((size, size))
    for d in range(1, window + 1):
        together = bag[d:] == bag[:-d]
        a, b = ids[:-d][together], ids[d:][together]
        total += scipy.sparse.csr_array((np.ones(len(a)), (a, b)), (size, size))
    return total + total.T


def word_vectors(
    ids: np.ndarray, offsets: np.ndarray, size: int, dimension: int, rng: np.random.Generator, window: int = 10
) -> np.ndarray:
    """Vectors (V, D), float32: the truncated SVD U Σ^½ of max(0, log P(a, b) / (P(a) P(b)^0.75)).

    The exponent keeps rare contexts from dominating (Levy, Goldberg and Dagan 2015, section 3.1). The last id is
    that of all rare words: it is left out, and its vector is 0. The root mean square of the table is 0.3. rng draws
    the SVD's start.
    """
    counts = cooccurrences(ids, offsets, size, window).tocoo()
    row, column = counts.coords
    word, context = counts.sum(1), counts.sum(0) ** 0.75
    information = np.log(counts.data * context.sum() / (word[row] * context[column]))
    kept = (information > 0) & (row < size - 1) & (column < size - 1)
    ppmi = scipy.sparse.csr_array((information[kept], (row[kept], column[kept])), counts.shape)
    u, s, _ = scipy.sparse.linalg.svds(ppmi, k=dimension, v0=rng.standard_normal(size))
    vectors = u * np.sqrt(s)
    return (vectors * (0.3 / np.sqrt(np.mean(vectors**2)))).astype(np.float32)
