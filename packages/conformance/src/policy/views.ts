import { BOS_MARK, PINNED_MARK, type CacheView, type KVCachePolicy, type Mark } from "@kvpolicy/core";
import fc from "fast-check";

import { hash } from "../hash.js";
import { budgetsOf, type PolicySubject } from "./subject.js";

/** Everything that a view shows, as plain data, so that the same view can be made twice. */
export interface ViewFacts {
  /** Cells in use, all that there are: a policy is asked only when the cache is full. */
  readonly budget: number;
  /** Fewest cells to free. */
  readonly required: number;
  /** The marks, in no order. */
  readonly marks: readonly Mark[];
  /** Cells in front that are the first of the stream. */
  readonly first: number;
  /** Tokens of the stream that were evicted behind them. */
  readonly gone: number;
  /** Decides tokens, the gaps between stream positions, and likelihoods. */
  readonly seed: number;
}

const MARK_NAMES = [PINNED_MARK, "turn", "a name of its own"];

/** Most tokens that a stream has read: more than 32-bit numbers hold. */
const FAR = 2 ** 40;

const FEW_TOKENS = 50;

/** Random views of a full cache: any budget that the policy accepts, any marks, near the beginning of a stream or far down. */
export function viewsFor(subject: PolicySubject): fc.Arbitrary<ViewFacts> {
  return fc.constantFrom(...budgetsOf(subject)).chain((budget) =>
    fc.record({
      budget: fc.constant(budget),
      // A stream asks for one cell; combinators ask for more.
      required: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: budget })),
      marks: marksIn(budget),
      first: fc.nat(Math.min(budget, 8)),
      gone: fc.oneof(
        fc.constant(0),
        fc.integer({ min: 0, max: 20_000 }),
        fc.integer({ min: 2 ** 31, max: FAR }),
      ),
      seed: fc.nat(),
    }),
  );
}

/**
 * The view of some facts that a policy gets, frozen to the bottom. `misreads` takes every index that is asked for and does
 * not exist.
 */
export function viewOf(
  { budget, required, marks, first, gone, seed }: ViewFacts,
  { requires }: KVCachePolicy,
  misreads: string[] = [],
): CacheView {
  let position = 0;
  const positions = Array.from({ length: budget }, (_, index) => {
    if (index === first) position += gone;
    position += index <= first || hash(seed, index) % 4 > 0 ? 1 : 1 + (hash(seed, index) % 100);
    return position - 1;
  });
  const reader =
    (name: string, read: (position: number, index: number) => number) =>
    (index: number): number => {
      const at = positions[index];
      if (at !== undefined) return read(at, index);
      misreads.push(`${name}(${index}) of ${budget} cells`);
      throw new RangeError(`there is no cell ${index}`);
    };
  return Object.freeze({
    length: budget,
    budget,
    required,
    marks: Object.freeze(marks.map((mark) => Object.freeze({ ...mark }))),
    token: reader("token", (at) => tokenAt(seed, at)),
    streamPosition: reader("streamPosition", (at) => at),
    ...(requires.includes("nll") && {
      nll: reader("nll", (at) => (at === 0 ? NaN : (hash(seed + 1, at) % 10_000) / 1000)),
    }),
  });
}

/** A token id: mostly one of few, which come again and again, else any that 32 bits hold. */
function tokenAt(seed: number, position: number): number {
  const value = hash(seed, position);
  return hash(seed + 2, position) % 4 > 0 ? value % FEW_TOKENS : value;
}

function marksIn(budget: number): fc.Arbitrary<Mark[]> {
  const named = fc
    .record({
      name: fc.constantFrom(...MARK_NAMES),
      start: fc.nat(budget - 1),
      size: fc.integer({ min: 1, max: 6 }),
    })
    .map(({ name, start, size }) => ({ name, start, end: Math.min(budget, start + size) }));
  const bos = fc.constantFrom<Mark[][]>([], [{ name: BOS_MARK, start: 0, end: 1 }]);
  return fc.tuple(bos, fc.array(named, { maxLength: 6 })).map(([first, others]) => [...first, ...others]);
}
