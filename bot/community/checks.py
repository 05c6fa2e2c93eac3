"""Cross-checks of community.yml: what a schema alone cannot see."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

from bot.community.problems import Path, Problem, closest
from bot.community.schema import ROLE_LEVEL, Community, Estate, Member, ServiceItem, Text
from bot.domain.levels import LEVEL_NAMES, LEVELS, ROLE_NAMES, Level, Role, rank
from bot.domain.places import building_number

PRIVATE_CATEGORIES = ("dispute", "family_crisis")
# Urgent classes start at the grid, so that the community hears of them at the same time.
_URGENT_CLASSES = ("danger", "utilities")


def check(community: Community) -> list[Problem]:
    """Every problem between sections; an empty list means the file is sound."""
    checks = (
        _keys,
        _tree,
        _places,
        _members,
        _volunteering,
        _staffing,
        _ties,
        _catalogue,
        _calendar,
    )
    return [problem for one in checks for problem in one(community)]


def same_name(text: str) -> str:
    """The form in which two names count as one: width, case and spaces do not matter."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def _repeats(pairs: Iterable[tuple[Path, str]], what: str, mend: str) -> Iterator[Problem]:
    """A problem at each later place of a word that was already used."""
    seen: set[str] = set()
    for path, word in pairs:
        if word in seen:
            yield Problem(path, f"{what}「{word}」重复", mend)
        seen.add(word)


def _keys(community: Community) -> Iterator[Problem]:
    sections: dict[str, list[tuple[Path, str]]] = {
        name: [((name, i, "key"), row.key) for i, row in enumerate(getattr(community, name))]
        for name in ("estates", "members", "categories", "faq")
    }
    # Departments live in the same table as the organisation nodes.
    sections["nodes"] = [
        ((name, i, "key"), row.key)
        for name in ("nodes", "departments")
        for i, row in enumerate(getattr(community, name))
    ]
    sections["buildings"] = [
        (("estates", i, "buildings", j, "key"), building.key)
        for i, estate in enumerate(community.estates)
        for j, building in enumerate(estate.buildings)
    ]
    for pairs in sections.values():
        yield from _repeats(pairs, "key", "换一个没有用过的 key")


def _tree(community: Community) -> Iterator[Problem]:
    nodes = {node.key: node for node in community.nodes}
    tops = [i for i, node in enumerate(community.nodes) if node.level is Level.STREET]
    if len(tops) != 1:
        path: Path = ("nodes", tops[1]) if tops else ("nodes",)
        yield Problem(path, f"街道节点有 {len(tops)} 个", "level: street 的节点写且只写一个")
    for i, node in enumerate(community.nodes):
        path = ("nodes", i, "parent")
        if node.level is Level.STREET:
            if node.parent:
                yield Problem(path, f"街道「{node.name}」不能有上级", "删掉 parent")
            continue
        wanted = LEVELS[rank(node.level) + 1]
        mend = f"把 parent 写成一个{LEVEL_NAMES[wanted]}的 key"
        if node.parent is None:
            yield Problem(("nodes", i), f"「{node.name}」没有写上级 parent", mend)
        elif node.parent not in nodes:
            hint = closest(node.parent, nodes)
            yield Problem(path, f"「{node.name}」的上级「{node.parent}」不存在", hint)
        elif nodes[node.parent].level is not wanted:
            yield Problem(path, f"「{node.name}」的上级「{node.parent}」层级不对", mend)


def _places(community: Community) -> Iterator[Problem]:
    names: list[tuple[Path, str]] = []
    for i, estate in enumerate(community.estates):
        for path, word in _named(("estates", i), estate.name, estate.aliases):
            names.append((path, same_name(word)))
            if building_number(word):
                what = f"小区名「{word}」里有楼号，会和楼混淆"
                yield Problem(path, what, "去掉楼号，楼的叫法写在 buildings 的 aliases 里")
        yield from _building_names(i, estate)
        yield from _covered(community, i, estate)
    yield from _repeats(names, "小区名或别名", "一个名字只能属于一个小区，换一个或删掉")


def _named(base: Path, name: str, aliases: list[Text]) -> Iterator[tuple[Path, str]]:
    """A name and its aliases, each with its place in the file."""
    yield (*base, "name"), name
    for k, alias in enumerate(aliases):
        yield (*base, "aliases", k), alias


def _covered(community: Community, i: int, estate: Estate) -> Iterator[Problem]:
    """Each building is looked after by a node that is a grid or stands below one."""
    grids = [node.key for node in community.nodes if node.level is Level.GRID]
    nodes = {node.key for node in community.nodes}
    for j, building in enumerate(estate.buildings):
        path: Path = ("estates", i, "buildings", j, "node")
        where = f"{estate.name}{building.name}"
        if building.node not in nodes:
            hint = closest(building.node, nodes)
            yield Problem(path, f"{where}的 node「{building.node}」不存在", hint)
        elif not any(node.level is Level.GRID for node in community.ancestors(building.node)):
            mend = "写成网格或网格下面节点的 key," + closest(building.node, grids)
            yield Problem(path, f"{where}不在任何网格里（node: {building.node}）", mend)


def _building_names(i: int, estate: Estate) -> Iterator[Problem]:
    """Inside an estate a spelling stands once, and a number means one building only."""
    spellings: set[str] = set()
    owners: dict[str, str] = {}
    mend = "同一小区里一个叫法只能指一栋楼，删掉或改掉这一个"
    for j, building in enumerate(estate.buildings):
        base: Path = ("estates", i, "buildings", j)
        for path, word in _named(base, building.name, building.aliases):
            spelling = same_name(word)
            number = building_number(word) or spelling
            if spelling in spellings:
                yield Problem(path, f"{estate.name}的楼名或别名「{word}」重复", mend)
            elif owners.setdefault(number, building.name) != building.name:
                what = f"{estate.name}的「{word}」和「{owners[number]}」是同一个楼号"
                yield Problem(path, what, mend)
            spellings.add(spelling)


def _members(community: Community) -> Iterator[Problem]:
    known = {
        "department": {department.key for department in community.departments},
        "node": {node.key for node in community.nodes},
        "home": {building.key for _, building in community.buildings()},
    }
    for i, member in enumerate(community.members):
        for field, keys in known.items():
            value = getattr(member, field)
            if value is not None and value not in keys:
                what = f"成员{member.name}的 {field}「{value}」不存在"
                yield Problem(("members", i, field), what, closest(value, keys))
        yield from _post(community, i, member)
        for field, allowed in (("skills", community.skills), ("duty", community.calendar.shifts)):
            for j, word in enumerate(getattr(member, field)):
                if word not in allowed:
                    what = f"成员{member.name}的 {field}「{word}」没有定义"
                    yield Problem(("members", i, field, j), what, closest(word, allowed))
    phones = [(("members", i, "phone"), m.phone) for i, m in enumerate(community.members)]
    yield from _repeats(phones, "成员电话", "每人写自己的号码")


def _volunteering(community: Community) -> Iterator[Problem]:
    for i, word in enumerate(community.volunteering):
        if word not in community.skills:
            what = f"volunteering 的技能「{word}」没有定义"
            yield Problem(("volunteering", i), what, closest(word, community.skills))


def _post(community: Community, i: int, member: Member) -> Iterator[Problem]:
    """A role belongs to one level of the tree, or to a department."""
    path: Path = ("members", i, "role")
    level = ROLE_LEVEL.get(member.role)
    if level is None:
        if member.department is None or member.node is not None:
            mend = "部门人员只写 department，不写 node"
            yield Problem(path, f"成员{member.name}是部门人员，归属不对", mend)
        return
    if member.node is None or member.department is not None:
        mend = "写 node，不写 department"
        yield Problem(path, f"成员{member.name}没有写所在组织节点，或写了部门", mend)
        return
    actual = next((n.level for n in community.nodes if n.key == member.node), level)
    if actual is not level:
        what = f"成员{member.name}的角色{ROLE_NAMES[member.role]}和所在层级不符"
        mend = f"node 改成{LEVEL_NAMES[level]}的 key，或角色改成{LEVEL_NAMES[actual]}的角色"
        yield Problem(path, what, mend)


_NEEDED = {
    Level.STREET: (Role.STREET_SECRETARY, Role.STREET_DESK),
    Level.COMMUNITY: (Role.COMMUNITY_SECRETARY, Role.DISPATCHER),
    Level.GRID: (Role.GRID_LEAD,),
}


def _staffing(community: Community) -> Iterator[Problem]:
    """Whoever the ladder counts on must exist: desk, secretary, dispatcher, grid lead, staff."""
    posts = {(member.role, member.node) for member in community.members}
    for i, node in enumerate(community.nodes):
        for role in _NEEDED.get(node.level, ()):
            if (role, node.key) not in posts:
                mend = f"在 members 里加一人，role: {role.value}，node: {node.key}"
                yield Problem(("nodes", i), f"「{node.name}」没有{ROLE_NAMES[role]}", mend)
    staffed = {member.department for member in community.members}
    for i, department in enumerate(community.departments):
        if department.key not in staffed:
            mend = f"加一名 role: department_staff、department: {department.key} 的成员"
            yield Problem(("departments", i), f"部门「{department.name}」没有人员", mend)


def _ties(community: Community) -> Iterator[Problem]:
    members = {member.key for member in community.members}
    for i, tie in enumerate(community.relationships):
        for field in ("member", "other"):
            value = getattr(tie, field)
            if value not in members:
                what = f"关系里的成员「{value}」不存在"
                yield Problem(("relationships", i, field), what, closest(value, members))
        if tie.member == tie.other:
            yield Problem(("relationships", i), "一个人和自己建了关系", "other 写另一个人")


def _catalogue(community: Community) -> Iterator[Problem]:
    departments = {department.key for department in community.departments}
    for i, category in enumerate(community.categories):
        keys = [(("categories", i, "items", j, "key"), x.key) for j, x in enumerate(category.items)]
        yield from _repeats(keys, f"{category.name}的事项 key", "换一个没有用过的 key")
        for j, item in enumerate(category.items):
            base: Path = ("categories", i, "items", j)
            if item.department is not None and item.department not in departments:
                what = f"事项「{item.name}」的部门「{item.department}」不存在"
                yield Problem((*base, "department"), what, closest(item.department, departments))
            if category.key in PRIVATE_CATEGORIES and not item.private:
                what = f"事项「{item.name}」属于{category.name}，必须保密"
                yield Problem(base, what, "写上 private: true")
            if item.clock_class in _URGENT_CLASSES and item.start_level == "building_group":
                what = f"事项「{item.name}」是紧急时限，不能从楼栋开始"
                yield Problem((*base, "start_level"), what, "改成 start_level: grid")
            yield from _able(community, base, item)


def _able(community: Community, base: Path, item: ServiceItem) -> Iterator[Problem]:
    """Some member at the start level or above must have the item's skill."""
    path = (*base, "skill")
    if item.skill not in community.skills:
        what = f"事项「{item.name}」的技能「{item.skill}」没有定义"
        yield Problem(path, what, closest(item.skill, community.skills))
        return
    start = Level(item.start_level)
    able = (
        member
        for member in community.members
        if item.skill in member.skills and _stands(member) >= rank(start)
    )
    if next(able, None) is None:
        what = f"{LEVEL_NAMES[start]}及以上没有人会「{item.skill}」（事项「{item.name}」要用）"
        yield Problem(path, what, f"给至少一名成员的 skills 加上 {item.skill}，或换一种技能")


def _stands(member: Member) -> int:
    """Rank of the member's level; departments help at the street's."""
    return rank(ROLE_LEVEL.get(member.role, Level.STREET))


def _calendar(community: Community) -> Iterator[Problem]:
    days = Counter(community.calendar.extra_holidays + community.calendar.extra_workdays)
    for field in ("extra_holidays", "extra_workdays"):
        for i, day in enumerate(getattr(community.calendar, field)):
            if days[day] > 1:
                mend = "只留一处"
                yield Problem(("calendar", field, i), f"日期 {day} 写了不止一次", mend)
