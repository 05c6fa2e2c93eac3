"""Tables of retraining: labels, jobs, models, switches, shadow readings."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
)
from sqlalchemy.orm import relationship

from bot.store.base import Base, UtcDateTime
from bot.store.models import Member, Utterance


class LabelVote(Base):
    """What one member said about one message; undone votes stay as history."""

    __tablename__ = "label_vote"
    id = Column(Integer, primary_key=True)
    utterance_id = Column(
        ForeignKey("utterance.id", ondelete="CASCADE"), nullable=False, index=True
    )
    member_id = Column(ForeignKey("member.id"), index=True)  # NULL: drawn from a ticket's history
    kind = Column(String(10), nullable=False, default="person")  # person | arbiter | return | staff
    verdict = Column(String(10), nullable=False)  # label | none (都不是) | skip
    ask_second = Column(Boolean, nullable=False, default=False)
    intent = Column(String(80))  # "housing/lift" or "greet"
    entities = Column(JSON, nullable=False, default=list)  # [{"start", "end", "entity"}]
    batch = Column(String(40))  # votes cast together on a cluster are undone together
    at = Column(UtcDateTime, nullable=False)
    undone_at = Column(UtcDateTime)
    member = relationship(Member)
    __table_args__ = (Index("ix_label_vote_member_at", "member_id", "at"),)


class Label(Base):
    """What the votes on one message come to; only `approved` ones are trained on."""

    __tablename__ = "label"
    id = Column(Integer, primary_key=True)
    utterance_id = Column(
        ForeignKey("utterance.id", ondelete="CASCADE"), unique=True, nullable=False
    )
    text = Column(Text, nullable=False)  # masked, as it was labelled
    intent = Column(String(80))  # None: 都不是
    entities = Column(JSON, nullable=False, default=list)
    status = Column(String(12), nullable=False)  # approved | second | conflict | none
    source = Column(String(12), nullable=False)  # person | arbiter | return | staff | import
    # One in five judges models instead of training them.
    held_back = Column(Boolean, nullable=False, default=False)
    at = Column(UtcDateTime, nullable=False)
    utterance = relationship(Utterance)
    __table_args__ = (Index("ix_label_status", "status", "held_back"),)


class TrainingJob(Base):
    """A process that trains a candidate or lets one read along; its lease is its sign of life."""

    __tablename__ = "training_job"
    id = Column(Integer, primary_key=True)
    kind = Column(String(10), nullable=False)  # train | shadow
    status = Column(String(12), nullable=False, index=True)
    # queued | running | done | failed | cancelled
    stage = Column(String(30), nullable=False, default="")
    progress = Column(Integer, nullable=False, default=0)  # per cent
    log = Column(Text, nullable=False, default="")  # the last lines, in Chinese
    error = Column(Text)
    seed = Column(Integer, nullable=False, default=0)
    model_id = Column(ForeignKey("model_version.id"))
    until = Column(UtcDateTime)  # shadow: when to stop
    cancel_requested = Column(Boolean, nullable=False, default=False)
    attempts = Column(Integer, nullable=False, default=0)
    lease_owner = Column(String(60))
    lease_until = Column(UtcDateTime)
    member_id = Column(ForeignKey("member.id"))
    created_at = Column(UtcDateTime, nullable=False)
    started_at = Column(UtcDateTime)
    ended_at = Column(UtcDateTime)


class ModelVersion(Base):
    """One trained model with all that is needed to make it again, and what the gate says of it."""

    __tablename__ = "model_version"
    id = Column(Integer, primary_key=True)
    name = Column(String(120), unique=True, nullable=False)  # file name
    path = Column(Text, nullable=False)
    sha256 = Column(String(64), nullable=False)
    seed = Column(Integer)
    data_hash = Column(String(64))
    config_hash = Column(String(64))
    versions = Column(JSON, nullable=False, default=dict)
    counts = Column(JSON, nullable=False, default=dict)  # sentences by source
    report = Column(JSON)  # the gate's report
    verdict = Column(String(6))  # green | red
    file_there = Column(Boolean, nullable=False, default=True)  # False once pruned
    created_at = Column(UtcDateTime, nullable=False)
    last_live_at = Column(UtcDateTime)


class Promotion(Base):
    """One switch of the live model, forwards or back."""

    __tablename__ = "promotion"
    id = Column(Integer, primary_key=True)
    model_id = Column(ForeignKey("model_version.id"), nullable=False, index=True)
    previous_id = Column(ForeignKey("model_version.id"))
    kind = Column(String(10), nullable=False)  # found | promote | rollback | automatic
    status = Column(String(10), nullable=False)  # loading | done | failed
    reason = Column(
        Text, nullable=False, default=""
    )  # why the gate's red was overruled, or why back
    member_id = Column(ForeignKey("member.id"))
    at = Column(UtcDateTime, nullable=False)
    done_at = Column(UtcDateTime)
    seconds = Column(Float)
    detail = Column(JSON, nullable=False, default=dict)  # what each Rasa process answered
    model = relationship(ModelVersion, foreign_keys=[model_id])
    previous = relationship(ModelVersion, foreign_keys=[previous_id])


class ShadowSample(Base):
    """How the live model and a candidate read the same message."""

    __tablename__ = "shadow_sample"
    id = Column(Integer, primary_key=True)
    job_id = Column(ForeignKey("training_job.id"), nullable=False)
    utterance_id = Column(ForeignKey("utterance.id", ondelete="CASCADE"), nullable=False)
    live_intent = Column(String(80), nullable=False)
    live_confidence = Column(Float, nullable=False)
    candidate_intent = Column(String(80), nullable=False)
    candidate_confidence = Column(Float, nullable=False)
    at = Column(UtcDateTime, nullable=False)
    __table_args__ = (Index("ix_shadow_sample_once", "job_id", "utterance_id", unique=True),)
