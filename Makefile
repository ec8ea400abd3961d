# make train   everything from nothing: environment, demo speakers, training, evaluation, speech
# make test    environment and tests (under 10 minutes on two cores);  make test-slow  the long ones
# make lint    ruff and mypy;  make clean  forgets the environment
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := outputs/quickstart/$(shell date +%Y-%m-%d_%H-%M-%S)
CHECKPOINT := $(RUN)/checkpoints/last.ckpt

.PHONY: setup train test test-slow lint clean
setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (once; about a minute with a good connection)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[espeak,test,lint]'
	@touch $@

# Threads that wait sleep, so that whatever else the machine does slows training only by its share.
train: export OMP_WAIT_POLICY := passive
train: setup
	$(BIN)/sovits prepare
	$(BIN)/sovits train experiment=quickstart hydra.run.dir=$(RUN)
	$(BIN)/sovits synthesize checkpoint=$(CHECKPOINT) speaker=alice text='Hello，欢迎致电客服中心' output=$(RUN)/hello.wav
	@echo
	@echo "Done. Everything is in $(RUN):"
	@echo "  hello.wav                  a sentence in English and Mandarin, in one voice"
	@echo "  evaluation/index.html      listen and compare: recordings, reconstructions, synthesis, figures"
	@echo "  samples/                   mel spectrograms, alignments and audio during training"
	@echo "  csv/metrics.csv            every figure of the run;  tensorboard --logdir $(RUN)/tensorboard"
	@echo "  wandb/                     the offline W&B run;  wandb sync $(RUN)/wandb/offline-run-*"
	@echo "  checkpoints/last.ckpt      the model;  speakers/  its voices"
	@echo "Play hello.wav first, then the sentences in evaluation/. README.md says how to go on with voices of your own."

# One thread for each of two processes: more threads than cores wait for one another actively. Files go to them in
# the order of tests/conftest.py, the longest first.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

test: setup
	$(PYTEST) --timeout 300

test-slow: setup
	$(PYTEST) -m slow --timeout 1200

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV)
