"""The claims about characters (B, C): published, ours, and a verdict."""

from __future__ import annotations

from typing import Any

from .figures import PLACES, PUBLISHED
from .plan import CHANGES
from .verdicts import FIRST_HALF, TEST_SEEN, Verdicts, ends, inside, said, yes


def characters(v: Verdicts) -> None:
    f, code = v.f, "examples/char_rnn.py"
    published = " / ".join(f"{value}" for value in PUBLISHED["rnn"].values())
    more = {"unit": "perplexity of a character", "code": code, "beside": "the published pair: same text, same passages"}
    names = tuple(f"rnn.literal.{place}.ppl" for place in PLACES)
    sds = " / ".join(f"{f[f'rnn.literal.{place}.sd']:.2f}" for place in PLACES if f"rnn.literal.{place}.sd" in f)
    ours = f"{v.both('rnn.literal.{}.ppl', 2)}{', SD ' if sds else ''}{sds}"
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
        "mixed": ("a smaller one mixed with counts, all fixed", ("strong", "counts"), "static models"),
        "online": (
            "learning as it reads, with counts that do",
            ("strong", "counts"),
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
            **more | {"chosen": TEST_SEEN if name == "static" else FIRST_HALF},
        )
    ours, names = v.both("char.no_leak.best.{}.ppl", 2), tuple(f"char.no_leak.best.{place}.ppl" for place in PLACES)
    published = " / ".join(f"{value}" for value in PUBLISHED["rnn"].values())
    beyond = all(ends(f, f"char.no_leak.best.{place}.ppl")[1] < value for place, value in PUBLISHED["rnn"].items())
    more |= {
        "unit": "perplexity of a character",
        "jobs": ("strong", "counts"),
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
    f, code = v.f, "examples/reproduction/character_experiments.py"
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
    after = [said(f, f"bits.{text}.gap", 2, "+") for text in ("shakespeare", "reviews", "both")]
    ours = "Wikipedia costs {} more after Shakespeare, {} after modern English, {} after half of each".format(*after)
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
