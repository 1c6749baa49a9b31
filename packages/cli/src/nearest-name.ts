/**
 * The known name that was probably meant: the one with the fewest typing errors between, when those are at most a third of the longer
 * name. Capitals do not count. Undefined when none is that near.
 */
export function findNearestName(name: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let fewest = Infinity;
  for (const candidate of known) {
    const errors = countTypingErrors(name.toLowerCase(), candidate.toLowerCase());
    if (errors >= fewest || errors > Math.max(name.length, candidate.length) / 3) continue;
    [nearest, fewest] = [candidate, errors];
  }
  return nearest;
}

/**
 * Fewest characters to insert, leave out, replace or swap with their neighbour that make one text of another: the distance of Damerau
 * and Levenshtein, in its form that edits no part twice.
 */
export function countTypingErrors(text: string, other: string): number {
  let beforeLast: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (let row = 1; row <= text.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const isSame = text[row - 1] === other[column - 1];
      const isSwapped = text[row - 1] === other[column - 2] && text[row - 2] === other[column - 1];
      current[column] = Math.min(
        (last[column] ?? Infinity) + 1,
        (current[column - 1] ?? Infinity) + 1,
        (last[column - 1] ?? Infinity) + (isSame ? 0 : 1),
        isSwapped ? (beforeLast[column - 2] ?? Infinity) + 1 : Infinity,
      );
    }
    [beforeLast, last] = [last, current];
  }
  return last[other.length] ?? 0;
}
