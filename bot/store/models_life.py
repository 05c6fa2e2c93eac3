"""Tables of a ticket's wider life: pauses, co-handling, call-backs, double reporting."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import relationship

from bot.store.base import Base, UtcDateTime
from bot.store.models import Member, OrgNode, Resident, Ticket


class Suspension(Base):
    """One request to pause the clock, the decision, and when the pause ended (挂起)."""

    __tablename__ = "suspension"
    id = Column(Integer, primary_key=True)
    ticket_id = Column(ForeignKey("ticket.id"), nullable=False, index=True)
    asked_by_id = Column(ForeignKey("member.id"), nullable=False)
    asked_at = Column(UtcDateTime, nullable=False)
    waiting_for = Column(String(12), nullable=False)  # resident | third_party
    why = Column(Text, nullable=False)
    decided_by_id = Column(ForeignKey("member.id"))
    decided_at = Column(UtcDateTime)
    approved = Column(Boolean)
    until = Column(UtcDateTime)  # the cap: work goes on by itself then
    ended_at = Column(UtcDateTime)


class CoTask(Base):
    """What one department does on a ticket after a whistle (吹哨报到), on a clock of its own."""

    __tablename__ = "co_task"
    id = Column(Integer, primary_key=True)
    ticket_id = Column(ForeignKey("ticket.id"), nullable=False, index=True)
    department_id = Column(ForeignKey("org_node.id"), nullable=False)
    member_id = Column(ForeignKey("member.id"), nullable=False)
    asked_by_id = Column(ForeignKey("member.id"), nullable=False)
    asked_at = Column(UtcDateTime, nullable=False)
    what = Column(Text, nullable=False)
    status = Column(String(12), nullable=False, default="asked")  # asked | checked_in | done
    check_in_due = Column(UtcDateTime, nullable=False)
    done_due = Column(UtcDateTime, nullable=False)
    checked_in_at = Column(UtcDateTime)
    done_at = Column(UtcDateTime)
    note = Column(Text, nullable=False, default="")
    alerts = Column(JSON, nullable=False, default=list)
    next_check_at = Column(UtcDateTime, index=True)
    ticket = relationship(Ticket)
    department = relationship(OrgNode)
    member = relationship(Member, foreign_keys=[member_id])
    __table_args__ = (Index("ix_co_task_member_status", "member_id", "status"),)


class CallBack(Base):
    """A ticket drawn for an independent call to the resident (回访)."""

    __tablename__ = "call_back"
    id = Column(Integer, primary_key=True)
    ticket_id = Column(ForeignKey("ticket.id"), nullable=False, unique=True)
    why = Column(String(20), nullable=False)  # unrated | sample | proxy
    drawn_at = Column(UtcDateTime, nullable=False)
    due = Column(UtcDateTime, nullable=False)
    caller_id = Column(ForeignKey("member.id"))
    called_at = Column(UtcDateTime)
    tries = Column(Integer, nullable=False, default=0)  # times that nobody answered
    solved = Column(Boolean)
    stars = Column(Integer)
    words = Column(Text, nullable=False, default="")
    ticket = relationship(Ticket)


class Volunteer(Base):
    """A work unit or an in-service Party member who reported to the community (双报到)."""

    __tablename__ = "volunteer"
    id = Column(Integer, primary_key=True)
    kind = Column(String(8), nullable=False)  # unit | member
    name = Column(String(60), nullable=False)
    unit = Column(String(60), nullable=False, default="")
    phone = Column(String(20), nullable=False)
    resident_id = Column(ForeignKey("resident.id"), unique=True)  # who signed up by chat
    node_id = Column(ForeignKey("org_node.id"), nullable=False, index=True)  # the community
    skills = Column(JSON, nullable=False, default=list)
    hours = Column(JSON, nullable=False, default=list)  # rows as in Member.duty
    resources = Column(Text, nullable=False, default="")
    credited_minutes = Column(Integer, nullable=False, default=0)
    created_at = Column(UtcDateTime, nullable=False)
    active = Column(Boolean, nullable=False, default=True)
    node = relationship(OrgNode)
    resident = relationship(Resident)


class Errand(Base):
    """A small wish or errand (微心愿) that the first volunteer to say yes takes."""

    __tablename__ = "errand"
    id = Column(Integer, primary_key=True)
    node_id = Column(ForeignKey("org_node.id"), nullable=False)  # the community
    ticket_id = Column(ForeignKey("ticket.id"), index=True)
    posted_by_id = Column(ForeignKey("member.id"), nullable=False)
    posted_at = Column(UtcDateTime, nullable=False)
    title = Column(String(100), nullable=False)
    skill = Column(String(40), nullable=False)
    wanted_at = Column(UtcDateTime, nullable=False)  # when it is to be done
    status = Column(String(10), nullable=False, default="open")  # open|taken|done|cancelled
    taken_by_id = Column(ForeignKey("volunteer.id"), index=True)
    taken_at = Column(UtcDateTime)
    done_at = Column(UtcDateTime)
    minutes = Column(Integer)
    confirmed_by_id = Column(ForeignKey("member.id"))
    taken_by = relationship(Volunteer)
    __table_args__ = (Index("ix_errand_node_status", "node_id", "status"),)
