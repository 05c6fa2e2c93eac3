"""The life of a ticket through the services, on SQLite and on PostgreSQL."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import func, select, update

from bot.domain.errors import AlreadyTaken, BadInput, Conflict, NoConsent, NotFound, WrongState
from bot.domain.levels import Level
from bot.domain.worktime import SHANGHAI
from bot.services import inbox, intake, ladder, outbox, resident_steps, residents, staff_steps
from bot.services.inbox import Inbound
from bot.services.outbox import Outcome
from bot.store.models import (
    Assignment,
    Member,
    Outbox,
    Resident,
    ServiceItem,
    Ticket,
    TicketEvent,
)
from bot.store.queries import ticket_in_scope
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


def test_the_whole_loop(database: Database):
    me = resident(database)
    opened = open_ticket(database, me)
    assert opened.number == "LL-20261124-0001"
    assert "楼栋" in opened.who or "中心户" in opened.who
    who = finish_work(database, opened.number)
    assert resident_steps.rate(database.factory, opened.number, me, MORNING, stars=5) == "closed"
    row = ticket(database, opened.number)
    assert (row.status, row.stars, row.solved, row.closed_how) == ("closed", 5, True, "rated")
    assert row.first_owner_id == who
    steps = ["submit", "dispatch", "accept", "contact", "resolve", "rate"]
    assert kinds(database, opened.number) == steps
    notices = told(database, "resident", me)
    assert [n[-8:] for n in notices if "评一评" in n] == ["解决了吗？满意吗？"[-8:]]
    assert any("已接单" in n for n in notices)


def test_of_two_who_accept_at_once_exactly_one_wins(database: Database):
    number = open_ticket(database, resident(database)).number
    who = holder(database, number)
    accept = [lambda: staff_steps.accept(database.factory, number, who, MORNING)] * 6
    results = all_at_once(accept)
    lost = [r for r in results if isinstance(r, AlreadyTaken)]
    assert len(lost) == 5
    assert lost[0].text == "已被接单。"
    assert kinds(database, number).count("accept") == 1


def test_a_message_handled_by_several_processes_opens_one_ticket(database: Database):
    me = resident(database)
    opens = [lambda: open_ticket(database, me, key="webchat:m1")] * 6
    numbers = {r.number for r in all_at_once(opens)}
    assert len(numbers) == 1
    with database.factory() as session:
        assert session.scalar(select(func.count(Ticket.id))) == 1
        assert session.scalar(select(func.count(Assignment.id))) == 1


def test_ticket_numbers_are_unique_from_the_first_ticket_of_the_day(database: Database):
    people = [resident(database, f"r{n}") for n in range(8)]
    results = all_at_once([lambda who=who: open_ticket(database, who) for who in people])
    assert sorted(r.number[-4:] for r in results) == [f"{n:04d}" for n in range(1, 9)]


def test_nothing_is_opened_without_consent_unless_life_is_in_danger(database: Database):
    me = residents.profile(database.factory, "webchat", "new", MORNING).id
    with pytest.raises(NoConsent):
        open_ticket(database, me)
    opened = open_ticket(database, me, urgency="danger")
    assert opened.also_told


def test_urgent_matters_start_at_the_grid_and_tell_the_community(database: Database):
    opened = open_ticket(database, resident(database), urgency="danger")
    assert ticket(database, opened.number).level == Level.GRID.value
    assert any("社区" in name for name in opened.also_told)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"item": "housing/none"}, NotFound),
        ({"words": "   "}, BadInput),
        ({"on_behalf_of": "奶奶"}, BadInput),
    ],
)
def test_what_does_not_make_sense_opens_nothing(database: Database, change, error):
    me = resident(database)
    with pytest.raises(error):
        open_ticket(database, me, **change)
    with database.factory() as session:
        assert session.scalar(select(func.count(Ticket.id))) == 0


def test_a_return_goes_to_someone_else_and_the_second_locks_it(database: Database):
    number = open_ticket(database, resident(database)).number
    first = holder(database, number)
    staff_steps.return_ticket(database.factory, number, first, "不归我管", MORNING)
    second = holder(database, number)
    assert second != first
    staff_steps.return_ticket(database.factory, number, second, "也不归我管", MORNING)
    row = ticket(database, number)
    assert (row.status, row.locked, row.assignee_id) == ("returned", True, None)
    assert row.level == "community"
    dispatcher = database.member_id("zhao_lei")
    assert any("两次退单" in text for text in told(database, "member", dispatcher))
    staff_steps.dispatch_to(database.factory, number, dispatcher, "wang_haiyan", MORNING)
    assert holder(database, number) == database.member_id("wang_haiyan")
    assert not ticket(database, number).locked


def test_a_suggested_owner_is_preferred(database: Database):
    grid = database.node_id("xinglin_g1")
    with database.factory.begin() as session:
        for n in range(3):
            same = {"role": "grid_member", "node_id": grid, "skills": ["utilities"]}
            session.add(Member(key=f"new_{n}", name=f"新人{n}", **same))
    number = open_ticket(database, resident(database), item="housing/water_supply").number
    first = holder(database, number)
    staff_steps.return_ticket(database.factory, number, first, "请同事办", MORNING, suggest="新人2")
    assert holder(database, number) == database.member_id("new_2")


def test_a_locked_ticket_that_no_dispatcher_touches_goes_to_the_street(database: Database):
    number = open_ticket(database, resident(database)).number
    for _ in range(2):
        who = holder(database, number)
        staff_steps.return_ticket(database.factory, number, who, "不归我管", MORNING)
    ladder.sweep(database.factory, MORNING + 3 * DAY)
    row = ticket(database, number)
    assert (row.status, row.level) == ("dispatched", "street")


def test_a_task_older_than_four_working_hours_cannot_be_returned(database: Database):
    number = open_ticket(database, resident(database)).number
    who = holder(database, number)
    with pytest.raises(WrongState, match="4个工作小时"):
        staff_steps.return_ticket(database.factory, number, who, "晚了", MORNING + 2 * DAY)


def test_a_task_that_nobody_takes_climbs_to_the_street_and_is_supervised(database: Database):
    number = open_ticket(database, resident(database)).number
    levels = [ticket(database, number).level]
    now = MORNING
    for _ in range(12):
        row = ticket(database, number)
        if row.supervised:
            break
        now = row.next_check_at
        assert ladder.sweep(database.factory, now - dt.timedelta(seconds=1)) == 0
        assert ladder.sweep(database.factory, now) == 1
        assert ladder.sweep(database.factory, now) == 0  # nothing twice
        levels.append(ticket(database, number).level)
    assert levels == ["building_group", "grid", "community", "street", "street"]
    assert ticket(database, number).supervised
    assert "supervise" in kinds(database, number)
    # 2 + 2 + 4 working hours and one working day after Tuesday half past nine.
    assert now.astimezone(SHANGHAI) == dt.datetime(2026, 11, 26, 10, 30, tzinfo=SHANGHAI)


def test_a_message_with_a_known_key_is_queued_once(database: Database):
    message = {"to": "member", "recipient_id": 1, "kind": "alert", "payload": {"text": "请尽快"}}
    with database.factory.begin() as session:
        for delay in (HOUR, 2 * HOUR):
            until = MORNING + delay
            outbox.put(session, **message, dedup_key="k", at=MORNING, not_before=until)
    with database.factory() as session:
        row = session.scalars(select(Outbox)).one()
    assert (row.status, row.attempts, row.payload) == ("queued", 0, {"text": "请尽快"})
    assert (row.created_at, row.next_at, row.ticket_id) == (MORNING, MORNING + HOUR, None)


def test_two_sweeps_at_once_do_each_step_once(database: Database):
    numbers = [open_ticket(database, resident(database, f"r{n}")).number for n in range(6)]
    later = MORNING + 8 * HOUR
    done = all_at_once([lambda: ladder.sweep(database.factory, later)] * 3)
    assert sum(done) == 6
    for number in numbers:
        assert kinds(database, number).count("escalate") == 1


def test_a_worker_that_stood_still_catches_up_without_a_storm(database: Database):
    number = open_ticket(database, resident(database)).number
    start_work(database, number)
    before = len(told(database, "member"))
    ladder.sweep(database.factory, MORNING + 20 * DAY)
    row = ticket(database, number)
    assert (row.level, row.supervised) == ("street", True)
    assert kinds(database, number).count("alert") == 1
    assert len(told(database, "member")) - before <= 6  # owner and leads, once each
    assert row.assignee_id == row.first_owner_id


def test_a_late_ticket_rises_one_level_and_its_owner_stays(database: Database):
    number = open_ticket(database, resident(database)).number
    who = start_work(database, number)
    ladder.sweep(database.factory, ticket(database, number).resolve_due)
    row = ticket(database, number)
    assert (row.level, row.assignee_id, row.status) == ("grid", who, "in_progress")
    lead = database.member_id("wang_haiyan")
    assert row.co_owner_id == lead
    assert any("办理已超时" in text for text in told(database, "member", lead))


def test_one_broken_ticket_does_not_stop_the_clocks_of_others(database: Database, monkeypatch):
    broken = open_ticket(database, resident(database, "a")).number
    fine = open_ticket(database, resident(database, "b"), now=MORNING + HOUR).number
    check = ladder.check

    def failing(session, row, now):
        if row.number == broken:
            raise RuntimeError("broken")
        check(session, row, now)

    monkeypatch.setattr(ladder, "check", failing)
    later = MORNING + 8 * HOUR
    assert ladder.sweep(database.factory, later) == 1
    assert kinds(database, fine).count("escalate") == 1  # though both were tried together first
    assert ticket(database, broken).next_check_at > later


def test_seven_days_of_silence_close_a_ticket_as_unrated(database: Database):
    me = resident(database)
    number = open_ticket(database, me).number
    finish_work(database, number)
    assert ladder.sweep(database.factory, MORNING + 7 * DAY - dt.timedelta(seconds=1)) == 0
    ladder.sweep(database.factory, MORNING + 7 * DAY)
    row = ticket(database, number)
    assert (row.status, row.closed_how, row.stars, row.solved) == ("closed", "unrated", None, None)
    assert "未评价" in told(database, "resident", me)[-1]


def test_an_unsolved_rating_reopens_once_with_the_next_level_as_co_owner(database: Database):
    me = resident(database)
    number = open_ticket(database, me).number
    who = finish_work(database, number)
    later = MORNING + DAY
    for _ in range(2):  # the same answer may arrive twice
        status = resident_steps.rate(
            database.factory, number, me, later, solved=False, stars=1, words="又漏了"
        )
        assert status == "reopened"
    row = ticket(database, number)
    assert (row.reopen_count, row.assignee_id) == (1, who)
    assert row.co_owner_id == database.member_id("wang_haiyan")
    assert row.resolve_due > later + 3 * DAY
    assert ladder.sweep(database.factory, later + HOUR) == 0  # its clock began anew
    staff_steps.contact(database.factory, number, who, "再去看", later)
    staff_steps.resolve(database.factory, number, who, "换了整段管道", later)
    assert resident_steps.rate(database.factory, number, me, later, stars=4) == "closed"


def test_who_takes_a_step_is_not_told_of_it_by_a_notice_too(database: Database):
    """The answer to the message says it; a notice of the same would be a second message."""
    me = resident(database)
    number = open_ticket(database, me).number
    finish_work(database, number)
    before = told(database, "resident", me)
    resident_steps.reopen(database.factory, number, me, "又漏了", MORNING)
    resident_steps.escalate_by_resident(database.factory, number, me, "请上一级", MORNING)
    assert told(database, "resident", me) == before
    staff_steps.accept(database.factory, number, holder(database, number), MORNING)
    assert len(told(database, "resident", me)) == len(before) + 1


def test_reopening_ends_after_28_days(database: Database):
    me = resident(database)
    number = open_ticket(database, me).number
    finish_work(database, number)
    resident_steps.rate(database.factory, number, me, MORNING, stars=4)
    with pytest.raises(WrongState, match="28天"):
        resident_steps.reopen(database.factory, number, me, "又漏了", MORNING + 29 * DAY)
    resident_steps.reopen(database.factory, number, me, "又漏了", MORNING + 27 * DAY)
    assert ticket(database, number).status == "reopened"


@pytest.mark.parametrize("stars", [0, 6, 9, -1])
def test_a_rating_out_of_range_changes_nothing(database: Database, stars):
    me = resident(database)
    number = open_ticket(database, me).number
    finish_work(database, number)
    with pytest.raises(BadInput, match="1 到 5"):
        resident_steps.rate(database.factory, number, me, MORNING, stars=stars)
    assert ticket(database, number).status == "resolved"


def test_somebody_elses_ticket_does_not_exist(database: Database):
    number = open_ticket(database, resident(database, "owner")).number
    other = resident(database, "other")
    calls = [
        lambda: resident_steps.urge(database.factory, number, other, MORNING, key="k"),
        lambda: resident_steps.withdraw(database.factory, number, other, "", MORNING),
        lambda: resident_steps.rate(database.factory, number, other, MORNING, stars=1),
        lambda: resident_steps.add(database.factory, number, other, "x", MORNING, key="k"),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()
    stranger = database.member_id("huang_wei")  # leads a grid of the other community
    with pytest.raises(NotFound):
        staff_steps.accept(database.factory, number, stranger, MORNING)


def test_urging_with_the_same_message_reminds_once(database: Database):
    me = resident(database)
    number = open_ticket(database, me).number
    for _ in range(3):
        resident_steps.urge(database.factory, number, me, MORNING, key="webchat:u1")
    assert kinds(database, number).count("urge") == 1


def test_the_resident_asks_for_the_next_level_once(database: Database):
    me = resident(database)
    number = open_ticket(database, me).number
    for _ in range(2):
        resident_steps.escalate_by_resident(database.factory, number, me, "没人理", MORNING)
    assert ticket(database, number).level == "grid"


def test_a_withdrawn_ticket_is_left_alone(database: Database):
    me = resident(database)
    number = open_ticket(database, me).number
    who = holder(database, number)
    resident_steps.withdraw(database.factory, number, me, "自己修好了", MORNING)
    resident_steps.withdraw(database.factory, number, me, "自己修好了", MORNING)
    with pytest.raises(WrongState):
        staff_steps.accept(database.factory, number, who, MORNING)
    assert ladder.sweep(database.factory, MORNING + 30 * DAY) == 0


def test_what_was_changed_in_between_is_a_conflict(database: Database):
    number = open_ticket(database, resident(database)).number
    who = holder(database, number)
    seen = staff_steps.accept(database.factory, number, who, MORNING)
    staff_steps.contact(database.factory, number, who, "已联系", MORNING, version=seen)
    with pytest.raises(Conflict):
        staff_steps.resolve(database.factory, number, who, "修好了", MORNING, version=seen)


def test_a_transfer_has_to_be_accepted_and_the_first_owner_stays(database: Database):
    number = open_ticket(database, resident(database)).number
    first = start_work(database, number)
    staff_steps.transfer(database.factory, number, first, "wang_haiyan", "网格更合适", MORNING)
    row = ticket(database, number)
    assert (row.status, row.first_owner_id, row.level) == ("dispatched", first, "grid")
    second = database.member_id("wang_haiyan")
    staff_steps.accept(database.factory, number, second, MORNING)
    assert ticket(database, number).first_owner_id == first


def test_a_dispatcher_of_the_street_may_send_a_task_to_a_department(database: Database):
    number = open_ticket(database, resident(database)).number
    with database.factory() as session:
        staff = session.scalars(
            select(Member).where(Member.role == "department_staff", Member.active)
        ).first()
    desk = database.member_id("zhou_min")
    staff_steps.dispatch_to(database.factory, number, desk, staff.key, MORNING, "专业问题")
    assert holder(database, number) == staff.id
    assert ticket(database, number).level == "street"


def test_the_street_does_not_send_a_task_to_another_community(database: Database):
    number = open_ticket(database, resident(database)).number
    desk = database.member_id("zhou_min")
    with pytest.raises(BadInput, match="不在这张工单的社区"):
        staff_steps.dispatch_to(database.factory, number, desk, "huang_wei", MORNING)


def private_item(database: Database) -> str:
    """A private service item that starts in the building group."""
    with database.factory() as session:
        return session.scalars(
            select(ServiceItem.key)
            .where(ServiceItem.private, ServiceItem.start_level == "building_group")
            .limit(1)
        ).one()


def sees(database: Database, number: str, member_id: int) -> bool:
    with database.factory() as session:
        return ticket_in_scope(session, number, session.get(Member, member_id)) is not None


def test_a_dispute_is_seen_by_its_people_and_one_level_above(database: Database):
    number = open_ticket(database, resident(database), item=private_item(database)).number
    row = ticket(database, number)
    assert row.private
    assert sees(database, number, holder(database, number))
    # Handled in the building group: the grid above it sees it, community and street do not.
    assert row.level == "building_group"
    assert sees(database, number, database.member_id("wang_haiyan"))
    for outside in ("liu_fang", "zhao_lei", "chen_zhiyuan", "li_qiang", "yang_jie"):
        assert not sees(database, number, database.member_id(outside)), outside
    first = holder(database, number)
    staff_steps.return_ticket(database.factory, number, first, "认识双方", MORNING)
    assert not sees(database, number, first)


def test_nobody_judges_a_dispute_in_the_own_building(database: Database):
    # 王秀兰 heads the group and lives in building 1.
    number = open_ticket(
        database, resident(database), item=private_item(database), building="xingfuli_1"
    ).number
    neighbour = database.member_id("wang_xiulan")
    who = holder(database, number)
    assert who != neighbour
    staff_steps.accept(database.factory, number, who, MORNING)
    with pytest.raises(BadInput, match="回避"):
        staff_steps.transfer(database.factory, number, who, "wang_xiulan", "转", MORNING)


def test_forgetting_a_resident_leaves_no_words_of_theirs(database: Database):
    me = resident(database)
    residents.set_phone(database.factory, me, "13800001111")
    opened = open_ticket(database, me, unit="2", room="501")
    resident_steps.add(database.factory, opened.number, me, "我叫李雷", MORNING, key="k1")
    inbox.receive(database.factory, Inbound("webchat", "k9", "visitor", "厨房漏水"), MORNING)
    residents.forget(database.factory, me, MORNING)
    with database.factory() as session:
        person = session.get(Resident, me)
        assert (person.phone, person.building_id, person.unit) == (None, None, None)
        row = session.scalars(select(Ticket).where(Ticket.number == opened.number)).one()
        events = session.scalars(select(TicketEvent.note).where(TicketEvent.ticket_id == row.id))
        sent = session.scalars(select(Outbox.payload)).all()
        everything = " ".join([row.description, row.place_text, *events, *map(str, sent)])
    assert row.building_id is not None  # the matter itself can still be dealt with
    for word in ("漏水，楼上", "李雷", "501", "138"):
        assert word not in everything
    assert residents.profile(database.factory, "webchat", "visitor", MORNING).id != me


# --- outbox and inbox ----------------------------------------------------------------------


def test_two_relays_never_claim_the_same_row(database: Database):
    for n in range(6):
        open_ticket(database, resident(database, f"r{n}"))
    claims = all_at_once([lambda: outbox.claim(database.factory, now=MORNING, limit=4)] * 3)
    ids = [d.id for rows in claims for d in rows]
    assert len(ids) == len(set(ids)) == 6


def test_a_row_whose_relay_died_comes_back_after_its_lease(database: Database):
    open_ticket(database, resident(database))
    (first,) = outbox.claim(database.factory, now=MORNING)
    assert outbox.claim(database.factory, now=MORNING + dt.timedelta(seconds=30)) == []
    (again,) = outbox.claim(database.factory, now=MORNING + dt.timedelta(seconds=61))
    assert (again.id, again.attempts) == (first.id, 2)
    outbox.record(database.factory, again, Outcome(sent=True, via="desk"), MORNING)
    assert outbox.claim(database.factory, now=MORNING + DAY) == []


def test_a_failing_row_is_tried_six_times_and_then_given_up(database: Database):
    open_ticket(database, resident(database))
    now, tries = MORNING, 0
    while rows := outbox.claim(database.factory, now=now):
        tries += 1
        outbox.record(database.factory, rows[0], Outcome(sent=False, error="x", retry=True), now)
        now += DAY
    assert tries == 6
    with database.factory() as session:
        assert session.scalars(select(Outbox.status)).one() == "failed"


def message(key: str, text: str = "你好") -> Inbound:
    return Inbound("webchat", key, "visitor", text)


def test_messages_of_one_sender_are_handled_in_order_one_at_a_time(database: Database):
    for key in ("m1", "m2", "m3"):
        inbox.receive(database.factory, message(key), MORNING)
    claims = all_at_once(
        [
            lambda n=n: inbox.claim_next(
                database.factory, "webchat", "visitor", owner=f"p{n}", now=MORNING
            )
            for n in range(4)
        ]
    )
    got = [c for c in claims if c is not None]
    assert [c.message.key for c in got] == ["m1"]
    inbox.finish(database.factory, got[0], [{"text": "好"}], MORNING)
    after = inbox.claim_next(database.factory, "webchat", "visitor", owner="p", now=MORNING)
    assert after is not None
    assert after.message.key == "m2"


def test_a_repeated_message_is_stored_once_and_knows_its_replies(database: Database):
    results = all_at_once([lambda: inbox.receive(database.factory, message("m1"), MORNING)] * 5)
    assert [r.duplicate for r in results].count(False) == 1
    assert len({r.id for r in results}) == 1
    claimed = inbox.claim_next(database.factory, "webchat", "visitor", owner="p", now=MORNING)
    inbox.finish(database.factory, claimed, [{"text": "好"}], MORNING)
    inbox.finish(database.factory, claimed, [{"text": "好"}], MORNING)
    again = inbox.receive(database.factory, message("m1"), MORNING)
    assert (again.done, again.replies) == (True, [{"text": "好"}])
    other = inbox.receive(
        database.factory, Inbound("webchat", "m1", "visitor", "你好", body_hash="x"), MORNING
    )
    assert not other.same_body


def test_a_message_that_kills_its_process_does_not_block_the_sender_for_ever(database: Database):
    inbox.receive(database.factory, message("poison"), MORNING)
    inbox.receive(database.factory, message("fine"), MORNING)
    now, seen = MORNING, []
    for _ in range(10):
        claimed = inbox.claim_next(database.factory, "webchat", "visitor", owner="p", now=now)
        seen.append(claimed.message.key)
        if claimed.message.key == "fine":
            break
        if claimed.attempt > inbox.MAX_ATTEMPTS:  # not run again, but answered
            inbox.finish(database.factory, claimed, [{"kind": "text", "text": "抱歉"}], now)
        else:
            now += inbox.LEASE + dt.timedelta(seconds=1)  # the process died
    assert seen == ["poison"] * (inbox.MAX_ATTEMPTS + 1) + ["fine"]


def test_a_night_alert_waits_for_duty_hours_unless_it_is_urgent(database: Database):
    me = resident(database)
    night = dt.datetime(2026, 11, 24, 23, 30, tzinfo=SHANGHAI)
    calm = open_ticket(database, me).number
    start_work(database, calm)
    urgent = open_ticket(database, me, urgency="danger").number
    start_work(database, urgent)
    for number in (calm, urgent):
        with database.factory.begin() as session:
            session.execute(
                update(Ticket).where(Ticket.number == number).values(next_check_at=night)
            )
        resident_steps.urge(database.factory, number, me, night, key=f"u-{number}")
    with database.factory() as session:
        rows = session.scalars(select(Outbox).where(Outbox.created_at == night)).all()
        due = {r.payload["number"]: r.next_at for r in rows if r.kind == "alert"}
    assert due[calm].astimezone(SHANGHAI) == dt.datetime(2026, 11, 25, 9, tzinfo=SHANGHAI)
    assert due[urgent] == night


def test_a_key_known_already_gives_the_same_ticket_after_a_restart(database: Database):
    me = resident(database)
    first = open_ticket(database, me, key="webchat:again")
    database.engine.dispose()
    again = open_ticket(database, me, key="webchat:again", now=MORNING + DAY)
    assert again.number == first.number


def test_opening_shows_who_and_until_when(database: Database):
    opened = open_ticket(database, resident(database))
    assert opened.title.startswith("漏水维修")
    assert opened.contact_due == "11月25日 09:30"
    assert isinstance(opened, intake.Opened)
