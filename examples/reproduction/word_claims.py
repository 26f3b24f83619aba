"""The claims about words and the two ways of reading (A): published, ours, and a verdict."""

from __future__ import annotations

from .figures import PLACES, PUBLISHED
from .verdicts import TEST_SEEN, Verdicts, ends, inside, said, yes

FULL_BIGRAM = 113  # dev perplexity with all training text and frozen vectors, in course solutions
NEAR = 0.25  # how far a probability that the published pair implies may be from that of counts
COUNTS = {
    "dirichlet": "Dirichlet", "interpolated": "interpolated", "kneser_ney": "Kneser-Ney",
    "modified_kneser_ney": "modified Kneser-Ney",
}  # fmt: skip


def bigrams(v: Verdicts) -> None:
    f, more = v.f, {"jobs": ("words",), "code": "examples/bigram.py", "beside": "counts of the same pairs"}
    counted = ", ".join(f"{name} {f[f'bigram.counts.{kind}.dev.ppl']:.1f}" for kind, name in COUNTS.items())
    low, high = ends(f, "bigram.dev.ppl")
    beats = yes(high < f["bigram.counts.dev.ppl"], "holds", yes(low > f["bigram.counts.dev.ppl"], "fails", "undecided"))
    claim = "the neural bigram, trained by SGD, beats interpolated counts"
    ours = f"{said(f, 'bigram.dev.ppl', 1)}; counts: {counted}"
    v.row("0.c", claim, None, ours, beats, "test perplexity", names=("bigram.dev.ppl",), **more)
    name = "bigram.neural.over.counts.nats"
    low, high = ends(f, name, "text")
    ours = (
        f"{said(f, 'bigram.dev.twice_rate.ppl', 1)}; nats a word more than modified Kneser-Ney {said(f, name, 3, '+')}"
    )
    judged = yes(low > 0, "fails", yes(high < 0, "holds", "undecided"))
    more |= {"jobs": ("words-faster",), "chosen": TEST_SEEN}
    v.row(
        "0.c",
        "the same at twice the rate, against the best counts",
        None,
        ours,
        judged,
        "test perplexity",
        names=(name,),
        **more,
    )
    ours = f"mixed half and half {said(f, 'words.mixed.ppl', 1)}; trigrams {f['bigram.counts.trigram.dev.ppl']:.1f}"
    v.row(
        "0.c",
        "the neural bigram and modified Kneser-Ney together",
        None,
        ours,
        "shown",
        "test perplexity",
        names=("words.mixed.ppl",),
        **more,
    )
    more = {
        "jobs": ("words-recurrent",),
        "code": "examples/word_rnn.py",
        "chosen": TEST_SEEN,
        "beside": "the rows above",
    }
    ours = said(f, "words.recurrent.ppl", 1)
    v.row(
        "0.c",
        "the same words from all that stands before them (tied GRU)",
        None,
        ours,
        "shown",
        "test perplexity",
        names=("words.recurrent.ppl",),
        **more,
    )
    if "bigram.vectors.dev.ppl" in f:
        of = {name: f[f"bigram.vectors.dev.{name}"] for name in ("ppl", "dimension", "coverage", "coverage_tokens")}
        shares = f"{of['coverage']:.0%} of the words, {of['coverage_tokens']:.0%} of the tokens"
        ours = f"{of['ppl']:.1f}; GloVe {of['dimension']:.0f}-d for {shares}"
        v.row(
            "0.c",
            "the neural bigram around frozen GloVe vectors",
            None,
            ours,
            "shown",
            "test perplexity",
            jobs=("words-vectors",),
            code="examples/bigram.py",
        )
    if "bigram.full.dev.ppl" in f:
        v.row(
            "0.c",
            "the same, full training text or given vectors",
            f"about {FULL_BIGRAM}",
            f"{f['bigram.full.dev.ppl']:.1f}",
            "shown",
            "dev perplexity",
            jobs=("words-published",),
            code="examples/bigram.py",
        )


def reading(v: Verdicts) -> None:
    f, more = v.f, {"jobs": ("readings",), "code": "examples/reproduction/character_experiments.py"}
    ratios = [f[f"characters.{place}.tokens"] / f[f"words.{place}.tokens"] for place in PLACES]
    ours = f"{' / '.join(f'{ratio:.1f}' for ratio in ratios)} times as many"
    v.row("0.d", "characters: longer sequences", None, ours, yes(min(ratios) > 1), "tokens", **more)
    unknown = " / ".join(f"{f[f'words.{place}.unknown']:.0%}" for place in PLACES)
    fewer = min(f[f"words.{place}.unknown"] for place in PLACES) > 0
    ours = f"of the words {unknown} are unknown, of the characters none"
    v.row("0.d", "characters: no unknown words", None, ours, yes(fewer), "share of tokens", **more)
    worst = f["perplexity.bases.largest_difference"]
    ours = f"four bases within {worst:.0e}"
    v.row(
        "0.e",
        "perplexity does not depend on the base",
        None,
        ours,
        yes(worst < 1e-9),
        "perplexity",
        always=True,
        code="examples/softmax_gradient.py",
    )
    d = v.results["directions"]
    smoothed = f"by Kneser-Ney up to {d['directions.kneser_ney.nats']:.1f} apart"
    ours = f"by counts within {d['directions.counts.nats']:.0e}; {smoothed}"
    claim = "bigrams from left to right and from right to left agree"
    v.row(
        "Q6",
        claim,
        None,
        ours,
        yes(d["directions.counts.nats"] < 1e-6),
        "nats of a sentence",
        always=True,
        code="examples/reproduction/word_experiments.py",
    )


def as_published(v: Verdicts) -> None:
    f = v.f
    published = " / ".join(f"{value}" for value in PUBLISHED["bigram"].values())
    more = {
        "unit": "perplexity of a token",
        "code": "examples/bigram.py",
        "beside": "the published pair: by its reader only",
        "jobs": ("words",),
    }
    again = all(inside(value, f, f"bigram.published.{place}.ppl") for place, value in PUBLISHED["bigram"].items())
    names = tuple(f"bigram.published.{place}.ppl" for place in PLACES)
    v.row(
        "0.f",
        "word bigram, each line of the file one token",
        published,
        v.both("bigram.published.{}.ppl", 1),
        yes(again, "reproduced", "not reproduced"),
        names=names,
        **more,
    )
    if "bigram.inverted.published.inside" in f:
        pairs = {
            kind: (f[f"bigram.inverted.published.{kind}"], f[f"bigram.inverted.counts.{kind}"])
            for kind in ("inside", "ends")
        }
        near = all(abs(a / b - 1) < NEAR for a, b in pairs.values())
        ours = "p(unk|unk) = {:.3f}, counts {:.3f}; p(unk|<s>) p(</s>|unk) = {:.5f}, counts {:.5f}".format(
            *pairs["inside"], *pairs["ends"]
        )
        v.row(
            "0.f",
            "the published pair is two probabilities",
            published,
            ours,
            yes(near, "explained", "not reproduced"),
            "probability",
            code="examples/reproduction/word_experiments.py",
            beside="counts of the news text",
        )
    v.row("0.f", "word bigram, in words", published, v.both("bigram.words.{}.ppl", 1), "artefact", **more)
