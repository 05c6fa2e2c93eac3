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
PLAIN_TALK = 0.6
CALM = 0.95

# Words that mean danger now, by kind.
_ALARMS = (
    # fire and smoke
    r"着火了|着火着火|起火|失火|火灾了|着起来了|烧(?:起来|着了)|火势|火苗|明火|火烛|救火|冒(?:浓|黑|大|白)?烟|浓烟"
    r"|(?:全|都|满屋子?)是(?:黑|浓)?烟|冒火(?:星|花)|爆炸(?!头)|自燃|(?:锅|火|屋子?|房子?|柜子?|被子|电线|插座|车|阳台|厨房)着了(?!凉)|有火(?![锅车腿气柴花])|炸了",
    # gas
    r"(?:煤气|燃气|天然气|液化气|瓦斯)(?:罐|管|阀门?)?(?:好像|可能|在|都|好|很|被)?(?:一直)?"
    r"(?:泄漏|漏了|漏气|在漏|外泄|挖断|味(?:道)?(?:很|好|太|特别)?(?:大|重|浓))"
    r"|(?:闻到|好大|一股|全是|都是)[^,。]{0,8}(?:煤气|燃气|天然气|液化气|瓦斯)味"
    r"|挖断[^,。]{0,4}(?:燃|煤|天然)气|一氧化碳中毒|煤气中毒",
    # one's own life
    r"不想活|想自杀|要自杀|想死(?!你|了你)|要跳(?:楼|河|桥)|想跳(?:楼|河|桥)|跳下去|割腕|活不下去"
    r"|喝了?(?:一整?瓶)?(?:农药|百草枯|敌敌畏|老鼠药)|活着没(?:有)?意(?:思|义)|结束生命|遗书|不如死了"
    r"|(?:站|坐|爬)(?:在|到|上)[^,。]{0,6}(?:楼顶|天台|窗台|桥栏|护栏|栏杆|阳台外)|有人要跳",
    # the body
    r"晕倒|昏倒|昏迷|昏过去|晕过去|厥过去|昏在|倒(?:在)?地(?:上)?不?(?:动|起)?|没(?:有)?呼吸|没气了|喘不(?:上|过)气|没(?:有)?意识"
    r"|不省人事|叫不醒|(?:喊|叫|敲门?|打电话)[^,。]{0,3}(?:不(?:答应|应|醒)|没(?:人)?(?:应|反应|答应|动静))|口吐白沫|抽搐|大出血|流血不止|(?:一头|满头|满脸|浑身|一地|好多|全是)(?:是)?血|吐血|噎住|触电"
    r"|落水|溺水|心梗|中风了|(?:心口|胸口|心脏)[^,。]{0,4}(?:疼|痛|闷|绞)|脸(?:色)?(?:都)?(?:煞白|发青|青了|发紫|紫了)|嘴唇发紫"
    r"|宫缩|要生了|血[^,。]{0,3}(?:止不住|喷)|止不住血|没(?:有|得)?(?:脉|心跳)|脉[^,。]{0,3}(?:没|摸不)"
    r"|(?:卡|噎|呛)(?:住|着|到)[^。]{0,10}(?:说不出|喘|憋|咳不)|(?:嗓子|喉咙|气管)[^,。]{0,4}(?:卡住|堵住|肿|发紧)"
    r"|沉(?:下去|底)|一沉一沉|(?:漂|浮)着[^,。]{0,4}(?:人|孩子|小孩|娃)"
    r"|(?:吃|吞|喝|咽)[^,。]{0,6}(?:老鼠药|农药|百草枯|洁厕灵|纽扣电池)"
    r"|(?:老鼠药|农药|百草枯|洁厕灵|纽扣电池)[^,。]{0,6}(?:吃|吞|喝|咽|舔|嚼)"
    r"|误(?:喝|吞|食)|喝了?(?:消毒液|洁厕灵)|半边身子|羊水破|(?:摔|掉|坠)下(?:来|去)了?[^,。]{0,6}(?:血|不动|昏|人)"
    r"|(?:人|爸|妈|爹|娘|爷|奶|公|婆|他|她|老伴|孩子|娃)(?:都|已经|怕是|好像|真的?)?(?:快要?)?不行了"
    r"|(?:脸|嘴|面孔|口角)[^,。]{0,3}歪(?:了|到|脱|斜|在)|(?:说|讲)(?:不|勿)出(?:话|闲话)|人[^,。]{0,4}没(?:了)?(?:声|动静)"
    r"|(?:吃|吞|喝)了?(?:整|一整|半|一|两|三|大半?|好几|几十)(?:瓶|板|把)[^,。]{0,8}(?:药|安眠|片|酚|唑)"
    r"|(?:撞|冲)(?:进|向|到)[^,。]{0,8}(?:人群|队伍|学生|行人)|人[^,。]{0,3}躺(?:了)?(?:一|在)?(?:地|血)|(?:不想|不愿)[^,。]{0,4}拖累",
    # violence
    r"持刀|(?:拿|举|握|攥|挥|提|掏|抽|亮|抄)(?:着|起|出)?(?:一?把)?(?:菜|砍|水果|尖|长)?(?:刀(?![切削具片工])|匕首|斧)|动刀|砍人|砍我|捅人|捅我|(?:被|遭|给)[^,。]{0,4}(?:捅|砍|刺)(?:了|伤)|(?:关|锁|绑)在[^。]{0,10}不让[^,。]{0,3}(?:出|走|吃)|要杀|杀人|打死我|正在打我|还在打|(?:拿|抄)[^,。]{0,3}(?:凳子?|椅子?|棍子?|砖头?|铁锹|酒瓶子?|锤子?)[^,。]{0,3}(?:砸|打|扎|抡)|躲在|往死里打|掐[^,。]{0,3}脖子"
    r"|追(?:过来|着)[^,。]{0,4}(?:砍|打|了|我)|不让(?:我|她|他|人)?下车|破门|(?:撬|砸)(?:着)?(?:我家|我)?(?:的)?(?:门|锁)|入室抢劫|救命|救救?我们?(?:$|[,。!\s\d]|快)|快来人|出人命",
    # shut in, falling things, no sign of life
    r"困(?:在|住)|被困|电梯(?:里)?(?:困|关)(?:住)?(?:了)?(?:人|我|老人|孩子|小孩)|反锁在"
    r"|(?:人|孩子|娃|头|手|脚|腿|身子)[^,。]{0,4}卡在|卡在[^,。]{0,6}(?:里|中间|缝|栏杆|半空)"
    r"|(?:梁|顶|墙|天花板|楼板|脚手架)[^,。]{0,3}(?:断|塌|垮)(?:了|下)"
    r"|(?:墙|天花板|楼板|房子|屋子|梁)[^,。]{0,4}(?:咔咔|嘎吱|吱嘎|在裂|在响)"
    r"|掉(?:进|到|下)(?:了)?(?:河|井|坑|水|沟|鱼塘|池塘|化粪池)|有人掉(?:进|下)|坠楼|跳楼了|塌方"
    r"|电线[^,。]{0,3}(?:断|掉|垂|落)[^,。]{0,6}(?:地|下|来|水|冒火|火花)|(?:马上|快|就)?(?:要|垮|塌)(?:掉|塌|倒|砸|垮)(?:了|下|来)|快(?:垮|塌|倒)了|塌了|垮了"
    r"|摇摇欲坠|(?:砸|压)(?:到|中|伤|着|住)(?:了)?(?:一个|个)?(?:人|头)|(?:几|\d|[一二两三四五])天没(?:出来|动静|出门)[^。]{0,8}(?:臭|没人应)",
)
_ALARM = re.compile("|".join(_ALARMS))
# A report of the past, a question of rules, a plan or an insurance matter is not an alarm.
_CALM = re.compile(
    # sayings, stories, and what is over
    r"电影|游戏|王者|追剧|小说|话剧|剧本|密室|人没事|虚惊|误报|乱叫|"
    r"(?:气|冻|吓|累|饿|笑|烦|急|热|冷|困|忙|渴|想|羡慕|难看|恨|美|丑)死|死机|死活|死心|打死(?:我)?(?:也|都)不|要人命|套牢"
    r"|哈哈|嘿嘿|听说|气得|笑得|气炸|炸了肺|甩卖|杀价|杀青|杀虫|打药|火锅|火气|上火|恼火|火车|火爆|爆料|爆满|流量|油烟|抽烟|烧烤|打不着|点不着"
    # rules, prevention, equipment, wishes
    r"|怎么赔|赔偿|理赔|保险|报销|医保|补偿|补助|起诉|法院|律师|咨询|建议|希望|关于|请求|反映|投诉|举报"
    r"|培训|演练|讲座|宣传|预防|防火|隐患|万一|知识|学习|想学|安检|灭火|消防(?:栓|通道|演|设施|检查|员)|报警器|保护器|按钮|围栏|没护栏"
    r"|急救(?:方法|箱|培训)|多少钱|哪家|医院好|怎么治|原因|征兆|症状|治疗|后遗症|康复|鉴定|工伤|认定|检查一下|做(?:个)?检查"
    r"|想(?:装|问|了解|给|换)|申请|安装|用(?:水|什么|啥)还是|什么时候(?:来|装|换|打|搞|喷)|吗[??]?$"
    # the past
    r"|去年|前年|上个?(?:月|礼拜|星期)|上周|上次|上回|前(?:几天|阵子|段时间)|以前|小时候|曾经|当年|那[年次场回]|\d年前|事后"
    r"|过(?:一|几|两)?[次回]|出过|困过|关过|打过|处理结果|住哪"
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


def danger(
    text: str, reading: Reading, likely: float, seen: float, plain: float, sure: float, talk: float
) -> bool:
    """Danger by words or by both regressions; a calm text needs more of either."""
    alarm, calm = bool(_ALARM.search(text)), bool(_CALM.search(text))
    if alarm and not calm:
        return True
    if reading.emergency >= (0.5 if calm else 0.4):
        return True
    if alarm:
        return reading.alarm >= sure
    # 「我想离婚」 alarms the one regression: that of intents must see a little danger too.
    if reading.emergency < seen:
        return False
    if calm:
        return reading.alarm >= CALM
    # Talk must alarm the more, the plainer it is talk.
    if reading.item is None:
        return reading.alarm >= plain + (talk - plain) * min(reading.confidence / PLAIN_TALK, 1)
    return reading.alarm >= likely


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=False)
class UrgencyReader(GraphComponent):
    """Sets `urgency`, and the entities `urgency` and `service_item` for slots."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """How alarming a text must be to the classifier (see `danger`)."""
        return {"likely": 0.06, "seen": 0.07, "plain": 0.5, "sure": 0.7, "talk": 0.8}

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
        names = ("likely", "seen", "plain", "sure", "talk")
        marks = {name: self._config[name] for name in names}
        if any(danger(t, r, **marks) for t, r in pairs):
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
