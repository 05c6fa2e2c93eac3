"""The custom actions in this process, where Rasa expects a server of actions."""

from __future__ import annotations

import json
from typing import Any

from rasa.utils.endpoints import ClientResponseError, EndpointConfig
from rasa_sdk.executor import ActionExecutor
from rasa_sdk.interfaces import ActionExecutionRejection


class OwnActions(EndpointConfig):
    """Runs an action where others would post it; errors come as a server would send them."""

    def __init__(self) -> None:
        super().__init__("http://in.this.process/")
        self._executor = ActionExecutor()
        self._executor.register_package("actions")

    async def request(self, *_: Any, **options: Any) -> Any:
        """The answer to one call of an action."""
        call = json.loads(json.dumps(options["json"]))  # as over the wire: a copy
        try:
            return json.loads(json.dumps(await self._executor.run(call)))
        except ActionExecutionRejection as error:
            body = json.dumps({"error": error.message, "action_name": error.action_name})
            raise ClientResponseError(400, "rejected", body) from error
