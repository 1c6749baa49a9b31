import type { CacheRange } from "@kvpolicy/core";

import type { TextToken } from "./tokenize.js";

/** What a turn begins with. */
const TURN_BEGINS = "User";

/** Where turns begin: the tokens `User` and `:` at the beginning of a line. */
export function findTurns(tokens: readonly TextToken[]): number[] {
  return tokens.flatMap(({ text }, index) => {
    const before = tokens[index - 1]?.text ?? "\n";
    return text === TURN_BEGINS && before === "\n" && tokens[index + 1]?.text === ":" ? [index] : [];
  });
}

/** The tokens up to the first full stop, question mark, exclamation mark or line break, that included. */
export function firstSentence(tokens: readonly TextToken[]): CacheRange | undefined {
  const last = tokens.findIndex(({ text }) => /^[.?!\n]$/.test(text));
  const end = last === -1 ? tokens.length : last + 1;
  return end === 0 ? undefined : { start: 0, end };
}

/** Positions as sorted ranges that do not touch. */
export function toRanges(positions: Iterable<number>): CacheRange[] {
  const ranges: { start: number; end: number }[] = [];
  for (const position of [...positions].sort((one, other) => one - other)) {
    const last = ranges.at(-1);
    if (last?.end === position) last.end += 1;
    else ranges.push({ start: position, end: position + 1 });
  }
  return ranges;
}
