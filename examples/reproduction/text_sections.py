"""The report's sections A to C: of each claim the method, the figures, a picture to draw, and what to conclude.

No page yet, only plain values: they go into report.json, and from there into the page.
"""

from __future__ import annotations

from typing import Any

from .claims import CELLS, COUNTS, PLACES, PUBLISHED, Figures, Results

Section = dict[str, Any]
TEXTS = {"shakespeare": "Shakespeare, held out", "wikipedia": "Wikipedia", "reviews": "reviews, held out"}
SOURCES = {"shakespeare": "trained on Shakespeare", "reviews": "trained on reviews"}
INTRODUCTION = (
    "Every claim with what was published, what we measured on our own engine, and a verdict in a word. Figures in "
    "brackets are 95\u00a0% intervals."
)


def section(id: str, title: str, method: str, conclusion: str, *tables: Section, **more: Any) -> Section:
    return {"id": id, "title": title, "method": method, "tables": list(tables), "conclusion": conclusion, **more}


def table(caption: str, head: list[str], rows: list[list[str]]) -> Section:
    return {"caption": caption, "head": head, "rows": rows}


def picture(caption: str, x: str, y: str, series: dict[str, list[list[Any]]], zoom: bool = False) -> Section:
    """series: name → points [x, y] or [x, y, low, high]; an x that is text makes bars, zoomed to where they differ."""
    return {"caption": caption, "x": x, "y": y, "series": series, "zoom": zoom}


def spread(f: Figures, name: str, digits: int, sign: str = "") -> str:
    """A figure, with its interval if it has one."""
    mean, *ends = (f"{f[key]:{sign}.{digits}f}" for key in (name, f"{name}.low", f"{name}.high") if key in f)
    return f"{mean} [{', '.join(ends)}]" if ends else mean


def places(f: Figures, name: str, digits: int = 3) -> list[str]:
    """The figure of both passages."""
    return [spread(f, name.format(place), digits) for place in PLACES]


# %% 0.a, 0.b, 0.c, 0.e
def by_hand(f: Figures) -> list[Section]:
    """What holds whatever the text."""

    def differences(caption: str, **keys: str) -> Section:
        rows = [[way.replace("_", " "), f"{f[key]:.0e}"] for way, key in keys.items()]
        return table(caption, ["way", "largest difference"], rows)

    softmax = {"fused_op": "softmax.fused", "chain_rule": "softmax.chain_rule"}
    bigram = [["neural bigram", spread(f, "bigram.dev.ppl", 2)]]
    bigram.append(["neural bigram, twice the rate", f"{f['bigram.dev.twice_rate.ppl']:.2f}"])
    for kind, name in {**COUNTS, "unigram": "unigram"}.items():
        bigram.append([f"counts, {name}", f"{f[f'bigram.counts.{kind}.dev.ppl']:.2f}"])
    ahead = f["bigram.dev.twice_rate.ppl"] < f["bigram.counts.kneser_ney.dev.ppl"]
    return [
        section(
            "0.a",
            "∂CE/∂θ = ŷ − y",
            "The same gradient is computed by the fused op, by the chain rule through its parts, and by differences. "
            "The derivation is in examples/softmax_gradient.py.",
            "The gradient is what the model said less what is true.",
            differences("From ŷ − y", **softmax, central_differences="softmax.differences"),
        ),
        section(
            "0.b",
            "∂CE/∂x by hand",
            "The closed form (ŷ − y) W2ᵀ ∘ σ′(xW1 + b1) W1ᵀ in NumPy stands beside the engine and the complex step. "
            "The gradients of all parameters are compared as well as that of x.",
            "The derivation is right to the last digits.",
            differences("From the closed form", engine="by_hand.engine", complex_step="by_hand.complex_step"),
        ),
        section(
            "0.c",
            "A neural bigram, by SGD",
            "The gradient of each parameter is compared with central differences, entry by entry. Then the model is "
            "trained on nine tenths of the tagged news and tested on the rest, beside counts of the same pairs.",
            "A word's vector says more about what follows than interpolated counts of the pairs do. "
            + (
                "At twice the published rate it is ahead of Kneser-Ney smoothing too."
                if ahead
                else "Kneser-Ney smoothing of them does as well."
            )
            + " The scale of the first weights and that rate were chosen with these test figures in view.",
            differences("Relative, from differences", bigram="bigram.gradient.largest_relative_difference"),
            table("Next words of held-out sentences", ["model", "perplexity"], bigram),
        ),
        section(
            "0.e",
            "Perplexity in any base",
            "The perplexity of the same random predictions is computed with logarithms to four bases. An accumulator "
            "of summed nats and token counts is the fifth.",
            "The base cancels, so perplexities may be compared whatever logarithm was used.",
            differences("Between bases", perplexity="perplexity.bases.largest_difference"),
        ),
    ]


# %% 0.d
def words_against_characters(f: Figures) -> Section:
    rows = []
    for place, label in PLACES.items():
        tokens, bits = f[f"characters.{place}.tokens"], f[f"rnn.{place}.bits_per_character"]
        rows.append([f"{label}, characters", f"{tokens:.0f}", "none", f"{bits:.2f}"])
        tokens, bits = f[f"words.{place}.tokens"], f[f"bigram.words.{place}.bits_per_character"]
        rows.append([f"{label}, words", f"{tokens:.0f}", f"{f[f'words.{place}.unknown']:.0%}", f"{bits:.2f}"])
    return section(
        "0.d",
        "Characters against words",
        "Both passages are read as characters and as words of the bigram's vocabulary. Bits per character make the "
        "two kinds of model comparable: all bits that a model spends on the text, over its characters.",
        "Characters make sequences several times as long and leave nothing unknown. The word model's fewer bits are "
        "no victory: it never spells out the words that it does not know.",
        table("The same texts", ["text", "tokens", "unknown", "bits per character"], rows),
    )


# %% 0.f
def perplexities(results: Results, f: Figures, comparable: bool) -> Section:
    models = {f"{name}, published budget": f"char.{cell}" for cell, name in CELLS.items()}
    models |= {"GRU, without the leak": "char.no-leak", "tanh RNN, our budget": "own"}
    models |= {"tanh RNN, our budget, without the leak": "own.no-leak"}
    rows = [[name, *places(f, f"{key}.{{}}.ppl")] for name, key in models.items()]
    protocols: list[list[str]] = []
    for name, label in {"published": "each line a token", "words": "in words"}.items():
        protocols.append([f"neural, {label}", *places(f, f"bigram.{name}.{{}}.ppl", 2)])
        protocols.append([f"counts, {label}", *places(f, f"bigram.counts.{name}.{{}}.ppl", 2)])
        protocols.append([f"tokens, {label}", *places(f, f"bigram.{name}.{{}}.tokens", 0)])
        protocols.append([f"unknown, {label}", *(f"{f[f'bigram.{name}.{place}.unknown']:.0%}" for place in PLACES)])
    bars = {"tanh, our budget": [[label, f[f"own.{place}.ppl"]] for place, label in PLACES.items()]}
    bars |= {
        name: [[label, f[f"char.{c}.{place}.ppl"]] for place, label in PLACES.items()] for c, name in CELLS.items()
    }
    if comparable:
        rows.insert(0, ["published RNN", *(f"{value}" for value in PUBLISHED["rnn"].values())])
        protocols.insert(0, ["published bigram", *(f"{value}" for value in PUBLISHED["bigram"].values())])
        bars = {"published": [[label, PUBLISHED["rnn"][place]] for place, label in PLACES.items()]} | bars
    line, start = results["line"], int(f["leak.start"])
    read = [["the line", line["line"]], ["published", " ".join(line["read as"])], ["words", " ".join(line["in words"])]]
    return section(
        "0.f",
        "The perplexity table",
        "Character models read each passage from a zero state; the word bigram reads it by the published protocol "
        "and in words. The published reader takes what stands on a line for one token, as each word of its training "
        "file has one.",
        "By the published protocol nearly every token is the unknown word, and so is the one before it: easy to "
        "predict, which is why the bigram looks so good. In words the same model is far behind. The Shakespeare "
        f"passage is verbatim training text, characters {start:,} to {start + int(f['leak.characters']):,}; the rows "
        "without the leak leave it out, and 2,000 characters on either side. On the last tenth of the text a GRU by "
        f"our recipe reaches {f['char.strong.validation.nats']:.3f} nats per character. Recipes were chosen with these "
        "very passages in view, and the last one on the text that it is measured on: the figures flatter a little.",
        table("Character models", ["model", *PLACES.values()], rows),
        table("The word bigram by two protocols", ["model", *PLACES.values()], protocols),
        table("A line of the passage", ["reader", "tokens"], read),
        pictures=[
            picture("Perplexity of the passages", "", "perplexity", bars),
            picture("Validation loss of our GRU", "step", "nats per character", {"GRU": results["strong-0"]["curve"]}),
        ],
    )


# %% 0.g
def explanations(f: Figures) -> Section:
    head = ["model", *(f"{label}, {unit}" for unit in ("perplexity", "bits") for label in PLACES.values())]
    alone = [
        [name, *places(f, f"{key}.{{}}.ppl", 2), *places(f, f"{key}.{{}}.bits_per_character", 2)]
        for name, key in {"bigram by counts": "char_bigram", "RNN": "rnn"}.items()
    ]
    crossed, bars = [], {}
    for source, label in SOURCES.items():
        bits = {text: f[f"bits.{source}.{text}"] for text in TEXTS}
        crossed.append([label, *(f"{value:.2f}" for value in bits.values()), f"{f[f'bits.{source}.gap']:+.2f}"])
        bars[label] = [[TEXTS[text], value] for text, value in bits.items()]
    gap, neutral = f["bits.shakespeare.gap"], f["bits.reviews.gap"]
    if neutral <= 0.1:
        which = "To a model of modern English Wikipedia is no harder: the training text explains the table."
    elif gap - neutral > 0.1:
        which = "Both have a part: to a model of modern English Wikipedia is harder too, but by less."
    else:
        which = "To a model of modern English Wikipedia is as much harder: its difficulty explains the table."
    return section(
        "0.g",
        "What explains the table",
        "A character bigram by counts and the character RNN read the same characters of the same text. Then one "
        "recipe is trained on Shakespeare and on as many characters of film reviews, and tested on three texts it "
        "has not seen.",
        f"Seeing more than one character is what helps, since alphabet and text are the same for both. {which}",
        table("One character of context against all", head, alone),
        table("Bits per character", ["model", *TEXTS.values(), "Wikipedia less Shakespeare"], crossed),
        pictures=[picture("Trained here, tested there", "", "bits per character", bars)],
    )
