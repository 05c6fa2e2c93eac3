"""The sample community: schema, loader and the command that brings it into the database."""

from bot.community.command import main_sync
from bot.community.loader import load_community
from bot.community.problems import CommunityError
from bot.community.schema import Community

__all__ = ["Community", "CommunityError", "load_community", "main_sync"]
