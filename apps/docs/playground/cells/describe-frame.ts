import type { EvictionEvent } from "@kvpolicy/core";

import type { Frame } from "./simulate.js";
import type { TextToken } from "./tokenize.js";

/** Tokens that are named one by one; what is beyond is counted. */
const NAMED = 6;

/** What happened when the token of a frame was read, in words. */
export function describeFrame(frame: Frame, tokens: readonly TextToken[], budget: number): string {
  const free = budget - frame.cells.length;
  if (frame.position === 0) return `Nothing is read yet: ${countOf(free, "cell is", "cells are")} free.`;
  const word = quote(tokens[frame.position - 1]);
  if (frame.eviction) return describeEviction(frame.eviction, tokens, frame.cells.length - 1);
  if (free === 0) return `${word} took the last free cell. The next token needs one to be freed.`;
  return `${word} took cell ${frame.cells.length - 1}. ${countOf(free, "cell is", "cells are")} free.`;
}

/** An eviction in words. `stayed` is how many tokens did not leave. */
export function describeEviction(
  { position, positions, survivors, note }: EvictionEvent,
  tokens: readonly TextToken[],
  stayed: number,
): string {
  const word = quote(tokens[position]);
  const words = Array.from(positions, (evicted) => quote(tokens[evicted]));
  const left = words.length === 1 ? `${words.join("")} left` : `${words.length} tokens left: ${list(words)}`;
  const notes = note === undefined ? [] : [`Note: ${note}.`];
  return [`${word} needed a cell: ${left}.`, describeSurvivors(stayed, survivors), ...notes].join(" ");
}

function describeSurvivors(count: number, survivors: EvictionEvent["survivors"]): string {
  if (count === 0) return "No token survived.";
  const who = count === 1 ? "The one survivor" : `The ${count} survivors`;
  if (survivors === "recompute") return `${who} ${count === 1 ? "was" : "were"} evaluated again.`;
  return count === 1 ? `${who} keeps its keys and values.` : `${who} keep their keys and values.`;
}

/** A token as it is shown: a line break has a sign of its own. */
export function shownText(text: string): string {
  return text === "\n" ? "↵" : text;
}

function quote(token: TextToken | undefined): string {
  return `“${shownText(token?.text ?? "")}”`;
}

function list(words: readonly string[]): string {
  if (words.length > NAMED + 1) return `${words.slice(0, NAMED).join(", ")} and ${words.length - NAMED} more`;
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1) ?? ""}`;
}

function countOf(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
