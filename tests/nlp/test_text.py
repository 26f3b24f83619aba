"""Bytes to text to arrays: the decisions at the edges, vocabularies, tokenisers, batches of characters."""

import re
import string
import time
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.nlp import assert_one_line
from tinygrad_nlp.nlp import text
from tinygrad_nlp.nlp.corpora import CorpusError


# %% Decoding
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"na\xc3\xafve \xff", r"file.txt: byte 7 \(0xff\) is not UTF-8"),
        (b"cut \xe2\x80", r"file.txt: byte 4 \(0xe2\) is not UTF-8"),
        (b"\xed\xa0\x80 a lone surrogate", "byte 0"),
        ("né\0".encode(), "file.txt: byte 3 is NUL"),
        ("text".encode("utf-16"), "file.txt: byte 0: this is UTF-16"),
    ],
)
def test_refused_with_file_and_byte_offset(data, message):
    with pytest.raises(CorpusError, match=message) as raised:
        text.decode(data, "file.txt")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kept", ["a\r\nb", "a\rb", "a\x85b", "a\u2028b", "no final newline", "2\n\n", "", "a\ufeffb"])
def test_every_other_character_stays(kept):
    assert text.decode(kept.encode()) == kept


def test_only_a_leading_byte_order_mark_goes():
    assert text.decode(b"\xef\xbb\xbf\xef\xbb\xbfa") == "\ufeffa"


@given(st.binary(max_size=200))
def test_decoding_is_strict_or_exact(data):
    try:
        assert text.decode(data).encode() == data.removeprefix(b"\xef\xbb\xbf")
    except CorpusError as error:
        assert_one_line(error)


def test_reading_files(tmp_path):
    path = tmp_path / "file.txt"
    path.write_bytes(b"one\r\ntwo\x0b\xc2\x85")
    assert text.read_text(path) == "one\r\ntwo\x0b\x85"
    path.write_bytes(b"")
    with pytest.raises(CorpusError, match=r"file.txt is empty"):
        text.read_text(path)
    path.write_bytes(b"x" * 11)
    with pytest.raises(CorpusError, match="more than 10 bytes"):
        text.read_text(path, cap=10)
    with pytest.raises(CorpusError, match=r"cannot read .*nowhere.txt"):
        text.read_text(tmp_path / "nowhere.txt")


def test_one_line_of_ten_megabytes(tmp_path):
    path = tmp_path / "long.txt"
    path.write_bytes(b"word " * 2_000_000)
    content = text.read_text(path)
    assert len(text.lines(content)) == 1 and len(text.Characters().encode(content)) == 10_000_000
    assert text.read_tagged(content) == [[content.strip()]]


@given(st.text(alphabet="ab\n\x85\x0b\x0c\u2028"))
def test_lines_end_at_line_feeds_alone(content):
    assert "\n".join(text.lines(content)) == content.removesuffix("\n")
    assert not any("\n" in line for line in text.lines(content))
    assert text.lines(content.replace("\n", "\r\n")) == text.lines(content)


@given(st.text())
def test_transliterated_text_is_ascii_and_ascii_stays(content):
    plain = text.transliterate(content)
    assert plain.isascii() and text.transliterate(plain) == plain


# %% Characters
@given(st.text(alphabet=string.printable))
def test_characters_round_trip(content):
    characters = text.Characters()
    ids = characters.encode(content)
    assert ids.shape == (len(content),) and ids.dtype == np.int64
    assert characters.decode(ids) == content


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([0, 3], "id 3 at position 1 is outside the alphabet, 0 to 2"),
        ([2, -1, 5], "id -1 at position 1 is outside"),
        ([0.0, 1.0], "ids are whole numbers (T,), these are float64 (2,)"),
        ([True], "these are bool"),
        ([[0, 1]], "these are int64 (1, 2)"),
    ],
)
def test_ids_that_encode_could_not_give_are_not_decoded(ids, message):
    """−1 would be the last character."""
    for wrong in (ids, np.array(ids)):
        with pytest.raises(ValueError, match=re.escape(message)):
            text.Characters("abc").decode(wrong)
    assert text.Characters("abc").decode([]) == "" and text.Characters("abc").decode(iter((0, 2))) == "ac"


@pytest.mark.parametrize(
    ("unknown", "nearest"),
    [("é", "e"), ("–", "-"), ("“", '"'), ("Ł", "L"), ("\x7f", "~"), ("\U0001f600", "~"), ("\ud800", "~")],
)
def test_unknown_character_is_named_with_position_and_nearest(unknown, nearest):
    with pytest.raises(ValueError, match="at position 4 ") as raised:
        text.Characters().encode("caf " + unknown + "!")
    assert repr(unknown) in str(raised.value) and f"U+{ord(unknown):04X}" in str(raised.value)
    assert str(raised.value).endswith(repr(nearest))


def test_nearest_in_a_small_alphabet():
    assert text.Characters("abc").nearest("B") == "b"
    assert text.Characters("abc").nearest("Á") == "a"
    assert text.Characters("a?").nearest("\U0001f600") == "a"  # transliterates to "?", which would say nothing
    for bad in ("", "aa"):
        with pytest.raises(ValueError, match="each once"):
            text.Characters(bad)


# %% Words
WORDS = text.Words([text.UNKNOWN, text.START, text.END, "the", ",", "DG", "DGDGDGDG", "DG.DG", "$", "u.s."])


@pytest.mark.parametrize(
    ("word", "canonical"),
    [
        ("THE", "the"),
        ("U.S.", "u.s."),
        ("7", "DG"),
        ("1989", "DGDGDGDG"),
        ("1,989", "DGDGDGDG"),
        ("0.5", "DG.DG"),
        (",", ","),
        ("$", "$"),
        ("%", text.UNKNOWN),
        ("1980s", text.UNKNOWN),
        ("zebra", text.UNKNOWN),
        ("12", text.UNKNOWN),
    ],
)
def test_canonical_form(word, canonical):
    assert WORDS.canonical(word) == canonical


def test_pairs_start_at_the_third_token_of_the_padded_sentence():
    names = [[WORDS.words[i] for i in pair] for pair in WORDS.pairs([["The", "zebra"], []])]
    assert names == [["<s>", "the"], ["the", "UUUNKKK"], ["UUUNKKK", "</s>"], ["<s>", "</s>"]]
    assert WORDS.pairs([]).shape == (0, 2)


def test_the_share_of_unknown_words():
    words = text.Words([text.UNKNOWN, text.START, text.END, "the", "dgdgdg"])
    assert words.unknown_share(["the", "zyx", "The", "qua"]) == 0.5 and words.unknown_share(["the"]) == 0
    with pytest.raises(ValueError, match="among no words"):
        words.unknown_share([])


def test_bad_vocabularies():
    with pytest.raises(CorpusError, match="'the' twice"):
        text.Words([text.UNKNOWN, text.START, text.END, "the", "the"])
    with pytest.raises(CorpusError, match=r"lacks .*UUUNKKK"):
        text.Words([text.START, text.END])


def test_reading_tagged_text():
    tagged = "-DOCSTART-\t X\n\nThe\tDT\r\nend\tNN\r\n\r\n\n-DOCSTART-\t X\nNext\tJJ\nTo\x85To\n\n"
    assert text.read_tagged(tagged) == [["The", "end"], ["Next", "To\x85To"], []]
    assert text.read_tagged("word\tX") == [["word"]] and text.read_tagged("") == [[]]


@given(st.text())
def test_any_text_can_be_read_as_tagged(content):
    words = [word for sentence in text.read_tagged(content) for word in sentence]
    fields = [line.partition("\t")[0].strip() for line in text.lines(content)]
    assert words == [field for field in fields if field not in ("", "-DOCSTART-")]


def test_the_two_protocols_for_a_passage():
    passage = "It is held\nThat valour is\n\nthe chiefest virtue"
    assert text.line_tokens(passage) == [["It is held", "That valour is"], ["the chiefest virtue"]]
    assert text.word_tokens(passage) == [["It", "is", "held"], ["That", "valour", "is"], ["the", "chiefest", "virtue"]]


def test_most_frequent():
    assert text.most_frequent(["b", "a", "d", "b", "a", "c", "b"], 3) == ["b", "a", "c"]  # of c and d, c


@given(st.lists(st.sampled_from("abcde")), st.integers(0, 6))
def test_most_frequent_tokens_come_first_and_ties_in_alphabetical_order(tokens, size):
    found = text.most_frequent(tokens, size)
    assert len(found) == min(size, len(set(tokens)))
    rank = {word: (-tokens.count(word), word) for word in set(tokens)}
    assert found == sorted(found, key=rank.__getitem__)
    assert all(rank[a] < rank[b] for a in found for b in set(tokens) - set(found))


@given(st.text())
def test_review_tokens_lose_nothing_but_white_space(content):
    plain = content.lower().replace("<br />", " ")
    assert "".join(text.review_tokens(content)) == "".join(plain.split())


# %% Batches of characters
@given(st.integers(2, 60), st.integers(1, 9), st.integers(1, 5))
def test_streams_visit_every_prediction_once_and_in_order(length, steps, batch):
    ids = np.arange(length)
    if (length - 1) // batch < 1:
        with pytest.raises(ValueError, match="do not fill"):
            list(text.streams(ids, steps, batch))
        return
    chunks = list(text.streams(ids, steps, batch))
    inputs, targets = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    assert (targets == inputs + 1).all() and (np.diff(inputs, axis=0) == 1).all()  # each stream runs on without a gap
    assert all(x.shape[0] <= steps and x.shape[1] == batch for x, _ in chunks)
    assert sorted(inputs.ravel()) == list(range((length - 1) // batch * batch))


@pytest.mark.parametrize(
    ("name", "sizes"), [("steps", (0, 2)), ("steps", (-3, 2)), ("batch", (2, 0)), ("batch", (2, -1))]
)
def test_sizes_below_1_are_refused(name, sizes):
    for cut in (lambda: list(text.streams(np.arange(12), *sizes)),
                lambda: text.random_chunks(np.arange(12), *sizes, np.random.default_rng(0))):  # fmt: skip
        with pytest.raises(ValueError, match=f"{name} is {min(sizes)}: use 1 or more"):
            cut()


def test_random_chunks():
    x, y = text.random_chunks(np.arange(20), 5, 1000, np.random.default_rng(0))
    assert x.shape == y.shape == (5, 1000) and (y == x + 1).all()
    assert set(x[0]) == set(range(15)) and y.max() == 19  # the first and the last place are both drawn
    again, _ = text.random_chunks(np.arange(20), 5, 1000, np.random.default_rng(0))
    assert (x == again).all()
    with pytest.raises(ValueError, match="too few"):
        text.random_chunks(np.arange(5), 5, 1, np.random.default_rng(0))


@given(st.text())
def test_transliteration_is_that_of_the_whole_text_at_once(passage):
    whole = unicodedata.normalize("NFKD", passage.translate(text._PLAIN))
    whole = "".join(c for c in whole if not unicodedata.combining(c)).encode("ascii", "replace").decode()
    assert text.transliterate(passage) == whole


def test_ascii_letters_are_left_alone_beside_others():
    ascii = "".join(map(chr, range(128)))
    assert text.transliterate(ascii + "é") == ascii + "e" and text.transliterate(ascii) == ascii


def test_many_combining_marks_take_no_more_than_other_letters():
    marks = "".join(chr(0x300 + i % 60) for i in range(200_000))  # NFKD of it at once takes a minute
    before = time.process_time()
    assert text.transliterate("a" + marks) == "a"
    assert time.process_time() - before < 1
