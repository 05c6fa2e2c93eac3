"""community.yml: the sample is sound, mistakes are named with line and mend, sync is safe."""

import datetime as dt
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from bot.community import CommunityError, load_community, main_sync
from bot.community.words import write_word_lists
from bot.domain.places import Known, resolve
from bot.domain.sla import CLOCKS
from bot.services.sync import sync
from bot.settings import ROOT
from bot.store.base import Base, make_engine, make_session_factory
from bot.store.models import Building, Member, OrgNode, Resident, ServiceItem, Ticket

TINY = """\
version: 1
city: 小城
sample_password: only-a-sample
calendar:
  work_hours: ["09:00-12:00", "13:30-17:30"]
  shifts:
    office: {name: 办公, days: [1, 2, 3, 4, 5], hours: ["09:00-12:00", "13:30-17:30"]}
    night: {name: 夜班, days: [6, 7], hours: ["22:00-07:00"]}
skills: {repair: 维修, mediation: 调解}
departments:
  - {key: zhujian, name: 住建, phone: "19900000302", hours: 白天, address: 一号, duties: 房屋}
nodes:
  - {key: jie, name: 小街道, level: street}
  - {key: shequ, name: 小社区, level: community, parent: jie}
  - {key: wangge, name: 小网格, level: grid, parent: shequ}
  - {key: xiaozu, name: 小组, level: building_group, parent: wangge}
estates:
  - key: yuan
    name: 小院
    aliases: [小院子]
    address: 一路1号
    buildings:
      - {key: yuan_1, name: 1号楼, aliases: [一栋], node: xiaozu, units: 2, floors: 6, lat: 29.5, lon: 117.3}
      - {key: yuan_2, name: 2号楼, node: wangge, units: 2, floors: 6, lat: 29.5, lon: 117.3}
members:
  - {key: shuji, name: 甲, role: street_secretary, node: jie, phone: "19900000001", duty: [office], capacity: 9}
  - {key: tai, name: 乙, role: street_desk, node: jie, phone: "19900000002", duty: [office, night], capacity: 9, skills: [repair]}
  - {key: dangwei, name: 丙, role: community_secretary, node: shequ, phone: "19900000003", duty: [office], capacity: 9, skills: [mediation]}
  - {key: diaodu, name: 丁, role: dispatcher, node: shequ, phone: "19900000004", duty: [office], capacity: 9}
  - {key: wangzhang, name: 戊, role: grid_lead, node: wangge, phone: "19900000005", duty: [office], capacity: 9}
  - {key: louzhang, name: 己, role: building_head, node: xiaozu, phone: "19900000006", duty: [office], capacity: 9, home: yuan_1}
  - {key: zhang_san, name: 庚, role: department_staff, department: zhujian, phone: "19900000007", duty: [office], capacity: 9}
categories:
  - key: housing
    name: 住房
    items:
      - key: leak
        name: 漏水
        skill: repair
        start_level: building_group
        clock_class: normal
        department: zhujian
        words: [漏水, 渗水, 水管]
        answer: 先关阀门。
  - key: dispute
    name: 矛盾纠纷
    items:
      - {key: noise, name: 噪音, skill: mediation, start_level: community, clock_class: dispute, private: true, words: [吵, 噪音, 麻将], answer: 请说明时间。}
"""  # noqa: E501


def write(folder: Path, text: str) -> Path:
    path = folder / "community.yml"
    path.write_text(text, "utf-8")
    return path


@pytest.fixture(scope="module")
def sample():
    return load_community(ROOT / "community.yml")


@pytest.fixture
def factory(tmp_path):
    engine = make_engine(f"sqlite:///{tmp_path}/linli.db")
    Base.metadata.create_all(engine)
    yield make_session_factory(engine)
    engine.dispose()


def by_key(factory, model):
    with factory() as session:
        return {row.key: row for row in session.scalars(select(model))}


# --- the sample ---------------------------------------------------------------------------------


def test_sample_has_the_size_that_was_promised(sample):
    levels = [node.level.value for node in sample.nodes]
    assert (levels.count("street"), levels.count("community"), levels.count("grid")) == (1, 2, 6)
    assert len(list(sample.buildings())) >= 30
    assert len(sample.members) >= 40
    assert {d.key for d in sample.departments} >= {"minzheng", "zhujian", "gongan", "weijian"}


def test_sample_items_use_clocks_the_domain_knows(sample):
    assert {item.clock_class for _, item in sample.service_items()} <= set(CLOCKS)


def test_sample_items_are_those_of_the_training_corpus(sample):
    """A resident's words are read as an item; each item read must be one that can be filed."""
    pattern = re.compile(r"^- intent: *(\w+/\w+)", re.MULTILINE)
    files = sorted((ROOT / "data" / "nlu").glob("*.yml"))
    taught = {key for path in files for key in pattern.findall(path.read_text("utf-8"))}
    catalogue = {f"{category.key}/{item.key}" for category, item in sample.service_items()}
    assert taught <= catalogue


def test_emergencies_are_danger_and_name_a_number_to_call(sample):
    for category, item in sample.service_items():
        if category.key == "emergency":
            assert (item.urgency, item.clock_class) == ("danger", "danger")
            assert re.search(r"110|119|120", item.answer)


def test_answers_are_short_sentences_a_resident_can_read(sample):
    for _, item in sample.service_items():
        sentences = [part for part in item.answer.split("。") if part]
        assert 2 <= len(sentences) <= 4, item.name
        assert len(item.answer) <= 160, item.name


def test_word_lists_in_the_repository_are_those_of_the_sample(sample, tmp_path):
    for path in write_word_lists(sample, tmp_path):
        assert (ROOT / path).read_text("utf-8") == (tmp_path / path).read_text("utf-8"), (
            f"{path} is stale: run python -m bot sync-community"
        )


# --- mistakes -----------------------------------------------------------------------------------

MISTAKES = {
    "unknown node": ("parent: shequ}", "parent: shequu}", "「shequu」不存在", "「shequ」"),
    "wrong level": ("level: grid, parent: shequ", "level: grid, parent: jie", "层级不对", "社区"),
    "building outside any grid": (
        "node: wangge, units",
        "node: shequ, units",
        "小院2号楼不在任何网格里",
        "wangge",
    ),
    "same alias twice": ("aliases: [一栋]", "aliases: [一栋, 1 号楼]", "「1 号楼」重复", "删掉"),
    "same number twice": ("name: 2号楼", "name: 1栋", "是同一个楼号", "只能指一栋"),
    "building number in an estate's name": ("[小院子]", "[3号院]", "里有楼号", "buildings"),
    "unknown skill": ("skills: [repair]}", "skills: [repare]}", "「repare」没有定义", "「repair」"),
    "skill that nobody has": (
        "duty: [office, night], capacity: 9, skills: [repair]",
        "duty: [office, night], capacity: 9",
        "没有人会「repair」",
        "skills 加上 repair",
    ),
    "unknown department": (
        "department: zhujian\n",
        "department: zujian\n",
        "部门「zujian」不存在",
        "「zhujian」",
    ),
    "department without staff": (
        "  - {key: zhang_san, name: 庚, role: department_staff, department: zhujian, "
        'phone: "19900000007", duty: [office], capacity: 9}\n',
        "",
        "部门「住建」没有人员",
        "department_staff",
    ),
    "grid without lead": (
        "role: grid_lead",
        "role: grid_member",
        "「小网格」没有网格党支部书记",
        "role: grid_lead",
    ),
    "role at the wrong level": ("role: dispatcher, node: shequ", "role: dispatcher, node: wangge",
                                "层级不符", "社区党委"),
    "open dispute": (", private: true", "", "必须保密", "private: true"),
    "urgent class at the building": (
        "clock_class: normal",
        "clock_class: utilities",
        "不能从楼栋开始",
        "grid",
    ),
    "same phone": ('"19900000004"', '"19900000005"', "成员电话「19900000005」重复", "自己的号码"),
    "misspelt field": ("capacity: 9, home", "capasity: 9, home", "字段 capasity", "capacity"),
    "missing field": ("        skill: repair\n", "", "缺少字段 skill", "补上 skill"),
    "unknown clock": ("clock_class: normal", "clock_class: slow", "「slow」不可用", "normal"),
    "unknown role": ("role: street_desk", "role: street_desc", "不可用", "「street_desk」"),
    "wrong phone": ('"19900000302"', '"1990000"', "「1990000」不对", "加引号的号码"),
    "too few words": ("[漏水, 渗水, 水管]", "[漏水]", "有 1 项", "至少写 3 项"),
    "number too large": ("units: 2, floors: 6,", "units: 2, floors: 600,", "超出范围", "120"),
    "hours that overlap": (
        'work_hours: ["09:00-12:00", "13:30-17:30"]',
        'work_hours: ["09:00-12:00", "11:30-17:30"]',
        "重叠",
        "work_hours",
    ),
    "tab instead of spaces": ("    name: 小院", "\tname: 小院", "YAML 写法有误", "缩进"),
    "same name twice": ("city: 小城", "city: 小城\ncity: 大城", "写了两次", "删掉其中一个"),
}  # fmt: skip


@pytest.mark.parametrize("old,new,what,mend", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_named_with_its_mend(tmp_path, old, new, what, mend):
    assert TINY.count(old) >= 1
    with pytest.raises(CommunityError) as caught:
        load_community(write(tmp_path, TINY.replace(old, new)))
    line = next(line for line in str(caught.value).splitlines() if what in line)
    assert re.match(r"community\.yml 第 \d+ 行：", line)
    assert mend in line.split("改法：")[1]


@pytest.mark.parametrize(
    "old,new",
    [
        ("node: wangge, units", "node: nowhere, units"),
        ("role: street_desk", "role: boss"),
        ("skill: repair\n", "skill: magic\n"),
        ("key: noise", "key: Noise"),
    ],
)
def test_the_line_named_is_the_line_with_the_mistake(tmp_path, old, new):
    text = TINY.replace(old, new)
    with pytest.raises(CommunityError) as caught:
        load_community(write(tmp_path, text))
    wanted = 1 + next(i for i, line in enumerate(text.splitlines()) if new.strip() in line)
    assert wanted in [line for line, _ in caught.value.problems]


def test_all_mistakes_are_listed_at_once_in_file_order(tmp_path):
    text = TINY.replace("node: wangge, units", "node: shequ, units").replace(", private: true", "")
    with pytest.raises(CommunityError) as caught:
        load_community(write(tmp_path, text))
    lines = [line for line, _ in caught.value.problems]
    assert len(lines) == 2
    assert lines == sorted(lines)


@pytest.mark.parametrize("text", ["", "- 一\n- 二\n", "只是一句话"])
def test_a_file_of_another_shape_is_refused_in_words(tmp_path, text):
    with pytest.raises(CommunityError, match="文件是空的"):
        load_community(write(tmp_path, text))


def test_a_missing_file_names_the_setting(tmp_path):
    with pytest.raises(CommunityError, match="LINLI_COMMUNITY_FILE"):
        load_community(tmp_path / "none.yml")


# --- sync ---------------------------------------------------------------------------------------


def test_sync_writes_tree_places_people_and_catalogue(factory, sample):
    sync(factory, sample)
    nodes, members = by_key(factory, OrgNode), by_key(factory, Member)
    street, head = nodes["qinghe"], members["wang_xiulan"]
    assert nodes["xfl_a"].path.startswith(nodes["xinglin"].path)
    assert nodes["minzheng"].level == "department"
    assert nodes["minzheng"].path.startswith(street.path)
    assert (head.node_id, head.role) == (nodes["xfl_a"].id, "building_head")
    assert PasswordHasher().verify(head.password_hash, sample.sample_password)
    assert by_key(factory, ServiceItem)["housing/leak_repair"].skill == "repair"
    assert len(by_key(factory, Building)) == len(list(sample.buildings()))


@pytest.mark.parametrize(
    "building,estate,key",
    [
        ("3", "幸福里", "xingfuli_3"),
        ("三栋", "纺织大院", "fangzhi_3"),
        ("15#", None, "binhe_15"),
        ("B座", None, "jinxiu_b"),
    ],
)
def test_buildings_are_found_by_the_names_residents_use(factory, sample, building, estate, key):
    sync(factory, sample)
    rows = by_key(factory, Building)
    known = [Known(row.id, row.estate, row.name, tuple(row.aliases)) for row in rows.values()]
    found = resolve(known, building=building, estate=estate).only
    assert found is not None
    assert found.id == rows[key].id


def test_a_second_sync_changes_nothing(factory, sample):
    first = sync(factory, sample)
    before = {key: row.password_hash for key, row in by_key(factory, Member).items()}
    second = sync(factory, sample)
    assert (second.created, second.updated, second.deactivated) == (0, 0, 0)
    assert second.unchanged == first.created
    assert {key: row.password_hash for key, row in by_key(factory, Member).items()} == before


def test_sync_renames_and_moves_but_keeps_the_row(factory, tmp_path):
    sync(factory, load_community(write(tmp_path, TINY)))
    before = by_key(factory, Member)["diaodu"].id
    changed = TINY.replace("name: 丁,", "name: 丁丁,").replace("node: wangge, u", "node: xiaozu, u")
    report = sync(factory, load_community(write(tmp_path, changed)))
    assert (report.created, report.updated, report.deactivated) == (0, 2, 0)
    member = by_key(factory, Member)["diaodu"]
    assert (member.id, member.name) == (before, "丁丁")
    assert by_key(factory, Building)["yuan_2"].node_id == by_key(factory, OrgNode)["xiaozu"].id


def test_sync_keeps_a_password_someone_chose(factory, tmp_path):
    community = load_community(write(tmp_path, TINY))
    sync(factory, community)
    with factory.begin() as session:
        session.scalars(select(Member).where(Member.key == "tai")).one().password_hash = "chosen"
    sync(factory, community)
    assert by_key(factory, Member)["tai"].password_hash == "chosen"


def test_without_a_sample_password_nobody_can_log_in_yet(factory, tmp_path):
    text = TINY.replace("sample_password: only-a-sample\n", "")
    sync(factory, load_community(write(tmp_path, text)))
    assert {row.password_hash for row in by_key(factory, Member).values()} == {None}


def test_what_left_the_file_is_deactivated_and_can_come_back(factory, tmp_path):
    sync(factory, load_community(write(tmp_path, TINY)))
    lines = [line for line in TINY.splitlines() if "louzhang" not in line and "yuan_2" not in line]
    report = sync(factory, load_community(write(tmp_path, "\n".join(lines))))
    assert report.deactivated == 2
    gone = by_key(factory, Member)["louzhang"]
    assert (gone.active, gone.session_epoch) == (False, 1)
    assert not by_key(factory, Building)["yuan_2"].active
    sync(factory, load_community(write(tmp_path, TINY)))
    assert by_key(factory, Member)["louzhang"].active


def test_night_shifts_reach_the_roster(factory, tmp_path):
    sync(factory, load_community(write(tmp_path, TINY)))
    duty = by_key(factory, Member)["tai"].duty
    assert {"days": [6, 7], "start": "22:00", "end": "07:00"} in duty
    assert len(duty) == 3


def test_open_tickets_of_someone_who_left_are_pointed_out(factory, tmp_path):
    sync(factory, load_community(write(tmp_path, TINY)))
    now = dt.datetime(2026, 11, 24, 2, tzinfo=dt.timezone.utc)
    with factory.begin() as session:
        resident = Resident(channel="webchat", external_id="r1", created_at=now)
        node = session.scalars(select(OrgNode).where(OrgNode.key == "xiaozu")).one()
        member = session.scalars(select(Member).where(Member.key == "louzhang")).one()
        ticket = Ticket(
            number="LL-20261124-0001",
            idempotency_key="k1",
            category="housing",
            item_key="housing/leak",
            description="厨房漏水",
            clock_class="normal",
            status="accepted",
            level="building_group",
            node_id=node.id,
            origin_id=node.id,
            resident=resident,
            assignee=member,
            created_at=now,
        )
        session.add(ticket)
    lines = [line for line in TINY.splitlines() if "louzhang" not in line]
    report = sync(factory, load_community(write(tmp_path, "\n".join(lines))))
    assert report.stranded == ("己",)
    assert "请调度员改派：己" in str(report)


# --- the command --------------------------------------------------------------------------------


@pytest.fixture
def command(factory, tmp_path, monkeypatch):
    """`sync-community` on a file of this test, with a database and a checkout of its own."""
    config = SimpleNamespace(
        community_file=tmp_path / "community.yml", database_url=f"sqlite:///{tmp_path}/linli.db"
    )
    monkeypatch.setattr("bot.settings.settings", lambda: config)
    monkeypatch.setattr("bot.settings.ROOT", tmp_path)
    return main_sync


def test_command_writes_database_and_word_lists_and_says_so(command, factory, tmp_path, capsys):
    write(tmp_path, TINY)
    assert command() == 0
    out = capsys.readouterr().out
    assert "新增 16" in out
    assert "python -m bot train" in out
    assert (tmp_path / "data/lookups/places.txt").read_text("utf-8").split() == ["小院子", "小院"]
    assert "住建" in (tmp_path / "data/jieba/places.txt").read_text("utf-8")
    assert command() == 0
    assert "python -m bot train" not in capsys.readouterr().out


def test_command_writes_nothing_when_the_file_has_a_mistake(command, factory, tmp_path, capsys):
    write(tmp_path, TINY.replace("role: dispatcher", "role: dispatchr"))
    assert command() == 1
    assert "什么都没有写入" in capsys.readouterr().err
    assert by_key(factory, OrgNode) == {}
    assert not (tmp_path / "data").exists()
