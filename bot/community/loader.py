"""Reads community.yml: YAML, then schema, then cross-checks; every problem with its line."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from bot.community.checks import check
from bot.community.problems import CommunityError, Problem, closest, line_of
from bot.community.schema import Community, Key, Phone, Span, Strict

_TYPES = {
    "integer": "整数",
    "float": "数字",
    "str": "文字",
    "bool": "true 或 false",
    "list": "列表（每行以 - 开头，或写成 [甲, 乙]）",
    "dict": "「名称: 值」的一组",
    "none.not_allowed": "一个值，不能留空",
}
_FORMATS = {
    Key.regex.pattern: "只用小写字母、数字和下划线，以字母开头，例如 xinglin_g1",
    Phone.regex.pattern: '写成加引号的号码，例如 "19900000001"',
    Span.regex.pattern: '写成 "09:00-12:00" 这样的时段',
}


def load_community(path: Path | str) -> Community:
    """Parse and check the file; raises CommunityError listing all problems with line numbers."""
    path = Path(path)
    document = _read(path)
    try:
        community = Community.parse_obj(document)
    except ValidationError as error:
        problems = [_translate(dict(e), document) for e in error.errors()]
        raise _failure(path, document, problems) from None
    problems = check(community)
    if problems:
        raise _failure(path, document, problems)
    return community


def _read(path: Path) -> Any:
    """The YAML document with line numbers kept (ruamel's round-trip types)."""
    try:
        document = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _single(path, 1, "找不到社区文件", "检查 LINLI_COMMUNITY_FILE 指的路径") from None
    except UnicodeDecodeError:
        raise _single(path, 1, "文件不是 UTF-8 编码", "用 UTF-8 编码另存一次") from None
    except DuplicateKeyError as error:
        raise _single(path, _mark(error), "同一个名称写了两次", "删掉其中一个") from None
    except MarkedYAMLError as error:
        reason = f"YAML 写法有误（{error.problem}）"
        raise _single(path, _mark(error), reason, "检查这一行的缩进、冒号后的空格和引号") from None
    except YAMLError as error:
        raise _single(path, 1, f"YAML 写法有误（{error}）", "检查文件里的特殊字符") from None
    if not isinstance(document, dict):
        raise _single(path, 1, "文件是空的，或不是「名称: 值」的结构", "参照样例 community.yml")
    return document


def _mark(error: MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _single(path: Path, line: int, what: str, mend: str) -> CommunityError:
    return CommunityError(path.name, [(line, Problem((), what, mend))])


def _failure(path: Path, document: Any, problems: list[Problem]) -> CommunityError:
    return CommunityError(path.name, [(line_of(document, p.path), p) for p in problems])


def _translate(error: dict[str, Any], document: Any) -> Problem:
    """A pydantic error in words a community worker can act on."""
    path = tuple(part for part in error["loc"] if part not in ("__root__", "__key__"))
    for prefix, translate in _TRANSLATORS.items():
        if error["type"].startswith(prefix):
            what, mend = translate(error, path, _value(document, path))
            return Problem(path, what, mend)
    return Problem(path, f"「{_name(path)}」不对：{error['msg']}", "按上面的说明改正")


def _value(document: Any, path: tuple[Any, ...]) -> Any:
    try:
        for part in path:
            document = document[part]
    except (KeyError, IndexError, TypeError):
        return None
    return document


def _name(path: tuple[Any, ...]) -> str:
    words = [str(part + 1) if isinstance(part, int) else str(part) for part in path]
    return " › ".join(words) or "文件"


def _missing(error: dict[str, Any], path: tuple[Any, ...], value: Any) -> tuple[str, str]:
    return f"「{_name(path[:-1])}」缺少字段 {path[-1]}", f"补上 {path[-1]}: …"


def _extra(error: dict[str, Any], path: tuple[Any, ...], value: Any) -> tuple[str, str]:
    fields = {name for section in Strict.__subclasses__() for name in section.__fields__}
    near = difflib.get_close_matches(str(path[-1]), sorted(fields), n=1)
    mend = f"改成 {near[0]}，或删掉它" if near else "删掉它"
    return f"「{_name(path[:-1])}」里有不认识的字段 {path[-1]}", mend


def _choice(error: dict[str, Any], path: tuple[Any, ...], value: Any) -> tuple[str, str]:
    context = error.get("ctx", {})
    allowed = [
        str(getattr(w, "value", w))
        for w in (*context.get("permitted", ()), *context.get("enum_values", ()))
    ]
    return f"「{_name(path)}」的值「{value}」不可用", closest(str(value), allowed)


def _format(error: dict[str, Any], path: tuple[Any, ...], value: Any) -> tuple[str, str]:
    pattern = error["ctx"]["pattern"]
    return f"「{_name(path)}」的写法「{value}」不对", _FORMATS[pattern]


def _kind(error: dict[str, Any], path: tuple[Any, ...], value: Any) -> tuple[str, str]:
    wanted = _TYPES.get(error["type"].split("type_error.", 1)[-1], "另一种值")
    return f"「{_name(path)}」的值「{value}」类型不对", f"这里要写{wanted}"


def _count(error: dict[str, Any], path: tuple[Any, ...], value: Any) -> tuple[str, str]:
    limit = error["ctx"]["limit_value"]
    few = error["type"].endswith("min_items")
    return f"「{_name(path)}」有 {len(value or ())} 项", f"{'至少' if few else '最多'}写 {limit} 项"


def _range(error: dict[str, Any], path: tuple[Any, ...], value: Any) -> tuple[str, str]:
    most = error["type"].endswith(("lt", "le"))
    side = "不能大于" if most else "不能小于"
    return f"「{_name(path)}」的值 {value} 超出范围", f"{side} {error['ctx']['limit_value']}"


def _empty(error: dict[str, Any], path: tuple[Any, ...], value: Any) -> tuple[str, str]:
    return f"「{_name(path)}」是空的", "写上内容"


def _plain(error: dict[str, Any], path: tuple[Any, ...], value: Any) -> tuple[str, str]:
    return error["msg"], f"改正「{_name(path)}」"


_Translator = Callable[[dict[str, Any], "tuple[Any, ...]", Any], "tuple[str, str]"]
# Longest prefixes first: the first that fits decides.
_TRANSLATORS: dict[str, _Translator] = {
    "value_error.missing": _missing,
    "value_error.extra": _extra,
    "value_error.const": _choice,
    "type_error.enum": _choice,
    "value_error.str.regex": _format,
    "value_error.any_str.min_length": _empty,
    "value_error.list": _count,
    "value_error.number": _range,
    "value_error.date": lambda e, p, v: (
        f"「{_name(p)}」的日期「{v}」不对",
        "写成 2026-10-01 的样子",
    ),
    "value_error": _plain,
    "type_error": _kind,
}
