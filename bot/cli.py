"""`python -m bot <command>`: the table of commands.

To add a command, add a row to `COMMANDS`. Its target `module:function` is imported only when the
command is typed; the function receives the options as keyword arguments and returns an exit code
(None means 0).
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

PROGRAM = "python -m bot"
Argument = tuple[tuple[str, ...], dict[str, Any]]


@dataclass(frozen=True)
class Command:
    """One command: where it lives, and the words that teach it."""

    name: str
    target: str
    help: str
    detail: str = ""
    arguments: tuple[Argument, ...] = ()


def arg(*flags: str, **options: Any) -> Argument:
    """An argument of a command, spelt as for `ArgumentParser.add_argument`."""
    return flags, options


JSON = arg("--json", dest="as_json", action="store_true", help="输出 JSON，供程序读取")

GROUPS: dict[str, tuple[Command, ...]] = {
    "启动": (
        Command(
            "run",
            "bot.commands.run:run",
            "准备好一切并启动四个进程（make run 用的就是它）",
            "先检查端口，再补齐密钥、数据库、社区资料与语言模型，然后用 honcho 启动 Procfile 里的\n"
            "四个进程，就绪后打印网址。按 Ctrl-C 全部结束。",
        ),
        Command(
            "serve-rasa",
            "bot.commands.serve:rasa",
            "只启动对话进程（Rasa：渠道、理解、对话）",
            "监听 LINLI_RASA_HOST:LINLI_RASA_PORT，读取 models/ 里最新的模型。",
        ),
        Command(
            "serve-actions",
            "bot.commands.serve:actions",
            "只启动动作进程（Rasa SDK，只听本机）",
        ),
        Command("serve-desk", "bot.commands.serve:desk", "只启动网页进程（居民聊天页与工作台）"),
        Command(
            "serve-worker",
            "bot.commands.serve:worker",
            "只启动后台进程（发消息、催办、升级、提醒）",
        ),
    ),
    "准备": (
        Command(
            "setup",
            "bot.commands.setup:setup",
            "补齐启动所需：密钥、数据库、社区资料、语言模型",
            "已经做好的步骤会跳过，可以反复运行。",
        ),
        Command(
            "migrate",
            "bot.commands.setup:migrate",
            "把数据库升级到最新结构",
            "对 LINLI_DATABASE_URL 所指的数据库运行 alembic upgrade head。升级程序后先运行它。",
        ),
        Command(
            "sync-community",
            "bot.community:main_sync",
            "把 community.yml 写入数据库",
            "可以反复运行：有则更新，无则新增；文件里删去的只停用、不删除。\n"
            "文件有错时指出第几行、怎么改，并且什么都不写入。",
        ),
        Command(
            "doctor",
            "bot.commands.doctor:doctor",
            "逐项检查环境，并说明怎么修",
            "检查 Python、设置、数据库、模型、端口与四个进程；有一项不行则退出码为 1。",
        ),
    ),
    "语言理解": (
        Command(
            "train",
            "bot.commands.train:train",
            "用 data/ 训练一个新模型，写入 models/",
            "正在运行的服务不会自动换用新模型，重启后才用。",
            (arg("--if-missing", action="store_true", help="已有模型就什么都不做"),),
        ),
        Command(
            "evaluate",
            "bot.training.evaluate:main",
            "给模型打分",
            '文件每行一个 JSON：{"text": 居民的话, "label": 正确类别, "accept": [也算对的类别]}。\n'
            "例：python -m bot evaluate 我的句子.jsonl --errors",
            (
                arg("path", metavar="文件.jsonl", help="带标注的句子"),
                JSON,
                arg("--errors", action="store_true", help="列出判错的句子，最离谱的在前"),
                arg("--model", metavar="模型", help="模型文件或文件夹；默认 models/ 里最新的"),
            ),
        ),
        Command(
            "corpus",
            "bot.training.command:corpus",
            "导出、导入、检查训练语料（自带句子加审核通过的标注）",
            "export [文件夹]：写成 Rasa 的 YAML，默认写到 var/corpus。\n"
            "import 文件：收入一个 Rasa NLU 文件里的句子，算作审核通过。\n"
            "check：训练前检查重复、矛盾、太少、太像的句子，并说明怎么改。",
            (
                arg("action", choices=("export", "import", "check"), metavar="export|import|check"),
                arg("path", nargs="?", metavar="路径"),
            ),
        ),
    ),
    "微信": (
        Command(
            "emulate",
            "bot.commands.wechat:emulate",
            "启动一个模拟的微信公众号或企业微信平台，供试用",
            "打开它打印的网址，就能以居民或工作人员的手机与邻里对话；要填的设置也会打印出来。\n"
            "例：python -m bot emulate wechat --port 8090 --mode safe",
            (
                arg("platform", choices=("wechat", "wecom"), metavar="wechat|wecom"),
                arg("options", nargs=argparse.REMAINDER, metavar="选项", help="交给模拟器的选项"),
            ),
        ),
        Command(
            "qr",
            "bot.commands.wechat:qr",
            "为每栋楼生成公众号二维码，写成可打印的网页",
            "居民扫码即关注公众号，并登记为本楼居民。",
            (arg("--out", default="楼栋码.html", metavar="文件", help="默认 楼栋码.html"),),
        ),
        Command("menu", "bot.commands.wechat:menu", "发布公众号的自定义菜单"),
    ),
    "工单": (
        Command(
            "tickets",
            "bot.commands.tickets:tickets",
            "列出工单",
            "每行：工单号、类别、事项、级别、状态、承办人、地点。",
            (JSON,),
        ),
    ),
}

COMMANDS = {command.name: command for group in GROUPS.values() for command in group}


class Parser(argparse.ArgumentParser):
    """An argument parser that complains in one Chinese sentence."""

    def error(self, message: str) -> NoReturn:
        """Print the mend, not the whole usage."""
        self.exit(2, f"命令写得不对：{message}\n查看用法：{self.prog} --help\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} 命令 [选项]",
        description=_overview(),
        epilog=f"一条命令的详情：{PROGRAM} 命令 --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="命令", help=argparse.SUPPRESS)
    for command in COMMANDS.values():
        sub = commands.add_parser(
            command.name,
            prog=f"{PROGRAM} {command.name}",
            description=f"{command.help}。\n\n{command.detail}".rstrip(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for flags, options in command.arguments:
            sub.add_argument(*flags, **options)
    return parser


def _overview() -> str:
    lines = ["邻里 Linli：社区居民的诉求，从一句话到办结评价。"]
    for title, commands in GROUPS.items():
        lines += ["", f"{title}："]
        lines += [f"  {command.name:<16}{command.help}" for command in commands]
    return "\n".join(lines)


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f"您是想用 {near[0]} 吗？" if near else ""
    return f"没有 {name} 这条命令。{hint}全部命令：{PROGRAM} --help"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    from bot.settings import SettingsError

    words = list(sys.argv[1:] if argv is None else argv)
    if words and not words[0].startswith("-") and words[0] not in COMMANDS:
        print(_unknown(words[0]), file=sys.stderr)
        return 2
    parser = build_parser()
    options = vars(parser.parse_args(words))
    name = options.pop("command")
    if name is None:
        parser.print_help()
        return 0
    module, function = COMMANDS[name].target.split(":")
    try:
        return getattr(importlib.import_module(module), function)(**options) or 0
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
