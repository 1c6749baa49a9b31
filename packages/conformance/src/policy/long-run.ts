import { createStream, KVPolicyError, type CacheStream, type KVCachePolicy } from "@kvpolicy/core";

import { hash } from "../hash.js";
import { CountingBackend, VOCABULARY } from "./counting-backend.js";
import { budgetsOf, type PolicySubject } from "./subject.js";

const LONG = 3000;
const EVICTIONS = 100;
const MOST_BUDGETS = 60;
const PIECE = 500;

/** A stream over a backend that only counts. */
export function openStream(policy: KVCachePolicy, budget: number, bos?: number): CacheStream {
  return createStream({ backend: new CountingBackend(budget), policy, budget, bos });
}

/** The smallest, a middle and the largest budget to try. */
export function fewBudgets(subject: PolicySubject): readonly number[] {
  const budgets = budgetsOf(subject);
  return [...new Set([0, budgets.length >> 1, budgets.length - 1].map((index) => budgets[index] ?? 1))];
}

/**
 * Appends thousands of tokens, until there were many evictions. A stride of half a large window evicts seldom, and a number of
 * windows ends it.
 */
export async function runLong(stream: CacheStream): Promise<void> {
  const isDone = (): boolean =>
    stream.position >= LONG &&
    (stream.stats.evictions >= EVICTIONS || stream.position >= MOST_BUDGETS * stream.budget);
  while (!isDone()) await stream.append(text(PIECE, stream.position));
}

/** Tokens start … start + count − 1 of an endless random text. */
export function text(count: number, start = 0): Uint32Array {
  return Uint32Array.from({ length: count }, (_, index) => hash(1, start + index) % VOCABULARY);
}

/** What a stream fails with, `undefined` for nothing. */
export async function failureOf(task: Promise<void>): Promise<unknown> {
  try {
    await task;
    return undefined;
  } catch (error) {
    return error;
  }
}

/** A policy may say that nothing may leave; only an invalid plan is its fault. */
export function isFine(failure: unknown): boolean {
  return failure === undefined || KVPolicyError.isInstance(failure, "cache-full");
}
