import type { PolicyDescription } from "@kvpolicy/core";

/** First cells that a policy, or the one that it wraps, says it keeps for ever. No token here is a beginning-of-sequence token. */
export function firstCellsOf({ shape, first, inner }: PolicyDescription): number {
  const cells = shape === "opaque" ? first : shape.first;
  if (cells === undefined) return inner ? firstCellsOf(inner) : 0;
  return cells === "bos" ? 0 : cells;
}
