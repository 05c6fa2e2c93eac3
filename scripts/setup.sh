#!/usr/bin/env bash
# Makes .venv from the hash-pinned requirements. Usage: setup.sh main|dev TOTAL_STEPS
# Each step is skipped when its stamp (a digest of what it was made from) still fits.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=$1
total=$2

step() { printf '[%s/%s] %s\n' "$1" "$total" "$2"; }
die() {
    printf '%s\n' "$@" >&2
    exit 1
}

is_310() {
    [ "$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = 3.10 ]
}

# A pyenv-installed 3.10 is looked up by its folder: a pyenv shim fails where no version is chosen.
find_python() {
    local candidate
    for candidate in \
        "${LINLI_PYTHON:-}" \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.10.*/bin/python3.10 \
        "$(command -v python3.10 || true)" \
        /usr/bin/python3.10 /usr/local/bin/python3.10; do
        if [ -x "$candidate" ] && is_310 "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
}

# uv from PATH, or else a private copy in .uv/, made with whichever Python has venv and pip.
find_uv() {
    command -v uv && return
    if [ ! -x .uv/bin/uv ]; then
        local base
        for base in "$(find_python)" python3 /usr/bin/python3; do
            [ -n "$base" ] || continue
            rm -rf .uv
            if "$base" -m venv .uv >/dev/null 2>&1 &&
                .uv/bin/python -m pip install -qq --disable-pip-version-check \
                    --require-hashes -r requirements/uv.txt >&2; then
                break
            fi
        done
    fi
    [ -x .uv/bin/uv ] && printf '%s' .uv/bin/uv
}

make_venv() {
    if [ -x .venv/bin/python ] && is_310 .venv/bin/python; then return; fi
    local python
    python=$(find_python)
    if [ -z "$python" ]; then
        echo "      本机没有 Python 3.10，交给 uv 下载…"
        "$uv" python install 3.10 >/dev/null 2>&1 || true
        python=$("$uv" python find --no-project 3.10 2>/dev/null || true)
    fi
    [ -n "$python" ] || die \
        "找不到 Python 3.10：请先安装（例如 pyenv install 3.10，或让 LINLI_PYTHON 指向它），再重新运行。" \
        "Python 3.10 was not found: install it (for example: pyenv install 3.10, or point LINLI_PYTHON at it), then run this again."
    "$uv" venv -q --clear --python "$python" .venv
}

digest() { sha256sum "$1" | cut -d' ' -f1; }

install() {
    local list=$1
    local stamp=.venv/.stamp-$list
    [ "$(cat "$stamp" 2>/dev/null)" = "$(digest "requirements/$list.txt")" ] && return
    # --no-deps: the lists are complete, and tensorflow-cpu in them stands in for tensorflow.
    "$uv" pip install --python .venv/bin/python --no-deps --require-hashes \
        -r "requirements/$list.txt"
    digest "requirements/$list.txt" >"$stamp"
}

is_ready() {
    is_310 .venv/bin/python || return 1
    local list
    for list in "$@"; do
        [ "$(cat ".venv/.stamp-$list" 2>/dev/null)" = "$(digest "requirements/$list.txt")" ] || return 1
    done
}

lists=(main)
[ "$kind" = dev ] && lists=(main dev)
if is_ready "${lists[@]}"; then
    step 1 "安装工具：已就绪"
    step 2 "运行环境：已就绪"
    exit 0
fi
step 1 "安装工具 uv 与 Python 3.10"
uv=$(find_uv) || die \
    "装不上 uv：这台机器的 Python 缺少 venv 或 pip，请先运行 apt-get install -y python3-venv。" \
    "uv cannot be installed: this Python lacks venv or pip; run: apt-get install -y python3-venv."
make_venv
step 2 "运行环境：按 requirements/ 安装（首次约 1.6 GB，一两分钟）"
for list in "${lists[@]}"; do install "$list"; done
