"""The classifier as Rasa uses it: trained, saved, loaded, and asked."""

import numpy as np
import pytest
from rasa.engine.graph import ExecutionContext, GraphSchema
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.resource import Resource
from rasa.nlu.constants import TOKENS_NAMES
from rasa.nlu.tokenizers.tokenizer import Token
from rasa.shared.nlu.constants import FEATURE_TYPE_SENTENCE, TEXT
from rasa.shared.nlu.training_data.features import Features
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from scipy.sparse import random as random_matrix

from bot.nlu.calibration import calibration_error, temper
from bot.nlu.classifier import MatterClassifier
from bot.nlu.clauses import CLAUSES
from bot.nlu.counts import CountFeaturizer
from bot.nlu.linear import Ensemble, train

CLASSES = ["housing/lift", "housing/heating", "dispute/pets", "greet"]
CENTRES = np.eye(len(CLASSES), 8, dtype=np.float32)


def message(text: str, number: int, noise: np.random.Generator, labelled: bool = True) -> Message:
    """A message near the centre of a class."""
    made = Message.build(text, CLASSES[number]) if labelled else Message.build(text)
    vector = CENTRES[number] + noise.normal(0, 0.05, 8).astype(np.float32)
    made.add_features(Features(vector[None, :], FEATURE_TYPE_SENTENCE, TEXT, "run_SentenceEncoder"))
    return made


@pytest.fixture(scope="module")
def noise() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory, noise) -> MatterClassifier:
    storage = LocalModelStorage(tmp_path_factory.mktemp("model"))
    resource, context = Resource("classifier"), ExecutionContext(GraphSchema({}))
    config = MatterClassifier.get_default_config()
    messages = [message(f"{n}-{i}", n, noise) for n in range(len(CLASSES)) for i in range(12)]
    untrained = MatterClassifier.create(config, storage, resource, context)
    untrained.train(TrainingData(messages))
    return MatterClassifier.load(config, storage, resource, context)


def test_intent_item_and_matter(loaded, noise):
    [parsed] = loaded.process([message("电梯坏了", 0, noise, labelled=False)])
    assert parsed.get("intent")["name"] == "housing"
    assert parsed.get("service_item")["name"] == "lift"
    assert [(m["intent"], m["item"]) for m in parsed.get("matters")] == [("housing", "lift")]
    total = sum(row["confidence"] for row in parsed.get("intent_ranking"))
    assert total == pytest.approx(1, abs=0.01)


def test_the_same_sentences_make_the_same_model():
    random = np.random.default_rng(5)
    numbers = random.integers(len(CLASSES), size=4000)
    labels = [CLASSES[n] for n in numbers]
    vectors = (CENTRES[numbers] + random.normal(0, 0.5, (4000, 8))).astype(np.float32)
    # Words that say nothing, so that fitting them takes long enough for fits to meet.
    words = random_matrix(4000, 3000, 0.01, "csr", np.float32, random)
    first, again = (
        train({"vector": vectors, "counts": words}, labels, 10.0, 2.0, 40) for _ in range(2)
    )
    for view in ("sense", "words"):
        assert np.array_equal(getattr(first, view).weights, getattr(again, view).weights)
    assert first.report == again.report


def test_the_order_of_the_sentences_makes_no_difference(tmp_path, noise):
    sentences = [message(f"{n}-{i}", n, noise) for n in range(len(CLASSES)) for i in range(12)]
    made = []
    for number, messages in enumerate((sentences, sentences[::-1])):
        storage, resource = LocalModelStorage(tmp_path / str(number)), Resource("classifier")
        (tmp_path / str(number)).mkdir()
        config = MatterClassifier.get_default_config()
        context = ExecutionContext(GraphSchema({}))
        MatterClassifier.create(config, storage, resource, context).train(TrainingData(messages))
        with storage.read_from(resource) as folder:
            made.append(Ensemble.read(folder))
    first, again = made
    assert first.sense and again.sense
    assert np.array_equal(first.sense.weights, again.sense.weights)


def test_talk_has_no_item_and_no_matter(loaded, noise):
    [parsed] = loaded.process([message("你好", 3, noise, labelled=False)])
    assert parsed.get("intent")["name"] == "greet"
    assert parsed.get("service_item") is None and parsed.get("matters") == []


def test_two_clear_clauses_are_two_matters(loaded, noise):
    whole = message("电梯坏了,另外狗乱叫", 0, noise, labelled=False)
    whole.set(CLAUSES, [message("电梯坏了", 0, noise, False), message("狗乱叫", 2, noise, False)])
    [parsed] = loaded.process([whole])
    assert [m["text"] for m in parsed.get("matters")] == ["电梯坏了", "狗乱叫"]


def test_two_clauses_of_one_kind_stay_one_matter(loaded, noise):
    whole = message("电梯坏了,还有门关不上", 0, noise, labelled=False)
    whole.set(CLAUSES, [message("电梯坏了", 0, noise, False), message("门关不上", 0, noise, False)])
    [parsed] = loaded.process([whole])
    assert [m["text"] for m in parsed.get("matters")] == ["电梯坏了,还有门关不上"]


def test_a_message_without_text_passes(loaded):
    assert loaded.process([Message({"intent": "greet"})])


def test_counts_are_the_same_after_loading(tmp_path):
    def words(text: str) -> Message:
        made = Message({TEXT: text})
        made.set(TOKENS_NAMES[TEXT], [Token(text[:2], 0), Token(text[2:], 2)])
        return made

    storage, resource = LocalModelStorage(tmp_path), Resource("counts")
    context = ExecutionContext(GraphSchema({}), node_name="counts")
    config = {**CountFeaturizer.get_default_config(), "least": 1}
    texts = ["电梯坏了", "楼道灯坏了", "电梯困人"]
    trained = CountFeaturizer.create(config, storage, resource, context)
    trained.train(TrainingData([words(text) for text in texts]))
    loaded = CountFeaturizer.load(config, storage, resource, context)
    rows = [c.process([words("电梯坏了")])[0].features[0].features for c in (trained, loaded)]
    assert (rows[0] != rows[1]).nnz == 0 and rows[0].nnz > 0


def test_tempering_keeps_order_and_sum():
    row = np.array([[0.5, 0.3, 0.2]])
    assert temper(row, 0.5).argsort().tolist() == row.argsort().tolist()
    assert temper(row, 2.0).sum() == pytest.approx(1)


def test_calibration_error_of_an_honest_guesser_is_zero():
    assert calibration_error(np.full(10, 0.5), np.arange(10) < 5) == pytest.approx(0)
