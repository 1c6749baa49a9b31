import { CacheMirror } from "./cache-mirror.js";
import { KVPolicyError } from "./errors.js";
import { PINNED_MARK } from "./mark.js";
import type { CacheView, KVCachePolicy } from "./policy.js";
import { mergeRanges, type CacheRange } from "./range.js";

/**
 * What is wrong with a pin, or `undefined`: with it so much would be pinned that the policy lets nothing leave. The policy is asked
 * what it would do with the next full cache that holds all pins, those of future tokens included.
 *
 * `next` is the stream position of the next token that enters the cache.
 */
export function findPinProblem(
  policy: KVCachePolicy,
  mirror: CacheMirror,
  next: number,
  pin: CacheRange,
): KVPolicyError<"config"> | undefined {
  const { budget } = mirror;
  const marks = [...mirror.marks, { name: PINNED_MARK, ...pin }];
  const pins = mergeRanges(marks.filter(({ name }) => name === PINNED_MARK));
  const isPinned = (position: number): boolean =>
    pins.some(({ start, end }) => start <= position && position < end);
  const live = [...mirror.positions.subarray(0, mirror.length)];
  const pinned = [...live.filter(isPinned), ...positionsFrom(next, pins, budget)].slice(0, budget);
  const others = live.filter((position) => !isPinned(position));
  for (let position = next; pinned.length + others.length < budget; position += 1) {
    if (!isPinned(position)) others.push(position);
  }

  const full = new CacheMirror(budget, mirror.nlls !== undefined);
  const positions = [...pinned, ...others.slice(0, budget - pinned.length)].sort((one, other) => one - other);
  for (const position of positions) full.push(...cellAt(mirror, position));
  for (const mark of marks) full.addMark(mark);
  const view = full.view();
  // What lets nothing leave in any case, as dense does, is not hindered by pins.
  const unpinned = { ...view, marks: view.marks.filter(({ name }) => name !== PINNED_MARK) };
  if (plans(policy, view) || !plans(policy, unpinned)) return undefined;
  const left = budget - pinned.length;
  const reason = policy.checkBudget?.(left);
  return new KVPolicyError({
    code: "config",
    message:
      `Policy "${policy.name}" would have too little to evict from, with ${pinned.length} of ${budget} cells pinned` +
      `${reason === undefined ? "" : ` (of the ${left} that are left, ${reason})`}: ` +
      `the range [${pin.start}, ${pin.end}) was not pinned.`,
    details: { option: PINNED_MARK, value: { ...pin } },
  });
}

/** The first `most` positions of sorted ranges that are not below `from`. */
function positionsFrom(from: number, ranges: readonly CacheRange[], most: number): number[] {
  const positions: number[] = [];
  for (const { start, end } of ranges) {
    for (let position = Math.max(start, from); position < end && positions.length < most; position += 1)
      positions.push(position);
  }
  return positions;
}

/** Token, position and likelihood of a cell; a token that is still to come is some token. */
function cellAt(mirror: CacheMirror, position: number): [token: number, position: number, nll: number] {
  const index = mirror.indexOf(position);
  if (index === mirror.length) return [0, position, 0];
  const { token, nll } = mirror.cell(index);
  return [token, position, nll];
}

function plans(policy: KVCachePolicy, view: CacheView): boolean {
  try {
    return policy.plan(view) !== null;
  } catch {
    // A policy that throws is named by the stream, with the plan's view, when it is asked in earnest.
    return true;
  }
}
