"""What can go wrong, as types; each edge turns them into words once."""

from __future__ import annotations


class LinliError(Exception):
    """Base of all expected errors; `text` is a clear Chinese sentence for the person."""

    text = "操作没有成功，请稍后再试。"

    def __init__(self, text: str | None = None) -> None:
        self.text = text or self.text
        super().__init__(self.text)


class NotFound(LinliError):
    """No such row, or not in the asker's scope: the two are not told apart."""

    text = "没有找到，或不在您的查看范围内。"


class NotAllowed(LinliError):
    """The actor may not do this to this ticket."""

    text = "您没有权限做这一步。"


class WrongState(LinliError):
    """The ticket's status does not allow the step."""

    text = "工单当前状态不能这样操作。"


class AlreadyTaken(WrongState):
    """Someone else accepted first."""

    text = "已被接单。"


class Conflict(LinliError):
    """Someone changed the row in between (optimistic lock)."""

    text = "这张工单刚刚被别人更新了，请刷新后再试。"


class BadInput(LinliError):
    """A value from outside does not make sense."""

    text = "填写的内容有误，请检查后再试。"


class NoConsent(LinliError):
    """The resident has not agreed to the use of personal data."""

    text = "需要您先同意个人信息使用说明。"


class Throttled(LinliError):
    """Too many tries in a short time."""

    text = "操作太频繁，请稍后再试。"
