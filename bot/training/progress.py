"""How far a job is, told to the page through the job's row."""

from __future__ import annotations

import logging

from sqlalchemy.orm import sessionmaker

from bot.training import jobs


class Progress:
    """Says where a job stands."""

    def __init__(self, factory: sessionmaker, job_id: int, token: str) -> None:
        self._factory, self._job_id, self._token = factory, job_id, token

    def say(self, stage: str, percent: int) -> None:
        """A stage in words, and per cent of the whole."""
        jobs.report(self._factory, self._job_id, self._token, stage, percent)

    def note(self, words: str) -> None:
        """A line of the log, for instance what to mend before the next training."""
        jobs.note(self._factory, self._job_id, self._token, words)


class ComponentSteps(logging.Handler):
    """Turns Rasa's own log of components into progress between two per cents."""

    def __init__(self, progress: Progress, components: int, start: int, end: int) -> None:
        super().__init__(logging.INFO)
        self._progress, self._total = progress, max(components, 1)
        self._start, self._end, self._done = start, end, 0

    def emit(self, record: logging.LogRecord) -> None:
        """One more component is done."""
        if "Finished training component" not in record.getMessage():
            return
        self._done = min(self._done + 1, self._total)
        percent = self._start + (self._end - self._start) * self._done // self._total
        self._progress.say("学习中", percent)
