"""Forms of the steps that dispatchers and leads take on work that others do."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy.orm import sessionmaker

from bot.desk.staff.step_form import WAITING, StepForm, Values
from bot.domain.status import Step
from bot.services import merging, oversight, staff_steps, suspension, whistle


def _dispatch(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return staff_steps.dispatch_to(f, number, me, v.colleague, now, v.note)


def _whistle(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return whistle.whistle(f, number, me, v.departments, v.note, now)


def _suspend(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return suspension.suspend(f, number, me, v.note, now, waiting_for=v.choice)


def _approve(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return suspension.decide(f, number, me, True, now)


def _deny_suspend(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return suspension.decide(f, number, me, False, now, v.note)


def _reject(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return staff_steps.reject(f, number, me, v.note, now)


def _supervise(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return oversight.supervise(f, number, me, v.note, now)


def _grant(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return oversight.decide_appeal(f, number, me, True, v.note, now)


def _deny(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return oversight.decide_appeal(f, number, me, False, v.note, now)


def _merge(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return merging.merge(f, number, v.numbers, me, v.note, now)


LEAD = (
    StepForm(
        Step.GRANT_APPEAL,
        "申诉成立",
        "申诉成立，已重新派单",
        _grant,
        label="复核意见",
        hint="写明为什么成立，会记入工单历史。",
        confirm="工单会重新派单，时限从现在起重新计算，居民会收到通知。确认申诉成立吗？",
    ),
    StepForm(
        Step.DENY_APPEAL,
        "维持原处理",
        "已维持原处理，居民已收到意见",
        _deny,
        label="复核意见",
        hint="居民会看到这段话。",
        confirm="居民会收到复核意见，并且不能再次申诉。确认维持原处理吗？",
        warn=True,
    ),
    StepForm(
        Step.DISPATCH,
        "派单",
        "已派单",
        _dispatch,
        label="派单说明",
        hint="选填，承办人会看到。",
        optional=True,
        colleague=True,
    ),
    StepForm(
        Step.WHISTLE,
        "吹哨",
        "已吹哨，等待部门报到",
        _whistle,
        label="请部门做什么",
        hint="部门会收到任务，居民会收到通知。各部门都完成后才能办结。",
        departments=True,
    ),
    StepForm(
        Step.SUPERVISE,
        "督办",
        "已督办，承办人已收到",
        _supervise,
        label="督办要求",
        hint="要做什么、什么时候做完。承办人和首接负责人会收到。",
    ),
    StepForm(
        Step.MARK_DUPLICATE,
        "并单",
        "已并入，居民已收到通知",
        _merge,
        label="并单说明",
        hint="工单历史里会留下这段话。",
        optional=True,
        merges=True,
        confirm="并入的工单不再单独办理，不能撤销；各家居民会收到通知，各自评价。确认并单吗？",
    ),
    StepForm(
        Step.SUSPEND,
        "挂起",
        "已挂起，时限暂停",
        _suspend,
        label="挂起原因",
        hint="只在等居民或等第三方时挂起，居民会看到原因。",
        choices=WAITING,
    ),
    StepForm(
        Step.DENY_SUSPEND,
        "不同意挂起",
        "已回复不同意",
        _deny_suspend,
        label="不同意的原因",
        hint="承办人会看到。",
    ),
    StepForm(
        Step.REJECT,
        "不予受理",
        "已不予受理，居民已收到原因",
        _reject,
        label="不予受理的原因",
        hint="居民会看到这段话，并可以申诉。",
        confirm="工单会就此结束，居民会收到原因。确认不予受理吗？",
        warn=True,
    ),
)
# In place of 挂起 while a request waits for an answer.
APPROVE = StepForm(
    Step.SUSPEND,
    "同意挂起",
    "已同意挂起，时限暂停",
    _approve,
    confirm="同意后办结时限暂停。同意吗？",
)
