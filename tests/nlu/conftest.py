"""Tests of what a trained model understands share one loaded model."""

import pytest

from bot.training.nlu_model import NluModel


@pytest.fixture(scope="session")
def understanding(trained_model) -> NluModel:
    return NluModel(trained_model)
