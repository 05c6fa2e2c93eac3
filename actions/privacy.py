"""How data is used, and deleting it."""

from __future__ import annotations

from rasa_sdk.events import AllSlotsReset

from actions.base import Events, LinliAction, Turn, button
from bot.domain.taps import payload
from bot.services import residents

DELETE_WORDS = ("删", "注销", "撤回", "清除", "抹")


class ActionPrivacy(LinliAction):
    """Explains; deletes after one question."""

    action = "action_privacy"
    intents = ("privacy",)

    async def answer(self, turn: Turn) -> Events:
        """Explain, ask, or delete."""
        wish = turn.reading.get("forget")
        if wish == "sure":
            return await self._forget(turn)
        if wish or any(word in turn.reading.text for word in DELETE_WORDS):
            buttons = [
                button("确认删除", payload("privacy", forget="sure")),
                button("先不删", payload("deny")),
            ]
            turn.say("utter_ask_forget", buttons=buttons)
            turn.ask("forget", buttons, yes=0, no=1)
            return []
        buttons = [button("删除我的数据", payload("privacy", forget=True))]
        turn.say("utter_privacy", buttons=[] if turn.in_form else buttons)
        return []

    async def _forget(self, turn: Turn) -> Events:
        profile = await turn.profile()
        await turn.call(residents.forget, profile.id, turn.now)
        turn.keep = False
        turn.say("utter_forgotten")
        return [AllSlotsReset()]
