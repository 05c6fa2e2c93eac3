"""Training says what is worth reading, not nine thousand lines about something else."""

import warnings

from rasa.shared.utils.io import raise_warning

from bot.training.train import hush


def test_only_what_rasa_misunderstands_is_left_out() -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        hush()
        raise_warning("Your training data contains an example '漏水' for the 'housing/x' intent.")
        raise_warning("Action 'utter_housing' is listed as a response action in the domain file.")
        raise_warning("Action 'utter_greet' has no response.")
    assert [str(each.message) for each in heard] == ["Action 'utter_greet' has no response."]
