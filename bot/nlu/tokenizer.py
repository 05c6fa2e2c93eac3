"""jieba with the words of the domain."""

from __future__ import annotations

import marshal
from functools import lru_cache
from typing import Any

import jieba
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.nlu.constants import TOKENS_NAMES
from rasa.nlu.tokenizers.jieba_tokenizer import JiebaTokenizer
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.nlu.clauses import with_clauses
from bot.nlu.fingerprint import fingerprint, named_by_step

RARE = 10


@lru_cache(maxsize=1)
def _forget_rare_words() -> None:
    """Drop words that jieba met fewer than ten times: most of its 80 MB, and no use here."""
    table = jieba.dt
    table.initialize()
    words = {word: n for word, n in table.FREQ.items() if n >= RARE}
    kept = dict.fromkeys((word[:i] for word in words for i in range(1, len(word))), 0) | words
    # Copied to fresh memory, so that the old table's can go back to the system as a whole.
    packed = marshal.dumps(kept)
    table.FREQ = words = kept = {}
    table.FREQ = marshal.loads(packed)


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_TOKENIZER, is_trainable=True)
class DomainTokenizer(JiebaTokenizer):
    """Rasa's jieba tokenizer, which also cuts the clauses of a message into words."""

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str:
        """Train anew when the code or the dictionaries changed."""
        return fingerprint(config.get("dictionary_path"))

    @staticmethod
    def _load_custom_dictionary(path: str) -> None:
        """The dictionary of the language without rare words, then our own words."""
        _forget_rare_words()
        JiebaTokenizer._load_custom_dictionary(path)

    @named_by_step
    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Tokenize every training sentence."""
        return super().process_training_data(training_data)

    def process(self, messages: list[Message]) -> list[Message]:
        """Tokenize the text of messages and of their clauses."""
        for message in with_clauses(messages):
            if message.get(TEXT):
                message.set(TOKENS_NAMES[TEXT], self.tokenize(message, TEXT))
        return messages
