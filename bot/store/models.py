"""Tables of the core: places, people, tickets, messages."""

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
    UniqueConstraint,
)
from sqlalchemy.orm import foreign, relationship, remote

from bot.domain.status import Status
from bot.store.base import Base, UtcDateTime


class OrgNode(Base):
    """One node of the five-level organisation tree, or a department (level `department`)."""

    __tablename__ = "org_node"
    id = Column(Integer, primary_key=True)
    key = Column(String(64), unique=True, nullable=False)
    level = Column(String(20), nullable=False)  # domain.levels.Level, or "department"
    name = Column(String(100), nullable=False)
    parent_id = Column(ForeignKey("org_node.id"), index=True)
    # Materialised path "/1/4/9/": a scope check is one LIKE 'prefix%'.
    path = Column(String(200), nullable=False, default="/", index=True)
    phone = Column(String(30))
    robot_key = Column(String(100))  # WeCom group robot of the grid
    active = Column(Boolean, nullable=False, default=True)


class Building(Base):
    """A building; `node_id` is the lowest organisation node that covers it."""

    __tablename__ = "building"
    id = Column(Integer, primary_key=True)
    key = Column(String(64), unique=True, nullable=False)
    estate = Column(String(60), nullable=False)
    name = Column(String(60), nullable=False)
    aliases = Column(JSON, nullable=False, default=list)
    node_id = Column(ForeignKey("org_node.id"), nullable=False, index=True)
    lat = Column(Float)
    lon = Column(Float)
    active = Column(Boolean, nullable=False, default=True)
    node = relationship(OrgNode)

    @property
    def name_in_estate(self) -> str:
        """「幸福里3号楼」."""
        return self.name if self.name.startswith(self.estate) else f"{self.estate}{self.name}"


class Member(Base):
    """A person on the staff side."""

    __tablename__ = "member"
    id = Column(Integer, primary_key=True)
    key = Column(String(64), unique=True, nullable=False)  # also the log-in name
    name = Column(String(40), nullable=False)
    role = Column(String(30), nullable=False)  # domain.levels.Role
    node_id = Column(ForeignKey("org_node.id"), nullable=False, index=True)
    phone = Column(String(20))
    password_hash = Column(String(200))
    wecom_userid = Column(String(64), unique=True)
    skills = Column(JSON, nullable=False, default=list)
    # [{"days": [1..7], "start": "09:00", "end": "17:30"}], Asia/Shanghai
    duty = Column(JSON, nullable=False, default=list)
    # [{"from": "2026-10-01", "to": "2026-10-07"}]
    leave = Column(JSON, nullable=False, default=list)
    capacity = Column(Integer, nullable=False, default=8)
    last_assigned_at = Column(UtcDateTime)
    building_id = Column(ForeignKey("building.id"))  # where the member lives
    active = Column(Boolean, nullable=False, default=True)
    session_epoch = Column(Integer, nullable=False, default=0)  # raised to end all log-ins
    node = relationship(OrgNode)


class ServiceItem(Base):
    """One item of the service catalogue (事项清单)."""

    __tablename__ = "service_item"
    key = Column(String(80), primary_key=True)  # "housing/leak_repair"
    category = Column(String(30), nullable=False, index=True)
    name = Column(String(60), nullable=False)
    skill = Column(String(40), nullable=False)
    start_level = Column(String(20), nullable=False)
    clock_class = Column(String(20), nullable=False)
    urgency = Column(String(10), nullable=False, default="normal")
    department_id = Column(ForeignKey("org_node.id"))
    private = Column(Boolean, nullable=False, default=False)
    answer = Column(Text, nullable=False, default="")
    words = Column(JSON, nullable=False, default=list)
    active = Column(Boolean, nullable=False, default=True)
    department = relationship(OrgNode)


class Resident(Base):
    """Someone who chats; personal fields are emptied on deletion, the row stays."""

    __tablename__ = "resident"
    id = Column(Integer, primary_key=True)
    channel = Column(String(20), nullable=False)
    external_id = Column(String(100), nullable=False)
    name = Column(String(40))
    phone = Column(String(20))
    building_id = Column(ForeignKey("building.id"), index=True)
    unit = Column(String(10))
    room = Column(String(10))
    consent_at = Column(UtcDateTime)
    created_at = Column(UtcDateTime, nullable=False)
    last_seen_at = Column(UtcDateTime)
    deleted_at = Column(UtcDateTime)
    building = relationship(Building)
    __table_args__ = (UniqueConstraint("channel", "external_id"),)


class Ticket(Base):
    """One matter of one or more residents (工单)."""

    __tablename__ = "ticket"
    id = Column(Integer, primary_key=True)
    number = Column(String(24), unique=True, nullable=False)
    idempotency_key = Column(String(160), unique=True, nullable=False)
    category = Column(String(30), nullable=False)
    item_key = Column(ForeignKey("service_item.key"), nullable=False)
    description = Column(Text, nullable=False)
    urgency = Column(String(10), nullable=False, default="normal")
    clock_class = Column(String(20), nullable=False)
    private = Column(Boolean, nullable=False, default=False)
    status = Column(String(20), nullable=False)
    level = Column(String(20), nullable=False)
    node_id = Column(ForeignKey("org_node.id"), nullable=False, index=True)  # where it is now
    # Where it arose: the grid of the building, or the street when the place is unknown.
    origin_id = Column(ForeignKey("org_node.id"), nullable=False, index=True)
    building_id = Column(ForeignKey("building.id"), index=True)
    place_text = Column(String(120), nullable=False, default="")
    resident_id = Column(ForeignKey("resident.id"), nullable=False, index=True)
    filed_by_id = Column(ForeignKey("member.id"))  # proxy filing (帮办代办)
    on_behalf_of = Column(String(40))  # for whom family filed; NULL: for themselves
    consent_note = Column(String(200))  # how the person agreed to the proxy
    assignee_id = Column(ForeignKey("member.id"), index=True)
    first_owner_id = Column(ForeignKey("member.id"))
    # Member of the next level who answers too. No foreign key: SQLite would rebuild the table.
    co_owner_id = Column(Integer, index=True)
    parent_id = Column(ForeignKey("ticket.id"), index=True)
    version = Column(Integer, nullable=False, default=1)
    created_at = Column(UtcDateTime, nullable=False)
    dispatched_at = Column(UtcDateTime)
    accepted_at = Column(UtcDateTime)
    contacted_at = Column(UtcDateTime)
    resolved_at = Column(UtcDateTime)
    closed_at = Column(UtcDateTime)
    accept_due = Column(UtcDateTime)
    contact_due = Column(UtcDateTime)
    resolve_due = Column(UtcDateTime)
    # The next moment at which the sweep has something to do for this ticket.
    next_check_at = Column(UtcDateTime, index=True)
    # Start of the resolve clock; moved on by each pause, set anew by reopening.
    clock_started_at = Column(UtcDateTime)
    suspended_at = Column(UtcDateTime)
    paused_seconds = Column(Integer, nullable=False, default=0)
    alerts = Column(JSON, nullable=False, default=list)  # clock alerts already raised
    return_count = Column(Integer, nullable=False, default=0)
    locked = Column(Boolean, nullable=False, default=False)  # only a dispatcher may dispatch
    resident_escalated = Column(Boolean, nullable=False, default=False)
    supervised = Column(Boolean, nullable=False, default=False)
    appeal = Column(String(10))  # open | granted | denied
    resolution = Column(Text)
    stars = Column(Integer)
    solved = Column(Boolean)
    rating_words = Column(Text)
    rated_at = Column(UtcDateTime)
    closed_how = Column(String(20))  # rated | unrated | call_back
    reopen_count = Column(Integer, nullable=False, default=0)
    item = relationship(ServiceItem)
    resident = relationship(Resident)
    building = relationship(Building)
    node = relationship(OrgNode, foreign_keys=[node_id])
    origin = relationship(OrgNode, foreign_keys=[origin_id])
    assignee = relationship(Member, foreign_keys=[assignee_id])
    first_owner = relationship(Member, foreign_keys=[first_owner_id])
    assignments = relationship("Assignment", order_by="Assignment.id")
    # Tickets merged into this one, as the database has them.
    merged = relationship(
        "Ticket",
        primaryjoin=lambda: (
            (Ticket.id == foreign(remote(Ticket.parent_id)))
            & (remote(Ticket.status) == Status.DUPLICATE.value)
        ),
        order_by=lambda: Ticket.id,
        viewonly=True,
    )
    __table_args__ = (
        Index("ix_ticket_status_node", "status", "node_id"),
        Index("ix_ticket_assignee_status", "assignee_id", "status"),
    )
    # Optimistic locking: a stale update raises StaleDataError.
    __mapper_args__ = {"version_id_col": version}


class Assignment(Base):
    """One dispatch of a ticket to a member, with the reason and who was passed over."""

    __tablename__ = "assignment"
    id = Column(Integer, primary_key=True)
    ticket_id = Column(ForeignKey("ticket.id"), nullable=False, index=True)
    member_id = Column(ForeignKey("member.id"), nullable=False, index=True)
    level = Column(String(20), nullable=False)
    reason = Column(Text, nullable=False)
    rejected = Column(JSON, nullable=False, default=list)  # [{"member", "reason"}]
    assigned_at = Column(UtcDateTime, nullable=False)
    ended_at = Column(UtcDateTime)
    outcome = Column(String(20))  # accepted | returned | transferred | escalated | done
    member = relationship(Member)


class TicketEvent(Base):
    """One immutable line of a ticket's history: who, when, from, to, why.

    `reference` is not stored: it names the event before the database has given it an id.
    """

    reference = ""
    __tablename__ = "ticket_event"
    id = Column(Integer, primary_key=True)
    ticket_id = Column(ForeignKey("ticket.id"), nullable=False, index=True)
    at = Column(UtcDateTime, nullable=False)
    kind = Column(String(30), nullable=False)
    actor_kind = Column(String(12), nullable=False)  # resident | member | system
    actor_id = Column(Integer)
    actor_name = Column(String(60), nullable=False, default="")
    from_status = Column(String(20))
    to_status = Column(String(20))
    note = Column(Text, nullable=False, default="")
    data = Column(JSON, nullable=False, default=dict)


class Attachment(Base):
    """A stored photo, voice or video file; content-addressed under the attachments folder."""

    __tablename__ = "attachment"
    id = Column(Integer, primary_key=True)
    token = Column(String(40), unique=True, nullable=False)  # unguessable name in URLs
    ticket_id = Column(ForeignKey("ticket.id"), index=True)
    event_id = Column(ForeignKey("ticket_event.id"))
    resident_id = Column(ForeignKey("resident.id"), index=True)
    member_id = Column(ForeignKey("member.id"))
    kind = Column(String(10), nullable=False)  # image | voice | video
    mime = Column(String(60), nullable=False)
    size = Column(Integer, nullable=False)
    sha256 = Column(String(64), nullable=False)
    created_at = Column(UtcDateTime, nullable=False)


class InboxMessage(Base):
    """A message as it came from a platform; unique on (channel, key): handled once."""

    __tablename__ = "inbox"
    id = Column(Integer, primary_key=True)
    channel = Column(String(20), nullable=False)
    key = Column(String(120), nullable=False)
    sender = Column(String(100), nullable=False)
    kind = Column(String(20), nullable=False, default="text")
    text = Column(Text, nullable=False, default="")
    media = Column(JSON, nullable=False, default=dict)
    body_hash = Column(String(64))
    status = Column(String(12), nullable=False, default="received")  # received|running|done|failed
    attempts = Column(Integer, nullable=False, default=0)
    lease_until = Column(UtcDateTime)
    lease_owner = Column(String(60))
    replies = Column(JSON)
    received_at = Column(UtcDateTime, nullable=False)
    done_at = Column(UtcDateTime)
    __table_args__ = (
        UniqueConstraint("channel", "key"),
        Index("ix_inbox_sender", "channel", "sender", "id"),
        Index("ix_inbox_status", "status", "received_at"),
    )


class ChatMessage(Base):
    """One line of a resident's chat history, both directions."""

    __tablename__ = "chat_message"
    id = Column(Integer, primary_key=True)
    resident_id = Column(ForeignKey("resident.id"), nullable=False, index=True)
    direction = Column(String(3), nullable=False)  # in | out
    kind = Column(String(12), nullable=False)  # text | image | card | notice
    body = Column(JSON, nullable=False)  # {"text", "buttons": [...], "image", "ticket"}
    dedup_key = Column(String(160), unique=True, nullable=False)
    created_at = Column(UtcDateTime, nullable=False)
    read_at = Column(UtcDateTime)


class Outbox(Base):
    """A message to be delivered at least once by the relay."""

    __tablename__ = "outbox"
    id = Column(Integer, primary_key=True)
    dedup_key = Column(String(160), unique=True, nullable=False)
    recipient_kind = Column(String(10), nullable=False)  # resident | member | node
    recipient_id = Column(Integer, nullable=False)
    ticket_id = Column(ForeignKey("ticket.id"), index=True)
    kind = Column(String(30), nullable=False)  # notice | reply | task_card | alert | ...
    payload = Column(JSON, nullable=False)
    status = Column(String(10), nullable=False, default="queued")  # queued|inflight|sent|failed
    attempts = Column(Integer, nullable=False, default=0)
    next_at = Column(UtcDateTime, nullable=False)
    lease_until = Column(UtcDateTime)
    via = Column(String(20))
    errcode = Column(Integer)
    error = Column(Text)
    created_at = Column(UtcDateTime, nullable=False)
    sent_at = Column(UtcDateTime)
    __table_args__ = (Index("ix_outbox_due", "status", "next_at"),)


class Counter(Base):
    """Gap-tolerant counters, one row a day for ticket numbers."""

    __tablename__ = "counter"
    name = Column(String(40), primary_key=True)
    value = Column(Integer, nullable=False, default=0)


class Heartbeat(Base):
    """Last sign of life of a process, for /readyz."""

    __tablename__ = "heartbeat"
    name = Column(String(40), primary_key=True)
    at = Column(UtcDateTime, nullable=False)
    detail = Column(JSON, nullable=False, default=dict)


class LoginAttempt(Base):
    """A failed log-in, for throttling by name and by address."""

    __tablename__ = "login_attempt"
    id = Column(Integer, primary_key=True)
    name = Column(String(64), nullable=False, index=True)
    address = Column(String(64), nullable=False, index=True)
    at = Column(UtcDateTime, nullable=False)


class AccessLog(Base):
    """Who opened whose personal data, when, and where from."""

    __tablename__ = "access_log"
    id = Column(Integer, primary_key=True)
    member_id = Column(ForeignKey("member.id"), nullable=False, index=True)
    ticket_id = Column(ForeignKey("ticket.id"), index=True)
    resident_id = Column(Integer)
    what = Column(String(40), nullable=False)
    at = Column(UtcDateTime, nullable=False)


class Utterance(Base):
    """What a resident said and what the model made of it; personal data masked."""

    __tablename__ = "utterance"
    id = Column(Integer, primary_key=True)
    message_id = Column(String(160), unique=True, nullable=False)
    resident_id = Column(Integer, index=True)
    text_masked = Column(Text, nullable=False)
    intent = Column(String(60))
    item_key = Column(String(80))
    confidence = Column(Float)
    ranking = Column(JSON, nullable=False, default=list)
    model = Column(String(80))
    outcome = Column(String(30))  # ticket | fallback | corrected | talk | ...
    outcome_data = Column(JSON, nullable=False, default=dict)
    ticket_id = Column(ForeignKey("ticket.id"), index=True)
    at = Column(UtcDateTime, nullable=False, index=True)
