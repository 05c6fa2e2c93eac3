"""Forms of the steps of the work itself, and which of all forms is shown when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import sessionmaker

from bot.desk.staff.lead_forms import APPROVE, LEAD
from bot.desk.staff.step_form import WAITING, StepForm, Values
from bot.domain.status import Step
from bot.services import staff_steps, suspension, whistle
from bot.services.reclassifying import reclassify


def _accept(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return staff_steps.accept(f, number, me, now, v.version)


def _contact(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return staff_steps.contact(f, number, me, v.note, now, v.version)


def _note(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return staff_steps.add_note(f, number, me, v.note, now, v.photos)


def _resolve(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return staff_steps.resolve(f, number, me, v.note, now, v.photos, v.version)


def _return(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return staff_steps.return_ticket(
        f, number, me, v.note, now, suggest=v.suggest, version=v.version
    )


def _transfer(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return staff_steps.transfer(f, number, me, v.colleague, v.note, now, v.version)


def _escalate(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return staff_steps.escalate(f, number, me, v.note, now, v.version)


def _ask_suspend(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return suspension.ask(f, number, me, v.note, now, waiting_for=v.choice)


def _resume(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return suspension.resume(f, number, me, now)


def _reclassify(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return reclassify(f, number, me, v.item, now, v.note, v.version)


def _check_in(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return whistle.check_in(f, number, me, now, v.note)


def _co_done(f: sessionmaker, number: str, me: int, v: Values, now: dt.datetime) -> Any:
    return whistle.finish(f, number, me, v.note, now)


WORK = (
    StepForm(Step.ACCEPT, "接单", "已接单，请尽快联系居民", _accept),
    StepForm(
        Step.CONTACT,
        "记录联系",
        "已记录联系",
        _contact,
        label="联系情况",
        hint="怎么联系的、说了什么、约了什么时间。第一次联系居民会收到这段话。",
        optional=True,
    ),
    StepForm(
        Step.RESOLVE,
        "办结",
        "已办结，已请居民评价",
        _resolve,
        label="做了什么",
        hint="写清怎么解决的，居民会看到这段话和照片。",
        photos=True,
        confirm="办结后居民会收到通知并评价，不能撤销。确认办结吗？",
    ),
    StepForm(
        Step.NOTE,
        "添加记录",
        "记录已保存",
        _note,
        label="办理记录",
        hint="只有工作人员能看到。",
        photos=True,
    ),
    StepForm(
        Step.RESUME, "恢复办理", "已恢复办理", _resume, confirm="恢复后办结时限继续计时，确认吗？"
    ),
    StepForm(
        Step.TRANSFER,
        "转派",
        "已转派，等待对方接单",
        _transfer,
        label="转派原因",
        hint="对方接单后由对方办理，首接负责不变。",
        colleague=True,
    ),
    StepForm(
        Step.RECLASSIFY,
        "改事项",
        "已改事项，已告诉居民",
        _reclassify,
        label="为什么改",
        hint="只有工作人员能看到。改对了，机器人下次也会听懂。",
        optional=True,
        items=True,
    ),
    StepForm(
        Step.CHECK_IN,
        "报到",
        "已报到",
        _check_in,
        label="报到说明",
        hint="谁去、什么时候到。",
        optional=True,
    ),
    StepForm(
        Step.CO_DONE,
        "会办完成",
        "会办已完成，已告诉承办人",
        _co_done,
        label="部门做了什么",
        hint="承办人会看到。",
    ),
    StepForm(
        Step.ESCALATE,
        "上报",
        "已上报到上一级",
        _escalate,
        label="上报原因",
        hint="说明本级为什么办不了、需要什么支持。居民会收到上报的通知。",
    ),
    StepForm(
        Step.ASK_SUSPEND,
        "申请挂起",
        "已提交申请，等待上一级同意",
        _ask_suspend,
        label="挂起原因",
        hint="只在等居民或等第三方时挂起，上一级同意后时限暂停。",
        choices=WAITING,
    ),
    StepForm(
        Step.RETURN,
        "退单",
        "已退单",
        _return,
        label="退单原因",
        hint="不属于本人职责等。退单后由平台改派，两次退单转人工派单。",
        suggest=True,
        confirm="退单后不能撤销，会记入工单历史。确认退单吗？",
        warn=True,
    ),
)
# What ends the matter for somebody stands last.
_ALL = sorted((*WORK, *LEAD), key=lambda form: form.warn)
FORMS = {form.step: form for form in _ALL}
ORDER = tuple(FORMS)


def form_for(step: Step, *, asked: bool) -> StepForm:
    """The form of a step; `asked` when a request for a pause waits for an answer."""
    return APPROVE if asked and step is Step.SUSPEND else FORMS[step]


def primary(steps: Iterable[Step], status: str, *, asked: bool) -> Step | None:
    """The step that comes next in the normal course of work."""
    wanted = set(steps)
    if Step.GRANT_APPEAL in wanted:
        return Step.GRANT_APPEAL
    course = [Step.ACCEPT, Step.RESOLVE, Step.CONTACT, Step.RESUME, Step.CHECK_IN, Step.CO_DONE]
    if status in ("submitted", "returned"):
        course.append(Step.DISPATCH)
    if asked:
        course.append(Step.SUSPEND)
    return next((step for step in course if step in wanted), None)
