"""A recurrent network that reads characters (rows 0.d to 0.g).

The literal published recipe by default: a GRU of 100, 2,000 chunks of 400 characters, Adam at a constant 0.005. Expect
perplexities of about 6.88 / 16.06 on the two passages, where 6.857 / 15.361 are published. The recipes "strong" and
"best" train larger GRUs by SOAP on nine tenths of the text and are measured on the last tenth, in nats per character:
alone (best: about 1.464), mixed with counts (strong, --counts 9: 1.432; 7-grams alone have 1.517), or learning as they
read (strong, --dynamic: 1.460, and 1.355 with counts that learn too).

    python examples/char_rnn.py --sample "ROMEO:" --temperature 0.8
    python examples/char_rnn.py --recipe strong --counts 9
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import islice
from math import inf
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from common import arguments, curve, parser, positive, script

from tinygrad_nlp import softmax_cross_entropy
from tinygrad_nlp.console import BadInput
from tinygrad_nlp.engine import writable
from tinygrad_nlp.files import digest, shown, write_json
from tinygrad_nlp.nlp import corpora, generate, reading, saved, text
from tinygrad_nlp.nlp.counts import AdaptiveNGrams, NGrams
from tinygrad_nlp.nlp.metrics import Perplexity
from tinygrad_nlp.nlp.models import CharRNN
from tinygrad_nlp.nn import fan_in_uniform, frozen
from tinygrad_nlp.optim import Adam, Average, clip_norm, linear_decay, warm_up
from tinygrad_nlp.parallel import Ranks
from tinygrad_nlp.parallel import ranks as all_ranks
from tinygrad_nlp.run import Run
from tinygrad_nlp.soap import SOAP

ALPHABET = text.Characters()
CELLS = ("rnn", "gru", "lstm")
OPTIMIZERS = {"adam": Adam, "soap": SOAP}


# %% Settings
@dataclass(frozen=True)
class Recipe:
    """How a model is built and trained."""

    cell: str = "gru"
    embedding: int = 100
    hidden: int = 100
    chunk: int = 400  # T, characters in a chunk
    batch: int = 1  # B, chunks side by side
    steps: int = 2_000
    optimizer: str = "adam"
    rate: float = 0.005  # of the optimiser
    decay: bool = False  # of the rate, linearly to nothing
    warm_up: int = 0
    clip: float = inf
    dropout: float = 0.0  # of the hidden states, on their way to the output layer
    average: float = 0.0  # decay of the running average of the weights, which then is the model; 0 for none
    orthogonal: bool = True  # recurrent weights at the start, or uniform within ±1/√H, as in PyTorch
    carried: bool = False  # chunks follow each other and the state goes on, or begin anywhere from a zero state


LITERAL = Recipe()
STRONG = Recipe(
    hidden=256, chunk=32, batch=32, steps=1_100, optimizer="soap", rate=0.006, decay=True, warm_up=100, clip=1,
    average=0.99, carried=True,
)  # fmt: skip
RECIPES = {
    "literal": LITERAL,
    "published": replace(LITERAL, decay=True, clip=1),  # the published budget, spent a little better
    "own": Recipe("rnn", hidden=256, chunk=64, batch=32, steps=1_000, rate=0.003, decay=True, warm_up=100, clip=1),
    "strong": STRONG,
    "best": replace(STRONG, hidden=384, steps=1_800, rate=0.005, average=0.995),
}
ON_NINE_TENTHS = ("strong", "best")


# %% Training
def train(
    ids: np.ndarray,
    recipe: Recipe,
    folder: Path,
    seed: int = 0,
    resume: bool = False,
    quiet: bool = True,
    validation: np.ndarray | None = None,
) -> tuple[CharRNN, Run]:
    """A model trained on a text (T,), and its run, whose log has the loss on a validation text (T,) now and then."""
    ranks, rng = all_ranks(), np.random.default_rng(seed)
    model = CharRNN(len(ALPHABET), recipe.embedding, recipe.hidden, recipe.cell, dropout=recipe.dropout, rng=rng)
    model.dropout.rng = own = ranks.own(rng)
    if not recipe.orthogonal:
        for layer in model.layers:
            writable(layer.W)[...] = fan_in_uniform(layer.W.shape, rng=rng)
    optimizer, average = OPTIMIZERS[recipe.optimizer](model, recipe.rate), Average(model, recipe.average)
    run = ranks.run(
        folder, config=asdict(recipe) | {"seed": seed}, hashes={"text": digest(ids)}, resume=resume, quiet=quiet,
        generators={"rng": rng, "own": own}, keep={"start": 0, "cursor": 0, "state": None},
        model=model, optimizer=optimizer, average=average,
    )  # fmt: skip
    for step in run.steps(recipe.steps):
        x, targets = chunk(ids, recipe, rng, run.keep)
        mine = ranks.shard(recipe.batch)  # all chunks, unless mpiexec has started more than one process
        logits, state = model(x[:, mine], run.keep["state"])
        loss = softmax_cross_entropy(logits, targets[:, mine], reduction="sum") / targets.size
        optimizer.zero_grad()
        loss.backward()
        ranks.add_gradients(model)
        clip_norm(model, recipe.clip)
        decay = linear_decay(step, recipe.steps) if recipe.decay else 1.0
        optimizer.lr = recipe.rate * warm_up(step, recipe.warm_up) * decay
        optimizer.step()
        average.update()
        run.keep["state"] = frozen(state)
        if (step + 1) % 50 == 0:
            run.log(nats=ranks.sum(loss.item()))
        if validation is not None and (step + 1) % max(recipe.steps // 10, 1) == 0:
            streams = max(len(validation) // 1_000, 1)  # of about a thousand characters, side by side
            run.log(validation=perplexity(model, validation, streams, ranks).mean)
    return settled(model, average.averages), run


def settled(model: CharRNN, weights: dict[str, np.ndarray]) -> CharRNN:
    """A live model of the same shape with these weights, and without dropout."""
    found = CharRNN(**(model.config | {"dropout": 0.0}), rng=np.random.default_rng(0))
    found.load_state_dict(weights)
    return found


def chunk(
    ids: np.ndarray, recipe: Recipe, rng: np.random.Generator, keep: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """The next inputs and targets (T, B): from anywhere, or where the last ones ended, starting over at the end of
    the text."""
    T, B = recipe.chunk, recipe.batch
    if len(ids) < (B * T + T + 1 if recipe.carried else T + 1):
        what = f"{len(ids):,} characters are too few for this recipe, {B} chunks of {T} side by side"
        raise BadInput(f"{what}: use a longer text, or a recipe with smaller ones")
    if not recipe.carried:
        keep["state"] = None
        return text.random_chunks(ids, T, B, rng)
    length = (len(ids) - T - 1) // B  # of each of B parallel streams
    if keep["cursor"] == 0:
        keep["start"], keep["state"] = int(rng.integers(T)), None  # so that no two passes cut the text alike
    at = keep["start"] + keep["cursor"] * T + np.arange(T)[:, None] + length * np.arange(B)
    keep["cursor"] = (keep["cursor"] + 1) % (length // T)
    return ids[at], ids[at + 1]


# %% Measuring
def perplexity(model: Any, ids: np.ndarray, batch: int = 1, ranks: Ranks | None = None) -> Perplexity:
    """Over characters 2 to n of a text (T,), read from a zero state (in `batch` parallel streams, to be quick; if
    ranks are given they divide the streams)."""
    ranks = ranks or Ranks()
    figure = Perplexity().add_log_probabilities(reading.log_probabilities(model, ids, batch, ranks.shard(batch)))
    return Perplexity(ranks.sum(figure.nats), int(ranks.sum(figure.tokens)))


def passages(model: Any, corpus: corpora.Characters) -> dict[str, float]:
    """Perplexities of the two passages."""
    return {place: perplexity(model, ids).value for place, ids in both_passages(corpus).items()}


def both_passages(corpus: corpora.Characters) -> dict[str, np.ndarray]:
    return {"shakespeare": ALPHABET.encode(corpus.familiar), "wikipedia": ALPHABET.encode(corpus.foreign)}


def split(corpus: corpora.Characters) -> tuple[np.ndarray, np.ndarray]:
    """The first 90 % and the last 10 % of the training text."""
    ids = ALPHABET.encode(corpus.train)
    return ids[: int(0.9 * len(ids))], ids[int(0.9 * len(ids)) :]


def held_out_figures(model: Any, train: np.ndarray, held_out: np.ndarray, order: int, dynamic: bool) -> dict[str, Any]:
    """Nats per character of the held-out text: alone, and as far as asked for with counts and learning as it reads.

    What is chosen, how the two are mixed, is chosen on the first half.
    """
    half, ids = len(held_out) // 2, held_out[1:]
    found = {"alone": reading.log_probabilities(model, held_out)}
    if dynamic:
        found["online"] = reading.dynamic_log_probabilities(model, held_out)
    if order:
        said = reading.log_distributions(model, held_out)
        counted = np.log(NGrams(train, len(ALPHABET), order).probabilities(held_out)[1:])
        some = slice(0, half, 4)  # of the first half, enough for two numbers
        exponents = reading.best_exponents(said[some], counted[some], ids[some])
        both = reading.log_linear(said, counted, exponents)
        found |= {"counts": reading.picked(counted, ids), "with counts": reading.picked(both, ids)}
    if order and dynamic:
        own, learning = found["online"], AdaptiveNGrams(len(ALPHABET), ids=train).read(held_out)[1:]
        weight = reading.best_weight(own[:half], learning[:half])
        found |= {"online counts": learning, "with online counts": reading.mixed(own, learning, weight)}
    return {name: {"nats": -float(p.mean()), "second half": -float(p[half:].mean())} for name, p in found.items()}


def main() -> None:
    p = parser(__doc__ or "", steps=0)
    p.add_argument(
        "--recipe", choices=RECIPES, default="literal", help="how to train (default: literally as published)"
    )
    p.add_argument("--cell", choices=CELLS, help="recurrent cell (default: the recipe's)")
    p.add_argument("--counts", type=positive, metavar="N", help="mix with n-grams of this order (strong and best)")
    p.add_argument("--dynamic", action="store_true", help="measure also a model that learns as it reads (likewise)")
    p.add_argument("--resume", action="store_true", help="go on where an interrupted run stopped")
    p.add_argument("--sample", metavar="TEXT", help="write on from TEXT when trained")
    p.add_argument("--temperature", type=float, default=1.0, help="of the sample; 0 takes the likeliest character")
    args = arguments(p)
    recipe = RECIPES[args.recipe]
    recipe = replace(recipe, cell=args.cell or recipe.cell, steps=args.steps or (20 if args.smoke else recipe.steps))
    corpus = corpora.characters(args.data)
    if corpus.fallback:
        print(corpus.fallback)
    try:
        prompt = ALPHABET.encode(args.sample or "\n")
        generate.check_options(args.temperature, None, 1.0)
    except ValueError as error:
        raise BadInput(f"--sample: {error}") from None
    measured = args.recipe in ON_NINE_TENTHS
    if (args.counts or args.dynamic) and not measured:
        raise BadInput(f"--counts and --dynamic measure on held-out text: add --recipe {' or '.join(ON_NINE_TENTHS)}")

    ids, held_out = split(corpus) if measured else (ALPHABET.encode(corpus.train), np.empty(0, int))
    validation = held_out if measured else None
    began = process_time()
    model, trained = train(ids, recipe, args.out / "char_rnn", args.seed, args.resume, args.quiet, validation)
    if all_ranks().rank > 0:
        return
    saved.save(args.out / "char_rnn.npz", model, ALPHABET)  # for python -m tinygrad_nlp generate
    found: dict[str, Any] = {"cell": recipe.cell, "steps": recipe.steps, "seed": args.seed}
    if measured:
        points = [(line["seconds"], line["validation"]) for line in trained.logged() if "validation" in line]
        found |= {"held out": held_out_figures(model, ids, held_out, args.counts or 0, args.dynamic)}
        found["cpu_seconds"] = process_time() - began
        curve(args.out / "char_rnn.png", points, "seconds", "validation loss (nats per character)")
    else:
        found |= passages(model, corpus)
    write_json(args.out / "char_rnn.json", found)
    if measured:
        for seconds, nats in points:
            print(f"{seconds:6.1f} s   validation {nats:.4f} nats per character")
        for name, nats in found["held out"].items():
            print(f"{name:<20} {nats['nats']:.4f} nats per character, second half {nats['second half']:.4f}")
    else:
        places = "   ".join(f"{place} {found[place]:.3f}" for place in ("shakespeare", "wikipedia"))
        print(f"perplexity   {places}   ({recipe.cell})")
    if args.sample is not None:
        print(shown(args.sample), end="")
        rng = np.random.default_rng(args.seed)
        for character in islice(generate.generate(model, prompt, rng=rng, temperature=args.temperature), 500):
            print(shown(ALPHABET.alphabet[character]), end="", flush=True)
        print()


if __name__ == "__main__":
    script(main)
