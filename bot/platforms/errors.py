"""What can come back from the platforms' APIs, and the reason in Chinese for people."""

from __future__ import annotations

BUSY = -1
TOKEN_EXPIRED = frozenset({40001, 40014, 42001})
ADDRESS_NOT_ALLOWED = frozenset({40164, 60020})
WINDOW_CLOSED = 45015
QUOTA_USED = 45047
REFUSED_BY_USER = 48002
MENU_NOT_SUPPORTED = 40200
CONSENT_USED = 43101
NOT_FOLLOWING = 43004
UNREACHABLE = -2  # ours: no answer from the platform
HELD_BACK = -3  # ours: our own count says that the platform would refuse

# A later try may succeed without anyone changing anything.
TEMPORARY = frozenset({BUSY, UNREACHABLE, HELD_BACK, 45009, 45011, 45033} | TOKEN_EXPIRED)

REASONS = {
    UNREACHABLE: "连接不上微信服务器",
    BUSY: "微信系统繁忙",
    40001: "微信凭证失效或 AppSecret 不对",
    40003: "收件人的 openid 不对",
    40007: "图片、语音或视频已过期，或编号不对",
    40013: "AppID 或 CorpID 不对",
    40014: "微信凭证不合法",
    40029: "登录授权码无效，请重新打开页面",
    40037: "模板编号不对，请在公众号后台核对模板",
    40056: "AgentId 不对，请在企业微信后台核对应用",
    40058: "消息内容不合要求",
    40163: "登录授权码已用过，请重新打开页面",
    40164: "本服务器的 IP 不在公众号的 IP 白名单里",
    40200: "这类公众号不能发送菜单消息",
    41001: "缺少微信凭证",
    42001: "微信凭证已过期",
    42014: "用户 72 小时前的授权已过期",
    43004: "居民没有关注公众号",
    43101: "居民没有订阅通知，或这次订阅已用完",
    45002: "消息太长",
    45009: "今天的接口调用次数已用完",
    45011: "调用太频繁，稍后会再试",
    45015: "居民超过 48 小时没有与公众号互动，微信不允许发送",
    45033: "同时调用太多，稍后会再试",
    45047: "可主动发送的条数已用完，要等居民再来消息",
    48001: "公众号没有这个接口的权限（多半是没有认证）",
    48002: "居民关闭了接收公众号消息",
    48004: "公众号的接口被封禁，请登录后台查看",
    50001: "没有网页授权的域名，请在后台设置可信域名",
    50002: "该成员已被停用",
    60011: "应用没有权限发给该成员，请检查应用的可见范围",
    60020: "本服务器的 IP 不在企业微信应用的可信 IP 里",
    60111: "企业微信里没有这个成员",
    72024: "卡片已不能更新（已更新过，或超过 72 小时）",
    81013: "收件人都不在应用的可见范围内",
    93000: "群机器人的地址不对，请重新复制",
    HELD_BACK: "已达到微信的发送上限，稍后会再试",
}


class PlatformError(Exception):
    """A call failed; `errcode` is the platform's, or one of ours below −1."""

    def __init__(self, errcode: int, path: str = "", errmsg: str = "") -> None:
        self.errcode = errcode
        self.path = path
        self.errmsg = errmsg[:200]
        super().__init__(f"{path}: errcode {errcode}")

    @property
    def temporary(self) -> bool:
        """Whether trying again later makes sense."""
        return self.errcode in TEMPORARY

    @property
    def reason(self) -> str:
        """The reason in Chinese, fit for the ticket page."""
        return reason(self.errcode)


def reason(errcode: int) -> str:
    """Chinese words for an errcode, always with the number so that it can be looked up."""
    words = REASONS.get(errcode, "微信返回了错误")
    return f"{words}（{errcode}）" if errcode >= BUSY else words
