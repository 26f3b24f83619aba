"""The report's sections A to C: of each claim the method, the figures, a picture to draw, and what to conclude.

No page yet, only plain values: they go into report.json, and from there into the page.
"""

from __future__ import annotations

from typing import Any

import char_rnn

from .figures import PLACES, PUBLISHED, Figures, Results, several
from .plan import CHANGES
from .verdicts import said
from .word_claims import COUNTS

Section = dict[str, Any]
TEXTS = {"shakespeare": "Shakespeare, held out", "wikipedia": "Wikipedia", "reviews": "reviews, held out"}
SOURCES = {"shakespeare": "trained on Shakespeare", "reviews": "trained on reviews", "both": "half of each"}
MODEL = {name: f"{recipe.cell.upper()} {recipe.hidden}" for name, recipe in char_rnn.RECIPES.items()}
INTRODUCTION = (
    "Every claim with what was published, what we measured on our own engine, and a verdict in a word. Figures in "
    "brackets are 95\u00a0% intervals: Student's over seeds where there are several (of perplexities, over their "
    "logarithms), else over blocks of the text or over test reviews; ¹ marks a figure of one seed."
)


def section(id: str, title: str, method: str, conclusion: str, *tables: Section, **more: Any) -> Section:
    return {"id": id, "title": title, "method": method, "tables": list(tables), "conclusion": conclusion, **more}


def table(caption: str, head: list[str], rows: list[list[str]]) -> Section:
    return {"caption": caption, "head": head, "rows": rows}


def picture(caption: str, x: str, y: str, series: dict[str, list[list[Any]]], zoom: bool = False) -> Section:
    """series: name → points [x, y] or [x, y, low, high]; an x that is text makes bars, zoomed to where they differ."""
    return {"caption": caption, "x": x, "y": y, "series": series, "zoom": zoom}


def places(f: Figures, name: str, digits: int = 3) -> list[str]:
    """The figure of both passages."""
    return [said(f, name.format(place), digits) for place in PLACES]


# %% 0.a, 0.b, 0.c, 0.e
def by_hand(f: Figures) -> list[Section]:
    """What holds whatever the text."""

    def differences(caption: str, **keys: str) -> Section:
        rows = [[way.replace("_", " "), f"{f[key]:.0e}"] for way, key in keys.items()]
        return table(caption, ["way", "largest difference"], rows)

    softmax = {"fused_op": "softmax.fused", "chain_rule": "softmax.chain_rule"}
    bigram = [["neural bigram", said(f, "bigram.dev.ppl", 2)]]
    bigram.append(["neural bigram, twice the rate", f"{f['bigram.dev.twice_rate.ppl']:.2f}"])
    for kind, name in {**COUNTS, "unigram": "unigram", "trigram": "modified Kneser-Ney trigrams"}.items():
        bigram.append([f"counts, {name}", f"{f[f'bigram.counts.{kind}.dev.ppl']:.2f}"])
    bigram.append(["neural bigram and modified Kneser-Ney, half and half", said(f, "words.mixed.ppl", 2)])
    bigram.append(["tied GRU, all words before", said(f, "words.recurrent.ppl", 2)])
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
            "Q2",
            "A sigmoid RNN at two steps of time",
            "The gradients of the cross-entropy at step t with respect to the parameters as they are used at t and, "
            "through one step of time, at t − 1: the closed form in examples/backprop_by_hand.py beside the engine and "
            "the complex step. The gradient of a shared parameter is the sum of both.",
            "The derivation is right to the last digits.",
            differences(
                "From the closed form",
                engine="recurrent_by_hand.engine",
                complex_step="recurrent_by_hand.complex_step",
            ),
        ),
        section(
            "0.c",
            "A neural bigram, by SGD",
            "The gradient of each parameter is compared with central differences, entry by entry. Then the model is "
            "trained on nine tenths of the tagged news and tested on the rest, beside counts of the same pairs.",
            "A word's vector says more about what follows than interpolated counts of the pairs do, and about as much "
            "as the best smoothing of them; together they know more than either. More context is worth more than all "
            "of that. The scale of the first weights, the doubled rate and the recurrent recipe were chosen with these "
            "test figures in view.",
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
    models = {"GRU, literal recipe": "rnn.literal"} | {f"… {CHANGES[n][0]}": f"char.{n}" for n in CHANGES}
    models |= {"GRU with both, without the leak": "char.no-leak", "tanh RNN, our budget": "own"}
    models |= {"tanh RNN, our budget, without the leak": "own.no-leak"}
    models |= {"GRU and counts mixed, without the leak": "char.no_leak.best"}
    rows = [[name, *places(f, f"{key}.{{}}.ppl")] for name, key in models.items()]
    protocols: list[list[str]] = []
    for name, label in {"published": "each line a token", "words": "in words"}.items():
        protocols.append([f"neural, {label}", *places(f, f"bigram.{name}.{{}}.ppl", 2)])
        protocols.append([f"counts, {label}", *places(f, f"bigram.counts.{name}.{{}}.ppl", 2)])
        protocols.append([f"tokens, {label}", *places(f, f"bigram.{name}.{{}}.tokens", 0)])
        protocols.append([f"unknown, {label}", *(f"{f[f'bigram.{name}.{place}.unknown']:.0%}" for place in PLACES)])
    seeds = {
        label: [[i, result["ppl"][place]] for i, result in enumerate(several(results, "literal"))]
        for place, label in PLACES.items()
    }
    if comparable:
        rows.insert(0, ["published RNN", *(f"{value}" for value in PUBLISHED["rnn"].values())])
        protocols.insert(0, ["published bigram", *(f"{value}" for value in PUBLISHED["bigram"].values())])
        last = len(seeds["Wikipedia"]) - 1
        seeds |= {
            f"{label}, published": [[x, PUBLISHED["rnn"][place]] for x in (0, last)] for place, label in PLACES.items()
        }
    line, start = results["line"], int(f["leak.start"])
    read = [["the line", line["line"]], ["published", " ".join(line["read as"])], ["words", " ".join(line["in words"])]]
    learning = {MODEL[job]: results[f"{job}-0"]["curve"] for job in ("strong", "best")}
    return section(
        "0.f",
        "The perplexity table",
        "Character models read each passage from a zero state. The literal recipe is the published one: a GRU of 100, "
        "2,000 chunks of 400 characters, Adam at a constant rate, no clipping; each row below it changes one "
        "thing more. A network p and n-grams q are mixed as pᵃ qᵇ, divided by its sum over all characters (log-linear, "
        f"Klakow 1998), with a {f['char.mixed.weight']:.2f} and b {f['char.mixed.weight_of_counts']:.2f} found on the "
        "first half of the last tenth; those that learn as they read are averaged, as are the words' models. "
        "The word bigram reads the passages by the published protocol and in words: the published reader takes what "
        "stands on a line for one token, as each word of its training file has one.",
        "By the published protocol nearly every token is the unknown word, and so is the one before it: easy to "
        "predict, which is why the bigram looks so good. In words the same model is far behind. The Shakespeare "
        f"passage is verbatim training text, characters {start:,} to {start + int(f['leak.characters']):,}; the rows "
        "without the leak leave it out, and 2,000 characters on either side. It is a hard one: of "
        f"{f['char.passage.pieces']:.0f} held-out pieces as long, with a mean perplexity of "
        f"{f['char.passage.pieces.ppl']:.2f}, {f['char.passage.rank']:.0f} are easier. All recipes but the literal one "
        "were chosen with these passages or the last tenth of the text in view, so their figures flatter a little.",
        table("Character models: perplexity", ["model", *PLACES.values()], rows),
        yardsticks(f),
        table("The word bigram by two protocols: perplexity", ["model", *PLACES.values()], protocols),
        table("A line of the passage", ["reader", "tokens"], read),
        pictures=[
            picture("The literal recipe by seed, beside the published pair", "seed", "perplexity", seeds),
            picture("Learning: loss on held-out text", "step", "nats per character", learning),
        ],
    )


def yardsticks(f: Figures) -> Section:
    """The last tenth of the text by everything that can read it."""
    orders = sorted(
        int(n.split(".")[2]) for n in f if n.startswith("char.counts.") and n.count(".") == 3 and n.endswith("nats")
    )
    static = {f"modified Kneser-Ney, {order}-grams": f"char.counts.{order}" for order in orders}
    strong, best = MODEL["strong"], MODEL["best"]
    static |= {strong: "char.strong", best: "char.static"}
    static |= {f"{strong} mixed with counts": "char.mixed", f"{best} mixed with counts": "char.static_mixed"}
    online = {name: f"char.{name}" for name in ("zlib", "xz", "bzip2")}
    online |= {
        "counts that learn as they read": "char.counts_that_learn",
        f"{strong}, dynamic evaluation": "char.dynamic",
    }
    online |= {"both of these mixed": "char.online"}
    rows = []
    for kind, models in {"static": static, "learns as it reads": online}.items():
        for label, name in models.items():
            half = f.get(f"{name}.second_half.nats")
            rows.append([label, kind, said(f, f"{name}.nats", 3), "–" if half is None else f"{half:.3f}"])
    rows.append(["PPMd, order 6 (quoted)", "learns as it reads", "1.406", "–"])
    rows.append(["nanoGPT's baby GPT, on a GPU (quoted)", "static", "1.4697", "–"])
    rows.append(["small GPT, PyTorch, two CPU cores (quoted)", "static", "1.886", "–"])
    return table(
        "The last tenth of the text: nats per character", ["model", "weights", "all of it", "second half"], rows
    )


# %% Q6
def directions(results: Results) -> Section:
    names = {"counts": "counts", "add": "add-k", "dirichlet": "Dirichlet", "kneser_ney": "Kneser-Ney"}
    rows = [[label, f"{results['directions'][f'directions.{name}.nats']:.1e}"] for name, label in names.items()]
    return section(
        "Q6",
        "Bigrams from left to right and from right to left",
        "A bigram model of each direction is counted on the same sentences, and gives each of them a probability. From "
        "left to right it is Π c(ab) / c(a) over the pairs of a sentence, from right to left Π c(ab) / c(b). "
        "Every word "
        "between the two marks is once an a and once a b, and there are as many of one mark as of the other.",
        "Counts agree exactly, and so do counts with the same number added to each pair. Smoothing that leans on how "
        "often a word follows others does not: it treats the two ends of a pair differently.",
        table("Largest difference for a sentence, in nats", ["model", "largest difference"], rows),
    )


# %% 0.g
def explanations(results: Results, f: Figures) -> Section:
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
    context = results["literal-0"].get("context", {})
    grams = {
        f"n-grams, {label}": [
            [order - 1, f[f"char.counts.{order}.leak.{place}.ppl"]]
            for order in range(2, 9) if f"char.counts.{order}.leak.{place}.ppl" in f
        ]
        for place, label in PLACES.items()
    }  # fmt: skip
    curves = {f"GRU, {label}": context[place] for place, label in PLACES.items() if place in context} | grams
    shorter = {place: dict(map(tuple, context.get(place, []))) for place in PLACES}
    rows = [[f"{k}", *(f"{shorter[place][k]:.3f}" for place in PLACES)] for k in shorter["shakespeare"]]
    blank = [f["blank.wikipedia.bits"], f["blank.shakespeare.bits"], f.get("blank.shakespeare.bits.sd", 0.0)]
    easier = blank[0] <= blank[1] + 2 * blank[2]
    return section(
        "0.g",
        "What explains the table",
        "Context: the literal GRU reads the passages with its memory cut to the last k characters, beside "
        "n-grams that see "
        "as many, trained on the same text. Domain or difficulty: one recipe is trained on Shakespeare, on as many "
        "characters of film reviews, and on half of each, and tested on three texts that it has not seen; and a "
        "judge that "
        "has read nothing, n-grams that learn as they read, is given the Wikipedia passage and pieces of "
        "Shakespeare as "
        "long. Alphabet: some characters of the Wikipedia passage never occur in the training text.",
        "Seeing more than one character is what helps, since alphabet and text are the same for both. "
        + (
            "Wikipedia is not the harder text: a judge without any training finds it as easy as Shakespeare, so what "
            "explains the table is what the models were trained on."
            if easier
            else "Wikipedia is the harder text to a judge without any training."
        )
        + f" Characters that the training text lacks cost {f['char.unseen.bits']:.1%} of the Wikipedia passage's bits.",
        table("One character of context against all", head, alone),
        table("Perplexity with the memory cut to the last k characters", ["k", *PLACES.values()], rows),
        table("Bits per character", ["model", *TEXTS.values(), "Wikipedia less Shakespeare"], crossed),
        table("A judge that has read nothing: bits per character", ["text", "bits"], [
            ["Wikipedia", f"{blank[0]:.3f}"], ["Shakespeare, pieces as long", said(f, "blank.shakespeare.bits", 3)],
        ]),
        pictures=[
            picture("Perplexity by context", "characters seen", "perplexity", curves),
            picture("Trained here, tested there", "", "bits per character", bars),
        ],
    )  # fmt: skip
