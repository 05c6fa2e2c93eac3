"""Pauses, whistles, merging, supervision, appeals, call-backs, proxies and volunteers."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import select, update

from bot.domain.errors import AlreadyTaken, BadInput, NotAllowed, NotFound, WrongState
from bot.domain.worktime import SHANGHAI
from bot.services import (
    callbacks,
    double_reporting,
    drawing,
    errands,
    ladder,
    merging,
    oversight,
    proxy,
    resident_steps,
    residents,
    staff_steps,
    suspension,
    whistle,
)
from bot.services.clock import CALENDAR
from bot.services.double_reporting import SignUp
from bot.services.proxy import ForSomeone
from bot.services.what_if import what_if
from bot.store.models import Outbox, Ticket, TicketEvent
from bot.store.models_life import CallBack, CoTask, Volunteer
from tests.databases import Database
from tests.people import (
    HOUR,
    MORNING,
    all_at_once,
    finish_work,
    holder,
    kinds,
    open_ticket,
    resident,
    start_work,
    ticket,
    told,
)

DAY = dt.timedelta(days=1)


def local(day: int, hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime(2026, 11, day, hour, minute, tzinfo=SHANGHAI)


# --- pauses --------------------------------------------------------------------------------


def test_a_pause_is_asked_for_approved_by_another_and_stops_the_clock(database: Database):
    number = open_ticket(database, resident(database)).number
    who = start_work(database, number)
    due = ticket(database, number).resolve_due
    lead = database.member_id("wang_haiyan")
    ask = {"waiting_for": "third_party"}
    for _ in range(2):
        suspension.ask(database.factory, number, who, "等配件到货", MORNING, **ask)
    assert kinds(database, number).count("ask_suspend") == 1
    assert any("申请挂起" in text for text in told(database, "member", lead))
    with pytest.raises(NotAllowed, match="自己"):
        suspension.decide(database.factory, number, who, True, MORNING)
    suspension.decide(database.factory, number, lead, True, MORNING)
    assert ticket(database, number).status == "suspended"
    assert ladder.sweep(database.factory, MORNING + 5 * DAY) == 0  # nothing is due meanwhile
    back = local(26, 9, 30)  # two working days later
    staff_steps.resume(database.factory, number, who, back)
    row = ticket(database, number)
    assert row.resolve_due == CALENDAR.add(due, 2 * CALENDAR.day_length)
    assert row.paused_seconds == 2 * CALENDAR.day_length.total_seconds()
    assert ladder.sweep(database.factory, back + HOUR) == 0  # and no alert is early


def test_a_refused_pause_leaves_the_clock_running(database: Database):
    number = open_ticket(database, resident(database)).number
    who = start_work(database, number)
    suspension.ask(database.factory, number, who, "太忙", MORNING, waiting_for="resident")
    lead = database.member_id("wang_haiyan")
    with pytest.raises(BadInput):
        suspension.decide(database.factory, number, lead, False, MORNING)
    suspension.decide(database.factory, number, lead, False, MORNING, "忙不是挂起的理由")
    assert ticket(database, number).status == "in_progress"
    with pytest.raises(NotFound):
        suspension.decide(database.factory, number, lead, True, MORNING)


def test_the_pause_ends_by_itself_at_the_cap_and_cannot_be_had_again(database: Database):
    number = open_ticket(database, resident(database)).number
    start_work(database, number)
    lead = database.member_id("wang_haiyan")
    staff_steps.suspend(database.factory, number, lead, "等第三方鉴定", MORNING)
    until = ticket(database, number).next_check_at
    assert CALENDAR.between(MORNING, until) == 10 * CALENDAR.day_length
    ladder.sweep(database.factory, until)
    assert ticket(database, number).status == "in_progress"
    with pytest.raises(WrongState, match="上限"):
        staff_steps.suspend(database.factory, number, lead, "再等等", until + HOUR)


def test_work_goes_on_when_the_resident_answers(database: Database):
    me = resident(database)
    number = open_ticket(database, me).number
    who = start_work(database, number)
    suspension.ask(database.factory, number, who, "请居民补照片", MORNING, waiting_for="resident")
    lead = database.member_id("wang_haiyan")
    suspension.decide(database.factory, number, lead, True, MORNING)
    resident_steps.add(database.factory, number, me, "照片来了", MORNING + HOUR, key="k1")
    assert ticket(database, number).status == "in_progress"


# --- whistle -------------------------------------------------------------------------------


def test_three_departments_come_and_all_must_finish_before_it_is_resolved(database: Database):
    number = open_ticket(database, resident(database)).number
    who = start_work(database, number)
    dispatcher = database.member_id("zhao_lei")
    keys = ["minzheng", "zhujian", "gongan"]
    whistle.whistle(database.factory, number, dispatcher, keys, "现场会商", MORNING)
    whistle.whistle(database.factory, number, dispatcher, keys[:1], "再催一次", MORNING)
    with database.factory() as session:
        tasks = session.scalars(select(CoTask).order_by(CoTask.id)).all()
    assert len(tasks) == 3  # no department twice
    with pytest.raises(WrongState, match="还没有完成"):
        staff_steps.resolve(database.factory, number, who, "修好了", MORNING)
    for task in tasks:
        assert any("吹哨" in text for text in told(database, "member", task.member_id))
        whistle.check_in(database.factory, number, task.member_id, MORNING)
        whistle.finish(database.factory, number, task.member_id, "已到现场处理", MORNING)
    assert any("会办全部完成" in text for text in told(database, "member", who))
    staff_steps.resolve(database.factory, number, who, "修好了", MORNING)
    assert ticket(database, number).status == "resolved"


def test_only_the_community_whistles_and_only_the_department_checks_in(database: Database):
    number = open_ticket(database, resident(database)).number
    who = start_work(database, number)
    with pytest.raises(NotAllowed):
        whistle.whistle(database.factory, number, who, ["zhujian"], "来看看", MORNING)
    dispatcher = database.member_id("zhao_lei")
    with pytest.raises(NotFound):
        whistle.whistle(database.factory, number, dispatcher, ["none"], "来看看", MORNING)
    whistle.whistle(database.factory, number, dispatcher, ["zhujian"], "来看看", MORNING)
    with pytest.raises(NotFound):
        whistle.check_in(database.factory, number, dispatcher, MORNING)
    with pytest.raises(NotFound):  # another department does not even see the ticket
        whistle.check_in(database.factory, number, database.member_id("liang_yan"), MORNING)


def test_a_department_that_does_not_come_is_reminded_once_for_each_mark(database: Database):
    number = open_ticket(database, resident(database)).number
    start_work(database, number)
    dispatcher = database.member_id("zhao_lei")
    whistle.whistle(database.factory, number, dispatcher, ["zhujian"], "来看看", MORNING)
    for moment in (local(24, 15), local(24, 16), local(27, 10), local(27, 11)):
        whistle.sweep(database.factory, moment)
    late = [t for t in told(database, "member", database.member_id("peng_yong")) if "督办" in t]
    assert [("未按时报到" in t, "会办超时" in t) for t in late] == [(True, False), (False, True)]
    assert len([t for t in told(database, "member", dispatcher) if "督办" in t]) == 2


# --- merging -------------------------------------------------------------------------------


def four_about_one_pipe(database: Database) -> tuple[list[int], list[str]]:
    people = [resident(database, f"r{n}") for n in range(4)]
    words = ["楼道水管漏水", "楼道的水管在漏水", "水管漏水到楼道了", "楼道水管坏了漏水"]
    rooms = ["101", "201", "301", "401"]
    numbers = [
        open_ticket(database, who, words=w, unit="2", room=r).number
        for who, w, r in zip(people, words, rooms, strict=True)
    ]
    return people, numbers


def test_four_tickets_about_one_pipe_become_one_and_all_four_residents_rate(database: Database):
    people, numbers = four_about_one_pipe(database)
    other = open_ticket(database, resident(database, "x"), words="马桶冲不动，要换一个").number
    dispatcher = database.member_id("zhao_lei")
    near = merging.suggest(database.factory, numbers[0], dispatcher, MORNING)
    assert {s.number for s in near} == set(numbers[1:])
    assert other not in {s.number for s in near}
    for _ in range(2):
        merging.merge(database.factory, numbers[0], numbers[1:], dispatcher, "", MORNING)
    assert [ticket(database, n).status for n in numbers[1:]] == ["duplicate"] * 3
    assert kinds(database, numbers[1]).count("mark_duplicate") == 1
    with pytest.raises(WrongState, match="还没有办结"):
        resident_steps.rate(database.factory, numbers[1], people[1], MORNING, stars=5)
    finish_work(database, numbers[0])
    for who, number in zip(people[1:], numbers[1:], strict=True):
        texts = " ".join(told(database, "resident", who))
        assert "评一评" in texts
        assert number in texts
        assert numbers[0] not in texts  # nothing of the neighbour
        assert "101" not in texts
    resident_steps.rate(database.factory, numbers[1], people[1], MORNING, stars=4)
    resident_steps.rate(database.factory, numbers[2], people[2], MORNING, stars=2, solved=False)
    assert ticket(database, numbers[0]).status == "reopened"
    assert (ticket(database, numbers[1]).stars, ticket(database, numbers[2]).solved) == (4, False)
    # All hear that it is done again, but for the one who asked and has the answer to that.
    again = [sum("重新办理" in text for text in told(database, "resident", who)) for who in people]
    assert again == [1, 1, 0, 1]


def test_old_or_private_tickets_are_not_suggested_or_merged(database: Database):
    _, numbers = four_about_one_pipe(database)
    dispatcher = database.member_id("zhao_lei")
    later = MORNING + 20 * DAY
    assert merging.suggest(database.factory, numbers[0], dispatcher, later) == []
    with pytest.raises(BadInput, match="自己"):
        merging.merge(database.factory, numbers[0], numbers[:1], dispatcher, "", MORNING)
    with database.factory.begin() as session:
        session.execute(
            update(Ticket)
            .where(Ticket.number == numbers[1])
            .values(private=True, node_id=database_node(session))
        )
    with pytest.raises(BadInput, match="保密"):
        merging.merge(database.factory, numbers[0], numbers[1:2], dispatcher, "", MORNING)


def database_node(session) -> int:
    from bot.store.models import OrgNode

    return session.scalars(select(OrgNode.id).where(OrgNode.key == "xinglin")).one()


# --- supervision, appeals, call-backs ------------------------------------------------------


def test_supervision_reaches_the_holder_and_the_first_owner(database: Database):
    number = open_ticket(database, resident(database)).number
    first = start_work(database, number)
    staff_steps.transfer(database.factory, number, first, "wang_haiyan", "转", MORNING)
    secretary = database.member_id("liu_fang")
    oversight.supervise(database.factory, number, secretary, "今天必须上门", MORNING)
    assert ticket(database, number).supervised
    for who in (first, database.member_id("wang_haiyan")):
        assert any("今天必须上门" in text for text in told(database, "member", who))
    with pytest.raises(NotAllowed):
        oversight.supervise(database.factory, number, first, "x", MORNING)


def test_an_appeal_is_decided_by_somebody_else_and_starts_again(database: Database):
    me = resident(database)
    number = open_ticket(database, me).number
    dispatcher = database.member_id("zhao_lei")
    staff_steps.reject(database.factory, number, dispatcher, "不属于社区", MORNING)
    for _ in range(2):
        oversight.appeal(database.factory, number, me, "明明是公共管道", MORNING)
    assert kinds(database, number).count("appeal") == 1
    with pytest.raises(NotAllowed, match="其他人"):
        oversight.decide_appeal(database.factory, number, dispatcher, True, "可以", MORNING)
    secretary = database.member_id("liu_fang")
    later = MORNING + DAY
    oversight.decide_appeal(database.factory, number, secretary, True, "属公共部位", later)
    row = ticket(database, number)
    assert (row.status, row.appeal) == ("dispatched", "granted")
    assert row.resolve_due > later + 3 * DAY
    assert "申诉成立" in told(database, "resident", me)[-1]


def test_a_denied_appeal_is_final(database: Database):
    me = resident(database)
    number = open_ticket(database, me).number
    dispatcher, secretary = database.member_id("zhao_lei"), database.member_id("liu_fang")
    staff_steps.reject(database.factory, number, dispatcher, "不属于社区", MORNING)
    oversight.appeal(database.factory, number, me, "不服", MORNING)
    oversight.decide_appeal(database.factory, number, secretary, False, "户内自修", MORNING)
    assert ticket(database, number).status == "rejected"
    with pytest.raises(WrongState, match="结论"):
        oversight.appeal(database.factory, number, me, "不服", MORNING)


@pytest.fixture
def drawn(database: Database, monkeypatch) -> tuple[str, int]:
    """A ticket that nobody rated and that is drawn for a call."""
    monkeypatch.setattr(drawing, "SHARES", {"proxy": 1.0, "unrated": 1.0, "sample": 1.0})
    number = open_ticket(database, resident(database)).number
    finish_work(database, number)
    ladder.sweep(database.factory, MORNING + 7 * DAY)
    with database.factory() as session:
        return number, session.scalars(select(CallBack.id)).one()


def test_a_call_back_counts_apart_and_only_from_someone_who_had_no_part(database: Database, drawn):
    number, call = drawn
    now = MORNING + 8 * DAY
    owner, caller = holder(database, number), database.member_id("zhao_lei")
    with pytest.raises(NotAllowed, match="没有经手"):
        callbacks.called(database.factory, call, owner, now, solved=True)
    assert [c.number for c in callbacks.to_call(database.factory, caller)] == [number]
    callbacks.called(database.factory, call, caller, now, solved=True, stars=4)
    row = ticket(database, number)
    assert (row.closed_how, row.stars, row.solved) == ("call_back", 4, True)
    assert callbacks.to_call(database.factory, caller) == []
    with pytest.raises(WrongState, match="已经回访"):
        callbacks.called(database.factory, call, caller, now, solved=True)


def test_unsolved_on_the_telephone_reopens(database: Database, drawn):
    number, call = drawn
    caller = database.member_id("zhao_lei")
    status = callbacks.called(
        database.factory, call, caller, MORNING + 8 * DAY, solved=False, words="还在漏"
    )
    assert status == "reopened"
    assert ticket(database, number).reopen_count == 1


def test_who_does_not_answer_is_called_again_but_not_for_ever(database: Database, drawn):
    number, call = drawn
    caller, now = database.member_id("zhao_lei"), MORNING + 8 * DAY
    for tries in (1, 2):
        assert not callbacks.no_answer(database.factory, call, caller, now)
        [again] = callbacks.to_call(database.factory, caller)
        assert (again.number, again.tries) == (number, tries)
        assert again.due > now
    assert callbacks.no_answer(database.factory, call, caller, now)
    assert callbacks.to_call(database.factory, caller) == []
    with pytest.raises(WrongState):
        callbacks.no_answer(database.factory, call, caller, now)
    row = ticket(database, number)
    assert (row.status, row.closed_how, row.solved) == ("closed", "unrated", None)
    with database.factory() as session:
        notes = session.scalars(select(TicketEvent.note).where(TicketEvent.kind == "call_back"))
        assert list(notes) == ["第1次没有打通", "第2次没有打通", "第3次没有打通，不再回访"]


def test_the_draw_is_the_same_each_time_and_takes_about_its_share():
    lots = [drawing._lot(f"LL-20261124-{n:04d}") for n in range(2000)]
    assert lots == [drawing._lot(f"LL-20261124-{n:04d}") for n in range(2000)]
    assert 0.45 < sum(lot < 0.5 for lot in lots) / len(lots) < 0.55


# --- proxy filing and dry run --------------------------------------------------------------


def grandmother(database: Database, **values) -> ForSomeone:
    plain = {
        "name": "何奶奶",
        "building_id": database.building_id("xingfuli_3"),
        "consent_note": "当面口头同意，邻居在场",
    }
    return ForSomeone(**{**plain, **values})


def test_a_building_head_files_for_an_elder_and_hears_for_her(database: Database):
    head = database.member_id("wang_xiulan")
    opened = proxy.file(
        database.factory, head, grandmother(database), "housing/leak_repair", "厨房漏水", MORNING,
        idempotency_key="desk:p1",
    )  # fmt: skip
    row = ticket(database, opened.number)
    assert (row.filed_by_id, row.consent_note) == (head, "当面口头同意，邻居在场")
    finish_work(database, opened.number)
    assert any("代办" in t and "已办结" in t for t in told(database, "member", head))
    ladder.sweep(database.factory, MORNING + 7 * DAY)
    with database.factory() as session:  # she has no chat, so she is always called
        assert session.scalars(select(CallBack.why)).one() == "proxy"


@pytest.mark.parametrize(
    ("change", "error"), [({"consent_note": " "}, BadInput), ({"name": ""}, BadInput)]
)
def test_no_proxy_without_name_and_consent(database: Database, change, error):
    head = database.member_id("wang_xiulan")
    with pytest.raises(error):
        proxy.file(
            database.factory, head, grandmother(database, **change), "housing/leak_repair", "漏水",
            MORNING, idempotency_key="desk:p1",
        )  # fmt: skip


def test_no_proxy_outside_the_own_area(database: Database):
    stranger = database.member_id("deng_fuquan")
    with pytest.raises(NotAllowed, match="片区"):
        proxy.file(
            database.factory, stranger, grandmother(database), "housing/leak_repair", "漏水",
            MORNING, idempotency_key="desk:p1",
        )  # fmt: skip


def test_a_dry_run_says_who_and_writes_nothing(database: Database):
    building, item = database.building_id("xingfuli_3"), "housing/leak_repair"
    dispatcher = database.member_id("zhao_lei")
    preview = what_if(database.factory, dispatcher, item, building, MORNING)
    assert told(database, "member") == []
    opened = open_ticket(database, resident(database))
    assert preview.who == opened.who
    assert preview.reason
    danger = what_if(database.factory, dispatcher, item, building, local(24, 3), urgency="danger")
    assert danger.level_name == "网格党支部"
    assert "紧急" in danger.reason
    with pytest.raises(NotAllowed):
        what_if(database.factory, database.member_id("yang_jie"), item, building, MORNING)


# --- double reporting ----------------------------------------------------------------------

EVENINGS = [{"days": [1, 2, 3, 4, 5], "start": "18:00", "end": "21:00"}]


def volunteer(database: Database, n: int, **values) -> tuple[int, int]:
    """(volunteer, resident) of a Party member who is free in the evening."""
    plain = {
        "kind": "member",
        "name": f"党员{n}",
        "phone": f"1380000000{n}",
        "community": "xinglin",
        "skills": ["repair"],
        "hours": EVENINGS,
    }
    who = resident(database, f"v{n}")
    offer = SignUp(**{**plain, **values})
    return double_reporting.sign_up(database.factory, offer, MORNING, resident_id=who), who


def test_an_errand_goes_to_the_first_who_says_yes_and_the_time_is_credited(database: Database):
    people = [volunteer(database, n) for n in range(3)]
    clerk = volunteer(database, 4, skills=["law"])
    lead = database.member_id("wang_haiyan")
    evening = local(25, 19)
    errand = double_reporting.post(
        database.factory, lead, "给李爷爷换灯泡", "repair", evening, MORNING
    )
    assert all(told(database, "resident", who) for _, who in people)
    assert told(database, "resident", clerk[1]) == []
    assert [o.id for o in double_reporting.offers(database.factory, people[0][0], MORNING)] == [
        errand
    ]
    takes = [
        lambda v=v: double_reporting.take(database.factory, errand, v, MORNING) for v, _ in people
    ]
    results = all_at_once(takes)
    assert sum(r is None for r in results) == 1
    assert sum(isinstance(r, AlreadyTaken) for r in results) == 2
    assert len([t for t in told(database, "member", lead) if "认领" in t]) == 1
    total = double_reporting.confirm(database.factory, errand, lead, 45, evening + HOUR)
    assert total == 45
    with pytest.raises(WrongState):
        double_reporting.confirm(database.factory, errand, lead, 45, evening + HOUR)
    with database.factory() as session:
        credits = session.scalars(select(Volunteer.credited_minutes).order_by(Volunteer.id)).all()
    assert sorted(credits) == [0, 0, 0, 45]


def test_who_cannot_come_is_let_off_and_the_others_are_asked_again(database: Database):
    (first, chat), (second, other) = volunteer(database, 1), volunteer(database, 2)
    lead, evening = database.member_id("wang_haiyan"), local(25, 19)
    errand = double_reporting.post(database.factory, lead, "换灯泡", "repair", evening, MORNING)
    double_reporting.take(database.factory, errand, first, MORNING)
    assert told(database, "resident", other) == []  # it was to go out in the evening
    later = MORNING + HOUR
    double_reporting.release(database.factory, errand, lead, later)
    assert [o.id for o in double_reporting.offers(database.factory, second, later)] == [errand]
    assert len(told(database, "resident", other)) == 1
    assert told(database, "resident", chat) == []
    with pytest.raises(WrongState):
        double_reporting.release(database.factory, errand, lead, later)
    double_reporting.take(database.factory, errand, second, later)
    assert len([t for t in told(database, "member", lead) if "认领" in t]) == 2


def test_a_cancelled_wish_is_nobodys_and_who_had_said_yes_is_told(database: Database):
    (first, chat), (second, _) = volunteer(database, 1), volunteer(database, 2)
    lead, evening = database.member_id("wang_haiyan"), local(25, 19)
    errand = double_reporting.post(database.factory, lead, "换灯泡", "repair", evening, MORNING)
    double_reporting.take(database.factory, errand, first, MORNING)
    for _ in range(2):
        double_reporting.cancel(database.factory, errand, lead, MORNING + HOUR)
    [words] = told(database, "resident", chat)
    assert "取消" in words
    assert double_reporting.offers(database.factory, second, MORNING + HOUR) == []
    with pytest.raises(AlreadyTaken, match="取消"):
        double_reporting.take(database.factory, errand, second, MORNING + HOUR)
    with pytest.raises(WrongState):
        double_reporting.confirm(database.factory, errand, lead, 30, evening + HOUR)
    done = double_reporting.post(database.factory, lead, "修门", "repair", evening, MORNING)
    double_reporting.take(database.factory, done, second, MORNING)
    double_reporting.confirm(database.factory, done, lead, 30, evening + HOUR)
    with pytest.raises(WrongState, match="不能取消"):
        double_reporting.cancel(database.factory, done, lead, evening + HOUR)


def test_wishes_outside_a_volunteers_hours_or_community_are_not_offered(database: Database):
    who, _ = volunteer(database, 1)
    far, _ = volunteer(database, 2, community="guiyuan")
    lead = database.member_id("wang_haiyan")
    noon = local(25, 12)
    errand = double_reporting.post(database.factory, lead, "搬东西", "repair", noon, MORNING)
    assert double_reporting.offers(database.factory, who, MORNING) == []
    with pytest.raises(NotFound):
        double_reporting.take(database.factory, errand, far, MORNING)
    with pytest.raises(NotAllowed):
        double_reporting.post(
            database.factory, database.member_id("yang_jie"), "搬东西", "repair", noon, MORNING
        )
    with pytest.raises(BadInput):
        volunteer(database, 3, phone="123")


def test_who_is_forgotten_is_forgotten_as_a_volunteer_too_and_the_wish_stays_done(
    database: Database,
):
    who, person = volunteer(database, 1)
    lead = database.member_id("wang_haiyan")
    errand = double_reporting.post(
        database.factory, lead, "换灯泡", "repair", local(25, 19), MORNING
    )
    double_reporting.take(database.factory, errand, who, MORNING)
    assert any("党员1" in text for text in told(database, "member", lead))
    residents.forget(database.factory, person, MORNING)
    assert not any("党员1" in text for text in told(database, "member", lead))
    assert errands.standing(database.factory, person) is None
    assert double_reporting.offers(database.factory, who, MORNING) == []
    with database.factory() as session:
        row = session.get(Volunteer, who)
    assert (row.name, row.phone, row.resident_id) == ("已注销", "", None)
    assert double_reporting.confirm(database.factory, errand, lead, 30, local(25, 20)) == 30


def test_the_choice_to_appeal_names_only_the_residents_own_ticket(database: Database):
    _, numbers = four_about_one_pipe(database)
    dispatcher = database.member_id("zhao_lei")
    merging.merge(database.factory, numbers[0], numbers[1:], dispatcher, "", MORNING)
    staff_steps.reject(database.factory, numbers[0], dispatcher, "不属于社区", MORNING)
    with database.factory() as session:
        rows = session.scalars(select(Outbox).where(Outbox.kind == "notice")).all()
    for row in rows:
        offered = [b["payload"] for b in row.payload.get("buttons", [])]
        assert all(row.payload["number"] in payload for payload in offered)
    assert sum(bool(row.payload.get("buttons")) for row in rows) == 4
