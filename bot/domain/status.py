"""The ticket's life: states, steps, and who may take them. One table, used by all."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from bot.domain.errors import AlreadyTaken, NotAllowed, WrongState


class Status(str, Enum):
    """States of a ticket (工单状态)."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    DISPATCHED = "dispatched"
    RETURNED = "returned"
    ACCEPTED = "accepted"
    IN_PROGRESS = "in_progress"
    SUSPENDED = "suspended"
    RESOLVED = "resolved"
    CLOSED = "closed"
    REOPENED = "reopened"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    WITHDRAWN = "withdrawn"


STATUS_NAMES = {
    Status.DRAFT: "草稿",
    Status.SUBMITTED: "已提交",
    Status.DISPATCHED: "待接单",
    Status.RETURNED: "已退单",
    Status.ACCEPTED: "已接单",
    Status.IN_PROGRESS: "办理中",
    Status.SUSPENDED: "已挂起",
    Status.RESOLVED: "已办结",
    Status.CLOSED: "已关闭",
    Status.REOPENED: "重新办理",
    Status.REJECTED: "不予受理",
    Status.DUPLICATE: "重复并单",
    Status.WITHDRAWN: "已撤回",
}

FINAL = frozenset({Status.CLOSED, Status.REJECTED, Status.DUPLICATE, Status.WITHDRAWN})
OPEN = frozenset(Status) - FINAL - {Status.DRAFT, Status.RESOLVED}
WITH_ASSIGNEE = frozenset({Status.ACCEPTED, Status.IN_PROGRESS, Status.SUSPENDED, Status.REOPENED})


class Actor(str, Enum):
    """In which capacity someone acts on one ticket."""

    RESIDENT = "resident"
    ASSIGNEE = "assignee"
    DISPATCHER = "dispatcher"
    SUPERIOR = "superior"  # a lead of the next level up
    CO_HANDLER = "co_handler"  # a department that was whistled in (会办)
    CALLER = "caller"  # calls the resident back and had no part in the work (回访)
    SYSTEM = "system"


class Step(str, Enum):
    """Things that happen to a ticket; also the `kind` of its event row."""

    SUBMIT = "submit"
    DISPATCH = "dispatch"
    REJECT = "reject"
    MARK_DUPLICATE = "mark_duplicate"
    ACCEPT = "accept"
    RETURN = "return"
    CONTACT = "contact"
    NOTE = "note"
    SUSPEND = "suspend"
    RESUME = "resume"
    TRANSFER = "transfer"
    ESCALATE = "escalate"
    RESOLVE = "resolve"
    CLOSE = "close"
    RATE = "rate"
    REOPEN = "reopen"
    WITHDRAW = "withdraw"
    URGE = "urge"
    ADD = "add"
    ALERT = "alert"
    SUPERVISE = "supervise"
    RAISE = "raise"  # late: one level up, the owner stays
    ASK_SUSPEND = "ask_suspend"
    DENY_SUSPEND = "deny_suspend"
    WHISTLE = "whistle"
    CHECK_IN = "check_in"
    CO_DONE = "co_done"
    APPEAL = "appeal"
    GRANT_APPEAL = "grant_appeal"
    DENY_APPEAL = "deny_appeal"
    CALL_BACK = "call_back"
    RECLASSIFY = "reclassify"  # filed under the wrong service item


STEP_NAMES = {
    Step.SUBMIT: "提交诉求",
    Step.DISPATCH: "平台派单",
    Step.REJECT: "不予受理",
    Step.MARK_DUPLICATE: "并入重复工单",
    Step.ACCEPT: "接单",
    Step.RETURN: "退单",
    Step.CONTACT: "联系居民",
    Step.NOTE: "办理记录",
    Step.SUSPEND: "挂起",
    Step.RESUME: "恢复办理",
    Step.TRANSFER: "转派",
    Step.ESCALATE: "上报",
    Step.RESOLVE: "办结",
    Step.CLOSE: "关闭",
    Step.RATE: "居民评价",
    Step.REOPEN: "重新办理",
    Step.WITHDRAW: "居民撤回",
    Step.URGE: "居民催办",
    Step.ADD: "居民补充",
    Step.ALERT: "时限提醒",
    Step.SUPERVISE: "督办",
    Step.RAISE: "超时提级",
    Step.ASK_SUSPEND: "申请挂起",
    Step.DENY_SUSPEND: "不同意挂起",
    Step.WHISTLE: "吹哨",
    Step.CHECK_IN: "部门报到",
    Step.CO_DONE: "会办完成",
    Step.APPEAL: "居民申诉",
    Step.GRANT_APPEAL: "申诉成立",
    Step.DENY_APPEAL: "申诉不成立",
    Step.CALL_BACK: "独立回访",
    Step.RECLASSIFY: "改事项",
}


@dataclass(frozen=True)
class Rule:
    """`step` may be taken from `sources` by `actors`; `target` None keeps the state."""

    step: Step
    sources: frozenset[Status]
    target: Status | None
    actors: frozenset[Actor]


def _rule(step: Step, sources: object, target: Status | None, *actors: Actor) -> Rule:
    several = sources if isinstance(sources, frozenset) else frozenset({sources})
    return Rule(step, several, target, frozenset(actors))  # type: ignore[arg-type]


S, A = Status, Actor
RULES: tuple[Rule, ...] = (
    _rule(Step.SUBMIT, S.DRAFT, S.SUBMITTED, A.RESIDENT, A.DISPATCHER),
    _rule(
        Step.DISPATCH, frozenset({S.SUBMITTED, S.RETURNED}), S.DISPATCHED, A.SYSTEM, A.DISPATCHER
    ),
    # A dispatcher may send a task that nobody has taken yet to someone else.
    _rule(Step.DISPATCH, S.DISPATCHED, S.DISPATCHED, A.DISPATCHER),
    _rule(
        Step.REJECT, frozenset({S.SUBMITTED, S.DISPATCHED, S.RETURNED}), S.REJECTED, A.DISPATCHER
    ),
    _rule(
        Step.MARK_DUPLICATE,
        frozenset({S.SUBMITTED, S.DISPATCHED, S.RETURNED, S.ACCEPTED, S.IN_PROGRESS}),
        S.DUPLICATE,
        A.DISPATCHER,
    ),
    _rule(Step.ACCEPT, S.DISPATCHED, S.ACCEPTED, A.ASSIGNEE),
    _rule(Step.RETURN, S.DISPATCHED, S.RETURNED, A.ASSIGNEE),
    _rule(
        Step.CONTACT,
        frozenset({S.ACCEPTED, S.REOPENED}),
        S.IN_PROGRESS,
        A.ASSIGNEE,
    ),
    _rule(Step.CONTACT, S.IN_PROGRESS, None, A.ASSIGNEE),
    _rule(Step.ASK_SUSPEND, S.IN_PROGRESS, None, A.ASSIGNEE),
    _rule(Step.DENY_SUSPEND, S.IN_PROGRESS, None, A.SUPERIOR, A.DISPATCHER),
    _rule(Step.SUSPEND, S.IN_PROGRESS, S.SUSPENDED, A.SUPERIOR, A.DISPATCHER),
    _rule(Step.RESUME, S.SUSPENDED, S.IN_PROGRESS, A.ASSIGNEE, A.SUPERIOR, A.DISPATCHER, A.SYSTEM),
    _rule(
        Step.TRANSFER,
        frozenset({S.ACCEPTED, S.IN_PROGRESS, S.REOPENED}),
        S.DISPATCHED,
        A.ASSIGNEE,
        A.DISPATCHER,
    ),
    _rule(Step.ESCALATE, OPEN - {S.SUBMITTED}, S.DISPATCHED, A.ASSIGNEE, A.RESIDENT, A.SYSTEM),
    _rule(Step.RESOLVE, S.IN_PROGRESS, S.RESOLVED, A.ASSIGNEE),
    _rule(Step.RATE, S.RESOLVED, S.CLOSED, A.RESIDENT),
    # Merged tickets are rated by their own residents; the ticket itself stays merged.
    _rule(Step.RATE, S.DUPLICATE, None, A.RESIDENT),
    _rule(Step.CLOSE, S.RESOLVED, S.CLOSED, A.SYSTEM, A.CALLER),
    _rule(Step.CALL_BACK, frozenset({S.RESOLVED, S.CLOSED}), None, A.CALLER),
    _rule(Step.REOPEN, frozenset({S.RESOLVED, S.CLOSED}), S.REOPENED, A.RESIDENT, A.CALLER),
    _rule(Step.APPEAL, frozenset({S.REJECTED, S.DUPLICATE}), None, A.RESIDENT),
    _rule(Step.GRANT_APPEAL, frozenset({S.REJECTED, S.DUPLICATE}), S.DISPATCHED, A.SUPERIOR),
    _rule(Step.DENY_APPEAL, frozenset({S.REJECTED, S.DUPLICATE}), None, A.SUPERIOR),
    _rule(Step.WITHDRAW, OPEN, S.WITHDRAWN, A.RESIDENT),
    _rule(Step.NOTE, OPEN, None, A.ASSIGNEE, A.DISPATCHER, A.SUPERIOR, A.CO_HANDLER),
    _rule(Step.RECLASSIFY, OPEN - {S.SUBMITTED, S.SUSPENDED}, None, A.ASSIGNEE, A.DISPATCHER),
    _rule(Step.WHISTLE, WITH_ASSIGNEE, None, A.DISPATCHER),
    _rule(Step.CHECK_IN, OPEN, None, A.CO_HANDLER),
    _rule(Step.CO_DONE, OPEN, None, A.CO_HANDLER),
    _rule(Step.URGE, OPEN, None, A.RESIDENT),
    _rule(Step.ADD, OPEN | {S.RESOLVED}, None, A.RESIDENT),
    _rule(Step.ALERT, OPEN, None, A.SYSTEM),
    _rule(Step.RAISE, OPEN - {S.SUBMITTED}, None, A.SYSTEM),
    _rule(Step.SUPERVISE, OPEN, None, A.SYSTEM, A.SUPERIOR, A.DISPATCHER),
)


def allowed(status: Status, actors: frozenset[Actor]) -> frozenset[Step]:
    """Steps that someone acting as `actors` may take from `status`."""
    return frozenset(r.step for r in RULES if status in r.sources and r.actors & actors)


def check(step: Step, status: Status, actors: frozenset[Actor]) -> Status:
    """The status after `step`; raises AlreadyTaken, WrongState or NotAllowed."""
    rules = [r for r in RULES if r.step is step]
    here = [r for r in rules if status in r.sources]
    if not here:
        if step is Step.ACCEPT and status in WITH_ASSIGNEE:
            raise AlreadyTaken()
        raise WrongState(f"工单{STATUS_NAMES[status]}，不能{STEP_NAMES[step]}。")
    for rule in here:
        if rule.actors & actors:
            return rule.target or status
    raise NotAllowed()
