"""The claims about texts (A to C): published, ours, and a verdict."""

from __future__ import annotations

from typing import Any

from .figures import PLACES, PUBLISHED
from .plan import CHANGES
from .verdicts import FIRST_HALF, TEST_SEEN, Verdicts, ends, inside, said, yes

FULL_BIGRAM = 113  # dev perplexity with all training text and frozen vectors, in course solutions
NEAR = 0.25  # how far a probability that the published pair implies may be from that of counts
COUNTS = {
    "dirichlet": "Dirichlet", "interpolated": "interpolated", "kneser_ney": "Kneser-Ney",
    "modified_kneser_ney": "modified Kneser-Ney",
}  # fmt: skip


def exact(v: Verdicts) -> None:
    f, code = v.f, "examples/softmax_gradient.py"
    worst = max(f[f"softmax.{way}"] for way in ("fused", "chain_rule", "differences"))
    ours = f"fused op, chain rule, differences: within {worst:.0e} of the derivation by hand"
    v.row("0.a", "∂CE/∂θ = ŷ − y", None, ours, yes(worst < 1e-6), always=True, code=code)
    by_hand = {
        "0.b": ("∂CE/∂x = (ŷ − y) W2ᵀ ∘ σ′(xW1 + b1) W1ᵀ", "by_hand"),
        "Q2": ("gradients of a sigmoid RNN at t and at t − 1", "recurrent_by_hand"),
    }
    for id, (claim, name) in by_hand.items():
        worst = max(f[f"{name}.engine"], f[f"{name}.complex_step"])
        ours = f"engine, complex step: within {worst:.0e}"
        v.row(id, claim, None, ours, yes(worst < 1e-9), always=True, code="examples/backprop_by_hand.py")
    worst = f["bigram.gradient.largest_relative_difference"]
    ours = f"largest relative difference {worst:.0e}"
    v.row(
        "0.c",
        "the neural bigram's gradient is right",
        None,
        ours,
        yes(worst < 1e-6),
        always=True,
        code="examples/bigram.py",
    )


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
    ours = f"{f['bigram.dev.twice_rate.ppl']:.1f}; nats a word more than modified Kneser-Ney {said(f, name, 3, '+')}"
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
    f, more = v.f, {"jobs": ("readings",), "code": "examples/reproduction/text_experiments.py"}
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
        code=more["code"],
    )


def characters(v: Verdicts) -> None:
    f, code = v.f, "examples/char_rnn.py"
    published = " / ".join(f"{value}" for value in PUBLISHED["rnn"].values())
    more = {"unit": "perplexity of a character", "code": code, "beside": "the published pair: same text, same passages"}
    names = tuple(f"rnn.literal.{place}.ppl" for place in PLACES)
    sds = " / ".join(f"{f[f'rnn.literal.{place}.sd']:.2f}" for place in PLACES)
    ours = f"{v.both('rnn.literal.{}.ppl', 2)}, SD {sds}"
    again = all(inside(value, f, f"rnn.literal.{place}.ppl") for place, value in PUBLISHED["rnn"].items())
    v.row(
        "0.f",
        "character GRU by the literal recipe",
        published,
        ours,
        yes(again, "reproduced", "not reproduced"),
        jobs=("literal",),
        names=names,
        **more,
    )
    for name, (change, _) in CHANGES.items():
        names = tuple(f"char.{name}.{place}.ppl" for place in PLACES)
        reached = all(f[f"char.{name}.{place}.ppl"] <= value for place, value in PUBLISHED["rnn"].items())
        v.row(
            "0.f",
            f"… {change}",
            published,
            v.both(f"char.{name}.{{}}.ppl", 2),
            yes(reached, "reached", "close"),
            jobs=(f"char-{name}",),
            names=names,
            chosen=TEST_SEEN,
            **more,
        )
    v.row(
        "0.f",
        "GRU with decay and clipping, without the leaked passage",
        published,
        v.both("char.no-leak.{}.ppl", 2),
        "shown",
        jobs=("char-no-leak",),
        chosen=TEST_SEEN,
        **more,
    )
    beyond = all(f[f"own.{place}.ppl"] < value for place, value in PUBLISHED["rnn"].items())
    v.row(
        "0.f",
        "tanh RNN, our budget",
        published,
        v.both("own.{}.ppl", 2),
        yes(beyond, "improved", "close"),
        jobs=("own",),
        chosen=TEST_SEEN,
        **more,
    )
    v.row(
        "0.f",
        "tanh RNN, our budget, without the leaked passage",
        published,
        v.both("own.no-leak.{}.ppl", 2),
        "shown",
        jobs=("own-no-leak",),
        chosen=TEST_SEEN,
        **more,
    )
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
            code="examples/reproduction/text_experiments.py",
            beside="counts of the news text",
        )
    v.row("0.f", "word bigram, in words", published, v.both("bigram.words.{}.ppl", 1), "artefact", **more)


def budgets(v: Verdicts) -> None:
    f = v.f
    more: dict[str, Any] = {
        "unit": "nats per character, last tenth of the text",
        "code": "examples/char_rnn.py",
        "chosen": FIRST_HALF,
    }
    order = max(
        (int(name.split(".")[2]) for name in f if name.startswith("char.counts.") and name.endswith("nats")), default=0
    )
    stands = f"beside {order}-grams {f[f'char.counts.{order}.nats']:.3f}, xz {f['char.xz.nats']:.3f}"
    models = {
        "static": ("one model, weights fixed", ("best",), "static models; baby GPT 1.4697 (quoted, on a GPU)"),
        "mixed": ("a smaller one mixed with counts, all fixed", ("strong",), "static models"),
        "online": (
            "learning as it reads, with counts that do",
            ("strong",),
            "compressors, which learn too: PPMd 1.406 (quoted)",
        ),
    }
    for name, (claim, jobs, beside) in models.items():
        halves = f"{said(f, f'char.{name}.nats', 4)}, second half {f[f'char.{name}.second_half.nats']:.4f}"
        ours = f"{halves}, {f[f'char.{name}.cpu_seconds']:.0f} s of CPU a seed; {stands}"
        v.row(
            "0.f",
            f"character models on unseen text: {claim}",
            None,
            ours,
            "shown",
            jobs=jobs,
            names=(f"char.{name}.nats",),
            beside=beside,
            **more,
        )
    ours, names = v.both("char.no_leak.best.{}.ppl", 2), tuple(f"char.no_leak.best.{place}.ppl" for place in PLACES)
    published = " / ".join(f"{value}" for value in PUBLISHED["rnn"].values())
    beyond = all(ends(f, f"char.no_leak.best.{place}.ppl")[1] < value for place, value in PUBLISHED["rnn"].items())
    more |= {
        "unit": "perplexity of a character",
        "jobs": ("strong",),
        "names": names,
        "beside": "the published pair, which has the leak",
    }
    v.row(
        "0.f",
        "GRU and counts mixed, without the leaked passage",
        published,
        ours,
        yes(beyond, "improved", "close"),
        **more,
    )


def explanations(v: Verdicts) -> None:
    f, code = v.f, "examples/reproduction/text_experiments.py"
    better = all(f[f"rnn.{place}.ppl"] < f[f"char_bigram.{place}.ppl"] for place in PLACES)
    ours = f"characters alone: bigram {v.both('char_bigram.{}.ppl', 2)}, RNN {v.both('rnn.{}.ppl', 2)}"
    v.row(
        "0.g",
        "the RNN is better because it sees more than one character",
        None,
        ours,
        yes(better),
        "perplexity of a character",
        jobs=("char-gru",),
        code=code,
    )
    gap, modern = f["bits.shakespeare.gap"], f["bits.reviews.gap"]
    mixed = f"{f['bits.both.gap']:+.2f} after half of each"
    ours = f"Wikipedia costs {gap:+.2f} more after Shakespeare, {modern:+.2f} after modern English, {mixed}"
    jobs = ("char-held-out", "char-reviews", "char-both")
    v.row(
        "0.g",
        "Shakespeare is easier because it was trained on",
        None,
        ours,
        yes(gap - modern > 0.1, "stands", "falls"),
        "bits per character",
        jobs=jobs,
        code=code,
    )
    low, high = (f["blank.shakespeare.bits"] + k * 2 * f.get("blank.shakespeare.bits.sd", 0.0) for k in (-1, 1))
    wikipedia = f["blank.wikipedia.bits"]
    pieces = f"{low:.2f} to {high:.2f} for pieces of Shakespeare as long"
    ours = f"a judge that has read nothing needs {wikipedia:.2f}, and {pieces}"
    v.row(
        "0.g",
        "or because Wikipedia is harder",
        None,
        ours,
        yes(wikipedia > high, "stands", "falls"),
        "bits per character",
        jobs=("yardsticks",),
        code=code,
    )
    cost = f"which cost {f['char.unseen.bits']:.1%} of its bits; {f['char.unseen.ppl']:.1f} without them"
    ours = f"{f['char.unseen.share']:.1%} of its characters, {cost}"
    v.row(
        "0.g",
        "Wikipedia has characters that Shakespeare lacks",
        None,
        ours,
        yes(f["char.unseen.share"] > 0),
        "perplexity of a character",
        jobs=("literal",),
        code=code,
    )
