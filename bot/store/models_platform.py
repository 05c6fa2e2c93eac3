"""Tables of the platform clients: access tokens, send quotas, choices offered in a chat."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Text

from bot.store.base import Base, UtcDateTime


class PlatformToken(Base):
    """An access token shared by all processes; who holds the lease may fetch a new one."""

    __tablename__ = "platform_token"
    name = Column(String(80), primary_key=True)  # "wechat:<appid>"
    value = Column(String(600), nullable=False, default="")  # WeChat's have up to 512 characters
    expires_at = Column(UtcDateTime)
    lease_owner = Column(String(60))
    lease_until = Column(UtcDateTime)
    fetched = Column(Integer, nullable=False, default=0)  # how often, for the operator
    forced_at = Column(UtcDateTime)


class PlatformWindow(Base):
    """What an official account may still send one person on its own account (客服消息)."""

    __tablename__ = "platform_window"
    channel = Column(String(20), primary_key=True)
    user = Column(String(100), primary_key=True)
    message_until = Column(UtcDateTime)  # since the last message
    message_left = Column(Integer, nullable=False, default=0)
    tap_until = Column(UtcDateTime)  # since the last menu tap, follow or scan
    tap_left = Column(Integer, nullable=False, default=0)


class PlatformRate(Base):
    """One receiver with a sending limit; its row is the lock under which sends are counted."""

    __tablename__ = "platform_rate"
    key = Column(String(160), primary_key=True)


class PlatformSend(Base):
    """One counted send, kept as long as the longest limit looks back."""

    __tablename__ = "platform_send"
    id = Column(Integer, primary_key=True)
    key = Column(String(160), nullable=False)
    at = Column(UtcDateTime, nullable=False)
    __table_args__ = (Index("ix_platform_send_key_at", "key", "at"),)


class PlatformConsent(Base):
    """A resident's consent to one subscribe message (订阅通知): each allows one send."""

    __tablename__ = "platform_consent"
    channel = Column(String(20), primary_key=True)
    user = Column(String(100), primary_key=True)
    template_id = Column(String(100), primary_key=True)
    left = Column(Integer, nullable=False, default=0)


class PlatformChoice(Base):
    """A choice offered to a person; its id is what a tap on it sends back."""

    __tablename__ = "platform_choice"
    id = Column(Integer, primary_key=True)
    channel = Column(String(20), nullable=False)
    user = Column(String(100), nullable=False)
    batch = Column(String(40), nullable=False)  # choices of one message
    number = Column(Integer, nullable=False)  # 1, 2, … for those who type
    label = Column(String(100), nullable=False)
    payload = Column(Text, nullable=False)
    created_at = Column(UtcDateTime, nullable=False)
    __table_args__ = (Index("ix_platform_choice_user", "channel", "user", "id"),)


class PlatformCard(Base):
    """A task card on a member's phone, and the code with which it may be updated once."""

    __tablename__ = "platform_card"
    task_id = Column(String(128), primary_key=True)
    user = Column(String(100), nullable=False)
    ticket_id = Column(ForeignKey("ticket.id"), nullable=False, index=True)
    response_code = Column(String(200), nullable=False, default="")
    sent_at = Column(UtcDateTime, nullable=False)
    closed_at = Column(UtcDateTime)  # its buttons are gone


class PlatformAnswer(Base):
    """How the reply to a message from WeChat goes out; whoever writes the row first decides."""

    __tablename__ = "platform_answer"
    inbox_id = Column(ForeignKey("inbox.id", ondelete="CASCADE"), primary_key=True)
    how = Column(String(8), nullable=False)  # passive | late
    queued = Column(Boolean, nullable=False, default=False)  # a late one is in the outbox
    at = Column(UtcDateTime, nullable=False)


class PlatformSignature(Base):
    """A signature seen in plain mode, where it does not cover the body, with that body's hash."""

    __tablename__ = "platform_signature"
    channel = Column(String(20), primary_key=True)
    signature = Column(String(40), primary_key=True)
    body_hash = Column(String(64), nullable=False)
    at = Column(UtcDateTime, nullable=False, index=True)


class PlatformMissed(Base):
    """A notice that no route could deliver; shown when the resident next writes."""

    __tablename__ = "platform_missed"
    outbox_id = Column(ForeignKey("outbox.id", ondelete="CASCADE"), primary_key=True)
    resident_id = Column(ForeignKey("resident.id"), nullable=False, index=True)
    shown_in = Column(Integer)  # the inbox row whose reply carried it
