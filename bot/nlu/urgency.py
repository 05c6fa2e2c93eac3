"""How fast someone must look: danger (life or fire), urgent (today), normal."""

from __future__ import annotations

import re
from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.constants import ENTITIES, TEXT
from rasa.shared.nlu.training_data.message import Message

from bot.nlu.clauses import with_clauses
from bot.nlu.normaliser import FULL_TEXT
from bot.nlu.reading import READING, Reading

DANGER, URGENT, NORMAL = "danger", "urgent", "normal"

# Words that mean danger now, whatever the classifier thinks.
_ALARM = re.compile(
    r"着火了|起火了|失火了|着起来了|烧起来|冒(?:浓|黑|大)烟|火苗|救火|救命|快来人"
    r"|(?:煤气|燃气|天然气|液化气)(?:好像|可能|在|都|好|很)?(?:泄漏|漏了|漏气|外泄|味(?:很|好|太|特别)?(?:大|重|浓))"
    r"|(?:闻到|好大|一股|全是|都是)[^,。]{0,8}(?:煤气|燃气|天然气|液化气)味|一氧化碳中毒|煤气中毒"
    r"|不想活|想自杀|要自杀|想死|要跳楼|要跳河|想跳楼|割腕|喝农药|喝了?(?:一整?瓶)?(?:农药|百草枯|敌敌畏)|活不下去|活着没(?:有)?意(?:思|义)|结束生命|(?:写|留)(?:好|下)?了?遗书|不如死了"
    r"|晕倒|昏倒|昏迷|昏过去|没(?:有)?呼吸|没气了|喘不(?:上|过)气|没(?:有)?意识|不省人事|口吐白沫|抽搐|大出血|流血不止|吐血|噎住|触电|落水|溺水|心梗|中风"
    r"|持刀|拿(?:着)?(?:菜|砍|水果)?刀|砍人|砍我|捅人|捅我|要杀|打死我|正在打我|还在打|往死里打|破门|撬(?:我家|我)?(?:门|锁)|入室抢劫"
    r"|困在(?:电梯|屋|里面|水|井|家里)|被困|电梯(?:里)?(?:困|关)(?:住)?(?:了)?(?:人|我|老人|孩子|小孩)|困(?:住)?了?[一两三几\d]?个?(?:人|孩子|老人)|掉(?:进|到|下)(?:河|井|坑|水|沟|鱼塘|池塘|化粪池)|坠楼|跳楼了|站在(?:楼顶|天台|窗台)"
    r"|电线(?:断|掉|垂|落)[^,。]{0,6}(?:地|下|来|冒火|火花)|马上要(?:掉|塌|倒)|快要(?:掉|塌|倒)|随时(?:会|要|可能)(?:掉|塌|倒|砸)|砸(?:到|中|伤)(?:人|了|头)"
)
# A report of the past, a question of rules, a plan or an insurance matter is not an alarm.
_CALM = re.compile(
    r"去年|前年|上个?月|以前|曾经|当年|那年|\d年前|年前|上周|上次|之前|事后|怎么赔|赔偿|理赔|保险|报销|补偿|责任|起诉|判|法院|律师|咨询|建议|希望|关于|请求|反映|投诉|举报"
    r"|培训|演练|讲座|宣传|预防|如何防|怎么预防|灭火器|报警器(?:价|多少|安装|哪|怎么)|吗[??]?$|多少钱|医院好|哪家|怎么治|原因|症状|治疗|后遗症|康复|鉴定|工伤|认定"
)
_HURRY = re.compile(
    r"赶紧|赶快|马上|立刻|紧急|十万火急|急急|很急|太急|着急|快点|尽快派|来不及|水漫|淹|哗哗|喷|爆管|爆了|爆裂|停水|停电|没水|没电|断电|走失|走丢|不见了|联系不上|敲门没|没人应|几天没(?:见|出门)|没饭吃|断粮|冻|发烧"
)
URGENT_ITEMS = {
    "water_supply",
    "power_supply",
    "gas_supply",
    "heating",
    "lift",
    "wandering",
    "lonely_visit",
    "domestic_violence",
    "child_neglect",
    "disaster",
    "house_safety",
    "fight",
}


def danger(text: str, mass: float, sure: float, likely: float) -> bool:
    """Danger by the classifier alone if it is sure; by words and classifier together below that."""
    alarm, calm = bool(_ALARM.search(text)), bool(_CALM.search(text))
    if calm:
        return mass >= sure + 0.25 or (alarm and mass >= sure)
    return mass >= sure or (alarm and mass >= likely)


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=False)
class UrgencyReader(GraphComponent):
    """Sets `urgency`, and the entities `urgency` and `service_item` for slots."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """How much of the probability must lie on emergencies, without and with alarm words."""
        return {"sure": 0.4, "likely": 0.02}

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> UrgencyReader:
        """Nothing to load."""
        return cls(config)

    def process(self, messages: list[Message]) -> list[Message]:
        """Judge messages; of several clauses the most urgent counts."""
        for message in messages:
            reading: Reading | None = message.get(READING)
            text = message.get(FULL_TEXT) or message.get(TEXT) or ""
            if reading is None:
                continue
            level = self._level(message, text, reading)
            message.set("urgency", level, add_to_output=True)
            found = [self._entity("urgency", level, text)]
            if reading.item:
                found.append(self._entity("service_item", reading.item, text))
            message.set(ENTITIES, message.get(ENTITIES, []) + found, add_to_output=True)
        return messages

    def _level(self, message: Message, text: str, reading: Reading) -> str:
        parts = [(p.get(TEXT), p.get(READING)) for p in with_clauses([message])[1:]]
        pairs = [(text, reading), *((t, r) for t, r in parts if r)]
        sure, likely = self._config["sure"], self._config["likely"]
        if any(danger(t, r.danger_mass, sure, likely) for t, r in pairs):
            return DANGER
        matter = reading.item is not None
        if matter and (reading.item in URGENT_ITEMS or _HURRY.search(text)):
            calm = _CALM.search(text) and not re.search(r"赶紧|赶快|马上|立刻|紧急", text)
            return NORMAL if calm else URGENT
        return NORMAL

    @staticmethod
    def _entity(name: str, value: str, text: str) -> dict[str, Any]:
        return {
            "entity": name,
            "value": value,
            "start": 0,
            "end": len(text),
            "extractor": "UrgencyReader",
        }
