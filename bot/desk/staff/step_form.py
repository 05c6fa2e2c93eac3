"""What the form of a step is made of: its words, its fields, and the use case behind it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import sessionmaker

from bot.domain.status import Step
from bot.services import suspension

WAITING = tuple(suspension.WAITING_FOR.items())


@dataclass(frozen=True)
class Values:
    """What a person filled in."""

    note: str = ""
    photos: tuple[str, ...] = ()
    colleague: str = ""
    suggest: str = ""
    choice: str = ""
    item: str = ""
    departments: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()  # of other tickets
    version: int | None = None


Run = Callable[[sessionmaker, str, int, Values, dt.datetime], Any]


@dataclass(frozen=True)
class StepForm:
    """How a step is asked for. Without a label it is one tap."""

    step: Step
    title: str
    done: str  # told afterwards
    run: Run
    label: str = ""
    hint: str = ""
    optional: bool = False
    photos: bool = False
    colleague: bool = False
    suggest: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    departments: bool = False
    items: bool = False  # asks for a service item
    merges: bool = False  # asks for other tickets
    confirm: str = ""  # asked once more before a step that cannot be taken back
    warn: bool = False
