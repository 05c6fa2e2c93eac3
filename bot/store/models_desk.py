"""Tables of the staff desk."""

from __future__ import annotations

from sqlalchemy import Column, String

from bot.store.base import Base, UtcDateTime


class SpentToken(Base):
    """A form that was sent, or a log-in that was ended: its token must not work again."""

    __tablename__ = "spent_token"
    token = Column(String(64), primary_key=True)
    at = Column(UtcDateTime, nullable=False, index=True)
