"""`python -m bot sync-community`: check community.yml, write it to the database, refresh words."""

from __future__ import annotations

import sys

from bot.community.loader import load_community
from bot.community.problems import CommunityError
from bot.community.words import write_word_lists


def main_sync() -> int:
    """Bring community.yml into the database; nothing is written when the file has a mistake."""
    from bot.services.sync import sync
    from bot.settings import ROOT, settings
    from bot.store.base import make_engine, make_session_factory

    config = settings()
    try:
        community = load_community(config.community_file)
    except CommunityError as error:
        print(f"社区资料有误，什么都没有写入：\n{error}", file=sys.stderr)
        return 1
    engine = make_engine(config.database_url)
    try:
        report = sync(make_session_factory(engine), community)
    finally:
        engine.dispose()
    print(f"社区资料已写入：{report}")
    changed = write_word_lists(community, ROOT)
    if changed:
        print("地名和事项的词表有变化，请运行 python -m bot train 重新训练：")
        print("\n".join(f"  {path}" for path in changed))
    return 0
