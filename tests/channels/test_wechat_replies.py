"""Texts as a phone gets them: whole sentences, whole links, within WeChat's bytes."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from bot.platforms.replies import (
    TEXT_LIMIT,
    Choice,
    Outgoing,
    join_messages,
    passive_text,
    size,
    split_text,
    with_links,
    with_numbers,
)

LETTERS = st.characters(blacklist_categories=["Cs", "Cc"])
TEXTS = st.lists(
    st.one_of(st.text(LETTERS, max_size=60), st.sampled_from(["。", "，", "！", "好的。", "漏水"])),
    max_size=60,
).map("".join)


def test_long_text_is_cut_after_sentences():
    sentence = "您反映的楼道照明问题已经转给物业处理，请耐心等待。"
    pieces = split_text(sentence * 100)
    assert len(pieces) > 2
    assert all(piece.endswith("。") and size(piece) <= TEXT_LIMIT for piece in pieces)
    assert "".join(pieces) == sentence * 100


def test_sentence_end_keeps_its_closing_quote():
    text = "他说：「" + "好" * 25 + "。」" + "然后就走了。" * 3
    assert split_text(text, 100)[0].endswith("。」")


def test_links_stay_whole():
    message = Outgoing("请选择：", tuple(Choice(f"选项{n}" * 8, n) for n in range(1, 40)))
    pieces = split_text(with_links(message))
    assert len(pieces) > 1
    assert all(piece.count("<a ") == piece.count("</a>") for piece in pieces)
    assert sum(piece.count("</a>") for piece in pieces) == 39


@given(TEXTS, st.integers(12, 200))
def test_pieces_fit_and_lose_nothing(text, limit):
    pieces = split_text(text, limit)
    assert all(size(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


@given(st.lists(TEXTS, max_size=6))
def test_joined_messages_fit(texts):
    assert all(size(text) <= TEXT_LIMIT for text in join_messages(texts))


def test_several_messages_become_one_reply():
    assert join_messages(["收到。", "请问在几号楼？"]) == ["收到。\n\n请问在几号楼？"]


def test_choices_as_links_and_as_numbers():
    message = Outgoing("问题解决了吗？", (Choice("解决了", 101), Choice("没解决", 102)))
    assert 'msgmenuid=101">解决了</a>' in with_links(message)
    assert with_numbers(message).splitlines()[1:3] == ["1. 解决了", "2. 没解决"]


@given(st.text(max_size=200))
def test_reply_xml_is_always_well_formed(text):
    root = ElementTree.fromstring(passive_text("u", "gh", text + "]]>", 1))
    assert (root.findtext("Content") or "").endswith("]]>")
