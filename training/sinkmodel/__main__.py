"""The command: `python -m sinkmodel [stage ...]`. Stages run in the order below; without a name, all of them."""

from __future__ import annotations

import argparse
from pathlib import Path

from sinkmodel.corpus import load_corpus, prepare_corpus
from sinkmodel.evaluate import evaluate
from sinkmodel.export_gguf import export
from sinkmodel.report import report
from sinkmodel.train import TrainingOptions, train

TRAINING_FOLDER = Path(__file__).resolve().parent.parent
PACKAGE_FOLDER = TRAINING_FOLDER.parent / "packages/tiny-models"
STAGES = ("corpus", "train", "export", "evaluate", "report")
SHIPPED_SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sinkmodel", description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="stage", help=", ".join(STAGES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=TrainingOptions.steps)
    parser.add_argument("--corpus", type=Path, default=TRAINING_FOLDER / "corpus/node_modules")
    parser.add_argument("--output", type=Path, default=TRAINING_FOLDER / "output", help="working files, not committed")
    parser.add_argument("--results", type=Path, default=TRAINING_FOLDER / "results", help="committed evidence")
    options = parser.parse_args()
    stages = options.stages or STAGES
    unknown = set(stages) - set(STAGES)
    if unknown:
        parser.error(f"unknown stage: {', '.join(sorted(unknown))}")
    options.results.mkdir(parents=True, exist_ok=True)

    if "corpus" in stages:
        prepare_corpus(options.corpus, options.output)
    corpus = load_corpus(options.output)
    for seed in options.seeds:
        checkpoint = options.output / f"seed-{seed}.npz"
        if "train" in stages:
            log = options.results / f"seed-{seed}-training.jsonl"
            train(corpus, seed, checkpoint, log, training=TrainingOptions(steps=options.steps))
        if "export" in stages:
            export(corpus, checkpoint, options.output / f"sink-seed{seed}.gguf")
            if seed == SHIPPED_SEED:
                fixture = PACKAGE_FOLDER / "fixtures/sink.jsonl"
                export(corpus, checkpoint, PACKAGE_FOLDER / "models/sink.gguf", fixture)
        if "evaluate" in stages:
            evaluate(corpus, checkpoint, seed, options.results / f"seed-{seed}-evaluation.json")
    if "report" in stages:
        print(report([options.results / f"seed-{seed}-evaluation.json" for seed in options.seeds]))


if __name__ == "__main__":
    main()
