"""jieba with the words of the domain."""

from __future__ import annotations

from typing import Any

from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.nlu.constants import TOKENS_NAMES
from rasa.nlu.tokenizers.jieba_tokenizer import JiebaTokenizer
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message

from bot.nlu.clauses import with_clauses
from bot.nlu.fingerprint import fingerprint


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_TOKENIZER, is_trainable=True)
class DomainTokenizer(JiebaTokenizer):
    """Rasa's jieba tokenizer, which also cuts the clauses of a message into words."""

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str:
        """Train anew when the code or the dictionaries changed."""
        return fingerprint([config["dictionary_path"]])

    def process(self, messages: list[Message]) -> list[Message]:
        """Tokenize the text of messages and of their clauses."""
        for message in with_clauses(messages):
            if message.get(TEXT):
                message.set(TOKENS_NAMES[TEXT], self.tokenize(message, TEXT))
        return messages
