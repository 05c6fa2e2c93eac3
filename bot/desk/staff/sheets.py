"""Lists of tickets as CSV and Excel files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font

from bot.domain.catalogue import category_name
from bot.domain.masking import mask
from bot.services.wording import URGENCY_NAMES, local
from bot.store.queries import JUDGES, Row

MIMES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
HEAD = (
    ("工单号", 20),
    ("类别", 10),
    ("事项", 16),
    ("状态", 10),
    ("层级", 12),
    ("紧急程度", 10),
    ("地点", 24),
    ("内容", 48),
    ("承办人", 18),
    ("提交时间", 18),
    ("当前期限", 18),
    ("是否超时", 10),
    ("督办", 8),
    ("评价方式", 10),
    ("居民评分", 10),
    ("回访评分", 10),
)
FORM = "%Y-%m-%d %H:%M"


def cells(row: Row) -> tuple[str | int, ...]:
    """One line of the list."""
    return (
        row.number,
        category_name(row.category),
        row.item,
        row.status_name,
        row.level_name,
        URGENCY_NAMES.get(row.urgency, row.urgency),
        row.place,
        mask(row.description),  # a file leaves the desk
        row.assignee,
        local(row.created_at, FORM),
        local(row.due, FORM),
        "是" if row.overdue else "",
        "是" if row.supervised else "",
        JUDGES[row.judged_by],
        (row.judged_by == "resident" and row.stars) or "",
        (row.judged_by == "call_back" and row.stars) or "",
    )


def _harmless(value: str | int) -> str | int:
    """Text that a spreadsheet would run as a formula stays text."""
    if not isinstance(value, str):
        return value
    text = str(ILLEGAL_CHARACTERS_RE.sub("", value))
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _lines(rows: Iterable[Row]) -> Iterable[list[str | int]]:
    return ([_harmless(value) for value in cells(row)] for row in rows)


def csv_file(rows: Iterable[Row]) -> bytes:
    """UTF-8 with a mark at the front, without which Excel shows Chinese wrongly."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([name for name, _ in HEAD])
    writer.writerows(_lines(rows))
    return out.getvalue().encode("utf-8-sig")


def excel_file(rows: Iterable[Row]) -> bytes:
    """One sheet with a fixed, filterable head."""
    book = Workbook()
    sheet = book.active
    sheet.title = "工单"
    sheet.append([name for name, _ in HEAD])
    for line in _lines(rows):
        sheet.append(line)
    for column, (_, width) in zip(sheet.columns, HEAD, strict=True):
        sheet.column_dimensions[column[0].column_letter].width = width
        column[0].font = Font(bold=True)
    sheet.freeze_panes, sheet.auto_filter.ref = "A2", sheet.dimensions
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
