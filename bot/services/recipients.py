"""Where a message to a resident or a member goes."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import sessionmaker

from bot.store.models import Member, OrgNode, Resident


@dataclass(frozen=True)
class Recipient:
    """A person at an address of one channel."""

    id: int
    channel: str  # webchat | wechat | rest | wecom | desk | robot
    address: str


def find(factory: sessionmaker, kind: str, recipient_id: int) -> Recipient | None:
    """The recipient of an outbox row; None when deleted or deactivated."""
    with factory() as session:
        if kind == "resident":
            resident = session.get(Resident, recipient_id)
            if resident is None or resident.deleted_at is not None:
                return None
            return Recipient(resident.id, resident.channel, resident.external_id)
        if kind == "node":
            node = session.get(OrgNode, recipient_id)
            return Recipient(node.id, "robot", node.robot_key) if node and node.robot_key else None
        member = session.get(Member, recipient_id)
        if member is None or not member.active:
            return None
        if member.wecom_userid:
            return Recipient(member.id, "wecom", member.wecom_userid)
        return Recipient(member.id, "desk", member.key)
