#!/usr/bin/env bash
# Chromium and Chinese fonts for the browser tests, from the system's packages.
# Without root or sudo it says so in one line and goes on: those tests are then skipped.
# With --required (CI) a missing Chromium is an error.
set -euo pipefail

have() { command -v chromium >/dev/null && fc-list :lang=zh 2>/dev/null | grep -q .; }
have && exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    if sudo -n true 2>/dev/null; then as_root=(sudo -n env); else as_root=(false); fi
fi
echo "安装 Chromium 与中文字体（浏览器测试用）…"
if "${as_root[@]}" apt-get update -qq >/dev/null &&
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends \
        chromium fontconfig fonts-noto-cjk >/dev/null; then
    exit 0
fi
echo "!!! 没有 Chromium：浏览器测试将被跳过。请以管理员身份运行 apt-get install -y chromium fonts-noto-cjk" >&2
[ "${1:-}" != --required ]
