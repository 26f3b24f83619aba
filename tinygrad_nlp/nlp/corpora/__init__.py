"""The corpora of the experiments: where they come from, how they are checked, and the bundles that the examples use."""

from ..text import CorpusError
from .bundles import (
    Characters,
    FilmReviews,
    News,
    ReviewText,
    characters,
    film_reviews,
    news,
    review_text,
    text_of,
)
from .download import Unavailable, sha256
from .registry import REGISTRY, Source, data_folder, fetch, find

__all__ = [
    "REGISTRY",
    "Characters",
    "CorpusError",
    "FilmReviews",
    "News",
    "ReviewText",
    "Source",
    "Unavailable",
    "characters",
    "data_folder",
    "fetch",
    "film_reviews",
    "find",
    "news",
    "review_text",
    "sha256",
    "text_of",
]
