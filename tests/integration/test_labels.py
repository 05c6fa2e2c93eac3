"""Labels: what votes come to, who sees which message, undo, retention."""

import datetime as dt

import pytest
from sqlalchemy import func, select

from bot.domain.errors import BadInput, NotAllowed, NotFound
from bot.services import members
from bot.services.utterances import Heard, record
from bot.store.models import Member, OrgNode, Utterance
from bot.store.models_training import Label, LabelVote
from bot.training import history, labels, queue, retention

NOW = dt.datetime(2026, 11, 24, 8, tzinfo=dt.timezone.utc)


def hear(database, number, text, intent="housing", confidence=0.5, outcome="ticket", **more):
    heard = Heard(
        message_id=f"m{number}",
        resident_id=more.get("resident_id"),
        text=text,
        intent=intent,
        item_key=more.get("item_key"),
        confidence=confidence,
        ranking=[
            {"name": intent, "confidence": confidence},
            {"name": "dispute", "confidence": 0.1},
        ],
        model="m",
    )
    record(database.factory, heard, outcome, more.get("at", NOW))
    with database.factory() as session:
        return session.scalars(
            select(Utterance.id).where(Utterance.message_id == f"m{number}")
        ).one()


def staff_with(database, role):
    with database.factory() as session:
        found = session.scalars(select(Member.id).where(Member.role == role).order_by(Member.id))
        member_id = found.first()
    return members.by_id(database.factory, member_id)


@pytest.fixture
def dispatcher(database):
    return staff_with(database, "dispatcher")


@pytest.fixture
def secretary(database):
    return staff_with(database, "community_secretary")


def label_of(database, utterance_id):
    with database.factory() as session:
        return session.scalar(select(Label).where(Label.utterance_id == utterance_id))


def test_one_vote_approves_and_undo_takes_it_back(database, dispatcher):
    message = hear(database, 1, "水管漏水")
    batch = labels.vote(database.factory, dispatcher, [message], "housing/leak_repair", NOW)
    label = label_of(database, message)
    assert (label.status, label.intent) == ("approved", "housing/leak_repair")
    assert labels.undo(database.factory, dispatcher, batch, NOW) == 1
    assert label_of(database, message) is None
    with pytest.raises(NotFound):
        labels.undo(database.factory, dispatcher, batch, NOW)


def test_none_of_these_is_kept_but_never_trained_on(database, dispatcher):
    message = hear(database, 1, "啊啊啊")
    labels.vote(database.factory, dispatcher, [message], None, NOW)
    assert label_of(database, message).status == "none"


def test_second_opinion_settles_or_goes_to_the_arbiter(database, dispatcher, secretary):
    other = staff_with(database, "street_desk")
    agreed, disputed = hear(database, 1, "楼上吵"), hear(database, 2, "楼上漏水")
    for message in (agreed, disputed):
        labels.vote(
            database.factory, dispatcher, [message], "dispute/neighbour_noise", NOW, ask_second=True
        )
        assert label_of(database, message).status == "second"
    assert {c.id for c in queue.undecided(database.factory, other, "second")} == {agreed, disputed}
    labels.vote(database.factory, other, [agreed], "dispute/neighbour_noise", NOW)
    assert label_of(database, agreed).status == "approved"
    labels.vote(database.factory, other, [disputed], "dispute/neighbour_leak", NOW)
    assert label_of(database, disputed).status == "conflict"
    assert labels.agreement(database.factory) == (2, 0.5)
    labels.vote(database.factory, secretary, [disputed], "dispute/neighbour_leak", NOW)
    decided = label_of(database, disputed)
    assert (decided.status, decided.source) == ("approved", "arbiter")


def test_a_cluster_is_labelled_and_undone_in_one_go(database, dispatcher):
    ids = [hear(database, n, f"快递柜收费太贵{n}") for n in range(4)]
    batch = labels.vote(database.factory, dispatcher, ids, "other_service/consumer", NOW)
    with database.factory() as session:
        assert session.scalar(select(func.count(Label.id))) == 4
    assert labels.undo(database.factory, dispatcher, batch, NOW) == 4


def test_unknown_intents_and_plain_members_are_refused(database, dispatcher):
    message = hear(database, 1, "水管漏水")
    with pytest.raises(BadInput):
        labels.vote(database.factory, dispatcher, [message], "housing/nonsense", NOW)
    with pytest.raises(NotAllowed):
        labels.vote(
            database.factory, staff_with(database, "building_head"), [message], "greet", NOW
        )


def test_entities_must_lie_inside_the_text(database, dispatcher):
    message = hear(database, 1, "3号楼漏水")
    span = {"start": 0, "end": 3, "entity": "place"}
    labels.vote(
        database.factory, dispatcher, [message], "housing/leak_repair", NOW, entities=[span]
    )
    assert label_of(database, message).entities == [span]
    with pytest.raises(BadInput):
        labels.vote(
            database.factory,
            dispatcher,
            [message],
            "housing/leak_repair",
            NOW,
            entities=[{"start": 2, "end": 99, "entity": "place"}],
        )


def test_messages_of_another_community_are_not_found(database, dispatcher):
    from bot.store.models import Building, Resident

    with database.factory.begin() as session:
        elsewhere = session.scalars(
            select(Building)
            .join(OrgNode, Building.node_id == OrgNode.id)
            .where(OrgNode.path.not_like(f"{dispatcher.node_path}%"))
        ).first()
        assert elsewhere is not None
        resident = Resident(
            channel="webchat", external_id="x", building_id=elsewhere.id, created_at=NOW
        )
        session.add(resident)
        session.flush()
        stranger = resident.id
    message = hear(database, 1, "水管漏水", resident_id=stranger)
    assert queue.page(database.factory, dispatcher, NOW) == []
    with pytest.raises(NotFound):
        labels.vote(database.factory, dispatcher, [message], "housing/leak_repair", NOW)


def test_queue_asks_first_about_what_teaches_most_and_hides_personal_data(database, dispatcher):
    hear(database, 1, "谢谢你", "thanks", 0.99, "talk")
    unsure = hear(database, 2, "充电桩老跳闸，电话13812345678", "housing", 0.35)
    fallback = hear(database, 3, "共享单车堆满人行道", "nlu_fallback", 0.2, "fallback")
    page = queue.page(database.factory, dispatcher, NOW)
    assert {card.id for card in page[:2]} == {unsure, fallback}
    by_id = {card.id: card for card in page}
    assert by_id[fallback].reason == "没听懂"
    assert "13812345678" not in by_id[unsure].text
    assert by_id[unsure].guesses[0].group == "housing"


def test_skipped_and_labelled_messages_leave_the_queue(database, dispatcher):
    skipped, labelled = hear(database, 1, "水管漏水"), hear(database, 2, "电梯坏了")
    labels.skip(database.factory, dispatcher, skipped, NOW)
    labels.vote(database.factory, dispatcher, [labelled], "housing/lift", NOW)
    assert queue.page(database.factory, dispatcher, NOW) == []
    colleague = staff_with(database, "street_desk")
    assert [card.id for card in queue.page(database.factory, colleague, NOW)] == [skipped]


def test_like_messages_that_fit_nowhere_are_shown_as_a_new_topic(database, dispatcher):
    texts = ("共享单车乱停乱放", "共享单车停得乱七八糟", "共享单车到处乱停", "老人补贴怎么领")
    ids = [hear(database, n, t, confidence=0.2, outcome="fallback") for n, t in enumerate(texts)]
    topics = queue.new_topics(database.factory, dispatcher)
    assert [{card.id for card in topic.cards} for topic in topics] == [set(ids[:3])]


def test_old_messages_go_and_labelled_ones_forget_who_said_them(database, dispatcher):
    old = NOW - dt.timedelta(days=200)
    gone = hear(database, 1, "水管漏水", at=old)
    kept = hear(database, 2, "电梯坏了", at=old, resident_id=7)
    labels.vote(database.factory, dispatcher, [kept], "housing/lift", NOW)
    labels.skip(database.factory, dispatcher, gone, NOW)
    assert retention.forget_old(database.factory, 180, NOW) == 1
    with database.factory() as session:
        assert session.get(Utterance, gone) is None
        assert session.get(Utterance, kept).resident_id is None
        assert session.scalar(select(func.count(LabelVote.id))) == 1
    retention.forget(database.factory, kept)
    assert label_of(database, kept) is None


def test_nothing_in_history_means_no_votes(database):
    hear(database, 1, "水管漏水")
    assert history.learn(database.factory, NOW) == 0


def told_by_ticket(database, item_key):
    """An utterance that became a ticket of the sample catalogue."""
    from tests.people import open_ticket, resident, ticket

    number = open_ticket(database, resident(database)).number
    opened = ticket(database, number)
    message = hear(database, 1, "楼上漏水", item_key=item_key)
    with database.factory.begin() as session:
        session.get(Utterance, message).ticket_id = opened.id
    return message, opened


def test_an_item_that_staff_changed_becomes_a_label(database):
    message, opened = told_by_ticket(database, "dispute/pets")
    assert history.learn(database.factory, NOW) == 1
    label = label_of(database, message)
    assert (label.intent, label.source) == (opened.item_key, "staff")
    assert history.learn(database.factory, NOW) == 0


def test_a_return_that_names_the_owner_is_a_label_that_one_person_confirms(database, dispatcher):
    from bot.store.models import ServiceItem, TicketEvent

    with database.factory() as session:
        owner, leak = session.execute(
            select(OrgNode.name, ServiceItem.key)
            .join(ServiceItem, ServiceItem.department_id == OrgNode.id)
            .where(ServiceItem.active, ServiceItem.category == "education")
            .order_by(ServiceItem.key)
            .limit(1)
        ).one()
    message, opened = told_by_ticket(database, None)
    with database.factory.begin() as session:
        session.add(
            TicketEvent(
                ticket_id=opened.id,
                at=NOW,
                kind="return",
                actor_kind="member",
                data={"suggest": owner},
            )
        )
    assert history.learn(database.factory, NOW) == 1
    label = label_of(database, message)
    assert (label.status, label.source) == ("second", "return")
    with database.factory() as session:
        item = session.get(ServiceItem, label.intent)
        assert session.get(OrgNode, item.department_id).name == owner
    (card,) = queue.undecided(database.factory, dispatcher, "second")
    assert card.guesses[0].intent == label.intent and card.votes[0]["who"] == "工单记录"
    labels.vote(database.factory, dispatcher, [message], leak, NOW)
    assert (label_of(database, message).status, label_of(database, message).intent) == (
        "approved",
        leak,
    )


def test_a_resident_who_asks_for_deletion_takes_the_labelled_words_along(database, dispatcher):
    from bot.services import residents
    from tests.people import resident

    person = resident(database)
    message = hear(database, 1, "水管漏水", resident_id=person)
    labels.vote(database.factory, dispatcher, [message], "housing/leak_repair", NOW)
    residents.forget(database.factory, person, NOW)
    with database.factory() as session:
        assert session.get(Utterance, message) is None
        assert session.scalar(select(func.count(Label.id))) == 0
        assert session.scalar(select(func.count(LabelVote.id))) == 0
