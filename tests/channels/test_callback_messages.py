"""Every message kind and event of the platforms, and nothing else, becomes an InboundMessage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.platforms.crypto import BadBody
from bot.platforms.xml import InboundMessage, body_hash, parse_message
from tests.emulators.base import message_xml

HEAD = {"ToUserName": "gh_1", "FromUserName": "openid-1", "CreateTime": 1700000000}


def parse(**fields) -> InboundMessage:
    return parse_message(message_xml({**HEAD, **fields}))


def test_text_and_tapped_choice():
    message = parse(MsgType="text", Content="家里漏水了", MsgId=42, bizmsgmenuid="17")
    assert (message.text, message.key, message.menu_id) == ("家里漏水了", "m42", "17")
    assert (message.sender, message.recipient) == ("openid-1", "gh_1")


@pytest.mark.parametrize("recognition, text", [("楼道灯坏了", "楼道灯坏了"), ("", ""), (None, "")])
def test_voice_with_and_without_recognition(recognition, text):
    extra = {} if recognition is None else {"Recognition": recognition}
    message = parse(MsgType="voice", MediaId="m1", Format="amr", MsgId=1, **extra)
    assert (message.text, message.media_id, message.media_format) == (text, "m1", "amr")


@pytest.mark.parametrize("kind", ["image", "video", "shortvideo"])
def test_pictures(kind):
    message = parse(MsgType=kind, MediaId="m1", PicUrl="http://p", ThumbMediaId="t", MsgId=1)
    assert (message.kind, message.media_id) == (kind, "m1")


def test_location_and_link():
    place = parse(
        MsgType="location", Location_X="31.15", Location_Y="121.12", Label="幸福里", MsgId=1
    )
    assert (place.latitude, place.longitude, place.label) == (31.15, 121.12, "幸福里")
    link = parse(MsgType="link", Title="政策", Url="http://a", Description="d", MsgId=2)
    assert (link.text, link.url) == ("政策", "http://a")


@pytest.mark.parametrize(
    "event, key, scene",
    [
        ("subscribe", "qrscene_b-3", "b-3"),
        ("subscribe", "", ""),
        ("SCAN", "b-3", "b-3"),
        ("CLICK", "b-3", ""),
        ("VIEW", "http://x", ""),
        ("unsubscribe", "", ""),
    ],
)
def test_events(event, key, scene):
    message = parse(MsgType="event", Event=event, EventKey=key)
    assert (message.event, message.scene) == (event.lower(), scene)


def test_reports_of_the_platform():
    job = parse(MsgType="event", Event="TEMPLATESENDJOBFINISH", MsgID=9, Status="failed:user block")
    assert (job.msg_id, job.status) == ("9", "failed:user block")
    answers = {"TemplateId": "t1", "SubscribeStatusString": "accept", "PopupScene": "0"}
    popup = parse(
        MsgType="event",
        Event="subscribe_msg_popup_event",
        SubscribeMsgPopupEvent={"List": answers},
    )
    assert popup.popups == (("t1", True),)
    where = parse(
        MsgType="event", Event="LOCATION", Latitude="31.1", Longitude="121.1", Precision="9"
    )
    assert where.latitude == 31.1


def test_card_tap():
    message = parse(
        MsgType="event",
        Event="template_card_event",
        EventKey="accept",
        TaskId="t-1",
        CardType="button_interaction",
        ResponseCode="rc",
        AgentID=1000002,
        SelectedItems={"SelectedItem": {"QuestionKey": "q", "OptionIds": {"OptionId": "o1"}}},
    )
    assert (message.card.task_id, message.card.button) == ("t-1", "accept")
    assert message.card.selected == (("q", ("o1",)),)


def test_a_retry_has_the_same_key_and_another_event_another():
    scan = {"MsgType": "event", "Event": "SCAN", "EventKey": "b-3"}
    assert parse(**scan).key == parse(**scan).key
    keys = {
        parse(**scan).key,
        parse(**{**scan, "EventKey": "b-4"}).key,
        parse(**{**scan, "CreateTime": 1700000001}).key,
        parse(**{**scan, "FromUserName": "openid-2"}).key,
    }
    assert len(keys) == 4


def test_body_hash_tells_a_changed_body():
    one = parse(MsgType="text", Content="漏水", MsgId=42)
    assert body_hash(one) == body_hash(parse(MsgType="text", Content="漏水", MsgId=42))
    assert body_hash(one) != body_hash(parse(MsgType="text", Content="停电", MsgId=42))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"MsgType": "unknown", "MsgId": 1},
        {"MsgType": "text", "MsgId": 1, "CreateTime": "soon"},
        {"MsgType": "text", "MsgId": 1, "FromUserName": ""},
        {"MsgType": "text", "MsgId": 1, "FromUserName": "x" * 200},
        {"MsgType": "event"},
        {"MsgType": "location", "Location_X": "nan", "Location_Y": "1", "MsgId": 1},
        {"MsgType": "location", "Location_X": "91", "Location_Y": "1", "MsgId": 1},
        {"MsgType": "location", "MsgId": 1},
    ],
)
def test_incomplete_messages_are_refused(fields):
    with pytest.raises(BadBody):
        parse(**fields)


@given(st.binary(max_size=600))
def test_no_bytes_crash_the_parser(data):
    with pytest.raises(BadBody):
        parse_message(data)


TAGS = st.sampled_from(
    [
        "MsgType",
        "Event",
        "EventKey",
        "Content",
        "MsgId",
        "MediaId",
        "Location_X",
        "Location_Y",
        "TaskId",
        "Latitude",
        "Longitude",
        "CreateTime",
        "FromUserName",
        "ToUserName",
        "List",
    ]
)
VALUES = st.one_of(
    st.sampled_from(["text", "event", "location", "voice", "SCAN", "subscribe", "1"]),
    st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc"]), max_size=40),
)


@given(st.dictionaries(TAGS, VALUES, max_size=10))
def test_any_fields_give_a_message_or_a_refusal(fields):
    try:
        message = parse_message(message_xml({**HEAD, **fields}))
    except BadBody:
        return
    assert message.sender and message.key and len(message.key) <= 41
    assert body_hash(message)
