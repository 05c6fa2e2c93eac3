# `make run` is all a newcomer types; `make` alone lists the rest.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test check format train bench bench-nlu bench-learning bench-dispatch bench-dispatch-scale bench-switch lock clean env dev

PY := .venv/bin/python
ARGS ?=

# One thread per process: the sentence encoder is 100 times slower when threads fight for cores.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export RASA_TELEMETRY_ENABLED := false
export TF_CPP_MIN_LOG_LEVEL := 3
export PYTHONUNBUFFERED := 1
# Some images forbid cached bytecode; then every process compiles TensorFlow and Rasa at its start.
unexport PYTHONDONTWRITEBYTECODE

help: ## 列出全部命令
	@echo "邻里 Linli"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' \
		| awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

env:
	@scripts/setup.sh main 6

dev:
	@scripts/setup.sh dev 2

run: env ## 准备好一切并启动，然后打印网址与示例账号
	@exec $(PY) -m bot run

# Two at a time, a file at a time; the order of the folders puts the longest first.
test: dev ## 跑全部测试（ARGS="-k 名字" 只跑一部分）
	@scripts/chromium.sh
	@$(PY) -m bot train --if-missing
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

check: dev ## 格式、静态检查、类型、分层导入规则
	@$(PY) -m ruff format --no-cache --check .
	@$(PY) -m ruff check --no-cache .
	@$(PY) -m mypy
	@.venv/bin/lint-imports --no-logo

format: dev ## 自动整理格式与导入顺序
	@$(PY) -m ruff check --fix-only .
	@$(PY) -m ruff format .

train: env ## 训练语言模型，写入 models/
	@$(PY) -m bot train

bench: bench-nlu bench-learning bench-dispatch ## 跑全部基准测试，结果写入 bench/results/

bench-nlu: dev ## 语言理解的基准测试
	@$(PY) -m bench.nlu $(ARGS)

bench-switch: dev ## 消息不断时换模型、换回：有没有丢、重、慢
	@$(PY) -m bench.switch $(ARGS)

bench-learning: dev ## 审核队列省多少标注（与随机顺序相比）
	@$(PY) -m bench.learning $(ARGS)

bench-dispatch: dev ## 派单规则与轮流、最闲、随机相比：模拟一个街道的一年
	@$(PY) -m bench.dispatch_sim $(ARGS)

bench-dispatch-scale: dev ## 派单与巡检在五千和五万个网格下的耗时
	@$(PY) -m bench.dispatch_scale $(ARGS)

# The lists name no registry, so any mirror serves them; hashes keep them honest.
LOCK = "$$(command -v uv || echo .uv/bin/uv)" pip compile -q --python-version 3.10 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url

lock: env ## 依 requirements/*.in 重算锁定的依赖（LOCK_FLAGS=--upgrade 升级）
	@$(LOCK) $(LOCK_FLAGS) --overrides requirements/overrides.txt requirements/main.in -o requirements/main.txt
	@$(LOCK) $(LOCK_FLAGS) --overrides requirements/overrides.txt requirements/dev.in -o requirements/dev.txt
	@$(LOCK) $(LOCK_FLAGS) requirements/uv.in -o requirements/uv.txt

clean: ## 删除环境、模型与缓存（数据库 var/ 与密钥 .env 保留）
	@rm -rf .venv .uv models .rasa .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "已清理；var/ 与 .env 未动。"
