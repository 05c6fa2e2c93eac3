"""`python -m bot tickets`: the tickets as a table or as JSON."""

from __future__ import annotations

import json

COLUMNS = {
    "number": "工单号",
    "category": "类别",
    "item": "事项",
    "level": "级别",
    "status": "状态",
    "assignee": "承办人",
    "place": "地点",
}


def tickets(as_json: bool = False) -> None:
    """Print every ticket, newest first."""
    from bot.store.db import session_factory
    from bot.store.queries import ticket_rows

    rows = ticket_rows(session_factory())
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    print("\t".join(COLUMNS.values()))
    for row in rows:
        print("\t".join(str(row[column] or "—") for column in COLUMNS))
