"""A recurrent network that reads characters (rows 0.d to 0.g).

The published budget (one layer of 100, 2,000 chunks, Adam 0.005) by default: expect perplexities of about 6.3 / 14.0
on the Shakespeare and the Wikipedia passage with --cell gru (30 s), where 6.857 / 15.361 are published. --recipe strong
trains a GRU of 256 on 90 % of the text, to a validation loss below 1.55 nats per character.

    python examples/char_rnn.py --sample "ROMEO:" --temperature 0.8
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from common import arguments, curve, parser, script

from tinygrad_nlp import log_softmax, softmax_cross_entropy
from tinygrad_nlp.console import BadInput
from tinygrad_nlp.files import digest, shown, write_json
from tinygrad_nlp.nlp import corpora, generate, saved, text
from tinygrad_nlp.nlp.metrics import Perplexity
from tinygrad_nlp.nlp.models import CharRNN
from tinygrad_nlp.nn import frozen
from tinygrad_nlp.optim import Adam, clip_norm
from tinygrad_nlp.parallel import Ranks
from tinygrad_nlp.parallel import ranks as all_ranks
from tinygrad_nlp.run import Run

ALPHABET = text.Characters()
CELLS = ("rnn", "gru", "lstm")


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
    rate: float = 0.005  # of Adam; it decays linearly to nothing, which is all that the published run left out
    warm_up: int = 0
    clip: float = 1.0
    dropout: float = 0.0  # of the hidden states, on their way to the output layer
    carried: bool = False  # chunks follow each other and the state goes on, or begin anywhere from a zero state


RECIPES = {
    "published": Recipe(),
    "own": Recipe("rnn", hidden=384, chunk=64, batch=32, rate=0.003, warm_up=100, dropout=0.1),
    "strong": Recipe(hidden=256, chunk=64, batch=32, steps=1_600, warm_up=100, carried=True),
}


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
    optimizer = Adam(model, recipe.rate)
    run = ranks.run(
        folder, config=asdict(recipe) | {"seed": seed}, hashes={"text": digest(ids)}, resume=resume, quiet=quiet,
        generators={"rng": rng, "own": own}, keep={"start": 0, "cursor": 0, "state": None},
        model=model, optimizer=optimizer,
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
        optimizer.lr = recipe.rate * min((step + 1) / (recipe.warm_up + 1), 1) * (1 - step / recipe.steps)
        optimizer.step()
        run.keep["state"] = frozen(state)
        if (step + 1) % 50 == 0:
            run.log(nats=ranks.sum(loss.item()))
        if validation is not None and (step + 1) % max(recipe.steps // 10, 1) == 0:
            run.log(validation=perplexity(model, validation, 32, ranks).mean)
    return model, run


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
def perplexity(model: CharRNN, ids: np.ndarray, batch: int = 1, ranks: Ranks | None = None) -> Perplexity:
    """Over characters 2 to n of a text (T,), read from a zero state (in `batch` parallel streams, to be quick; if
    ranks are given they divide the streams)."""
    ranks, figure, model, state = ranks or Ranks(), Perplexity(), frozen(model), None
    mine = ranks.shard(batch)
    for x, targets in text.streams(ids, 1_000, batch):
        logits, state = model(x[:, mine], state)
        figure.add_log_probabilities(np.take_along_axis(log_softmax(logits), targets[:, mine, None], -1))
    return Perplexity(ranks.sum(figure.nats), int(ranks.sum(figure.tokens)))


def passages(model: CharRNN, corpus: corpora.Characters) -> dict[str, float]:
    """Perplexities of the two passages."""
    by_place = {"shakespeare": corpus.familiar, "wikipedia": corpus.foreign}
    return {place: perplexity(model, ALPHABET.encode(passage)).value for place, passage in by_place.items()}


def split(corpus: corpora.Characters) -> tuple[np.ndarray, np.ndarray]:
    """The first 90 % and the last 10 % of the training text."""
    ids = ALPHABET.encode(corpus.train)
    return ids[: int(0.9 * len(ids))], ids[int(0.9 * len(ids)) :]


def main() -> None:
    p = parser(__doc__ or "", steps=0)
    p.add_argument("--recipe", choices=RECIPES, default="published", help="published budget, own, or strong")
    p.add_argument("--cell", choices=CELLS, help="recurrent cell (default: the recipe's)")
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

    strong = args.recipe == "strong"
    ids, held_out = split(corpus) if strong else (ALPHABET.encode(corpus.train), np.empty(0, int))
    validation = held_out if strong else None
    model, trained = train(ids, recipe, args.out / "char_rnn", args.seed, args.resume, args.quiet, validation)
    if all_ranks().rank > 0:
        return
    saved.save(args.out / "char_rnn.npz", model, ALPHABET)  # for python -m tinygrad_nlp generate
    found: dict[str, Any] = {"cell": recipe.cell, "steps": recipe.steps, "seed": args.seed}
    if strong:
        points = [(line["seconds"], line["validation"]) for line in trained.logged() if "validation" in line]
        for seconds, nats in points:
            print(f"{seconds:6.1f} s   validation {nats:.4f} nats per character")
        found |= {"validation_nats": perplexity(model, held_out).mean, "seconds": trained.elapsed()}
        print(f"{found['seconds']:6.1f} s   validation {found['validation_nats']:.4f}, read as one text")
        curve(args.out / "char_rnn.png", points, "seconds", "validation loss (nats per character)")
    else:
        found |= passages(model, corpus)
        places = "   ".join(f"{place} {found[place]:.3f}" for place in ("shakespeare", "wikipedia"))
        print(f"perplexity   {places}   ({recipe.cell})")
    write_json(args.out / "char_rnn.json", found)
    if args.sample is not None:
        print(shown(args.sample), end="")
        rng = np.random.default_rng(args.seed)
        for character in islice(generate.generate(model, prompt, rng=rng, temperature=args.temperature), 500):
            print(shown(ALPHABET.alphabet[character]), end="", flush=True)
        print()


if __name__ == "__main__":
    script(main)
