"""The command: `python -m tinymodels [stage ...]`. Stages run in the order below; without a name, all of them."""

from __future__ import annotations

import argparse
from pathlib import Path

from tinymodels.corpus import Corpus, load_corpus, prepare_corpus
from tinymodels.emergence import trace_emergence
from tinymodels.evaluate import evaluate, write_streams
from tinymodels.fixture import write_fixture
from tinymodels.gguf_file import write_gguf
from tinymodels.model import load_checkpoint
from tinymodels.report import report
from tinymodels.train import train
from tinymodels.variants import CONFIGURATION, TRAINING_FOLDER, Variant, read_variants

PACKAGE_FOLDER = TRAINING_FOLDER.parent / "packages/tiny-models"
STAGES = {
    "corpus": "reads the texts and makes the tokens",
    "train": "trains each seed of each variant",
    "export": "writes GGUF files, the shipped ones into the package",
    "evaluate": "measures every file under every policy",
    "emergence": "measures the checkpoints of variants that have them",
    "report": "prints the tables of the model card",
}


def main() -> None:
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument("--configuration", type=Path, default=CONFIGURATION, help="defaults to variants.toml")
    variants = read_variants(first.parse_known_args()[0].configuration)
    parser = argparse.ArgumentParser(
        prog="python -m tinymodels",
        description=__doc__,
        parents=[first],
        epilog="; ".join(f"{stage}: {purpose}" for stage, purpose in STAGES.items()),
    )
    parser.add_argument("stages", nargs="*", metavar="stage", help=", ".join(STAGES))
    parser.add_argument("--variants", nargs="+", choices=variants, default=list(variants), metavar="variant")
    parser.add_argument("--seeds", type=int, nargs="+", help="defaults to those of each variant")
    parser.add_argument("--corpus", type=Path, default=TRAINING_FOLDER / "corpus/node_modules")
    parser.add_argument("--output", type=Path, default=TRAINING_FOLDER / "output", help="working files, not committed")
    parser.add_argument("--results", type=Path, default=TRAINING_FOLDER / "results", help="committed evidence")
    options = parser.parse_args()
    stages = options.stages or list(STAGES)
    unknown = set(stages) - set(STAGES)
    if unknown:
        parser.error(f"unknown stage: {', '.join(sorted(unknown))}")
    if stages == ["report"]:
        print(report(variants, options.results))
        return
    if "corpus" in stages:
        prepare_corpus(options.corpus, options.output)
    corpus = load_corpus(options.output)
    if "corpus" in stages:
        options.results.mkdir(parents=True, exist_ok=True)
        write_streams(corpus, options.results / "streams.json")
    for name in options.variants:
        for seed in options.seeds or variants[name].seeds:
            run(stages, corpus, variants[name], seed, options.output / name, options.results / name)
    if "report" in stages:
        print(report(variants, options.results))


def run(stages: list[str], corpus: Corpus, variant: Variant, seed: int, output: Path, results: Path) -> None:
    """Runs the stages of one seed of one variant."""
    output.mkdir(parents=True, exist_ok=True)
    results.mkdir(parents=True, exist_ok=True)
    checkpoint = output / f"seed-{seed}.npz"
    ships = seed == variant.shipped
    model = PACKAGE_FOLDER / f"models/{variant.name}.gguf" if ships else output / f"{variant.name}-seed{seed}.gguf"
    if "train" in stages:
        train(corpus, variant, seed, checkpoint, results / f"seed-{seed}-training.jsonl")
    if "export" in stages:
        write_gguf(model, variant, load_checkpoint(checkpoint)[0], corpus.tokenizer)
        if ships:
            write_fixture(PACKAGE_FOLDER / f"fixtures/{variant.name}.jsonl", model, corpus)
    if "evaluate" in stages:
        evaluate(corpus, variant, seed, model, results / f"seed-{seed}-evaluation.json")
    if "emergence" in stages and variant.checkpoint_every:
        trace_emergence(corpus, variant, seed, checkpoint, results / f"seed-{seed}-emergence.json")


if __name__ == "__main__":
    main()
