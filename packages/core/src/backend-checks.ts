import type { BackendCapabilities, Capability } from "./backend.js";
import { KVPolicyError } from "./errors.js";
import type { CacheRange } from "./range.js";
import { outOfRange, unsupported } from "./refusals.js";

/*
 * What a backend refuses before it touches anything. Every backend owes its caller the same refusals, so they are written
 * once: call these first, then change the cache.
 */

/**
 * Refuses what a backend cannot do.
 *
 * @throws {KVPolicyError} `unsupported`, with the reason that the capability gives.
 */
export function checkSupported(feature: string, capability: Capability): void {
  if (capability !== true) throw unsupported(feature, capability);
}

/**
 * Refuses a token id outside the vocabulary.
 *
 * @throws {KVPolicyError} `range` when it is not a whole number in 0 … vocabularySize − 1.
 */
export function checkToken(token: number, vocabularySize: number): void {
  checkWhole("token", token, 0, vocabularySize - 1);
}

/**
 * Refuses a `decode` into a cache of `length` cells.
 *
 * @throws {KVPolicyError} `unsupported` when scores are asked for and the backend has none; `range` when there are no tokens,
 * when a token lies outside the vocabulary, when they do not fit the capacity, or when `scoreFrom` is not a whole number in
 * 1 … tokens.length − 1.
 */
export function checkDecode(
  tokens: Uint32Array,
  options: { readonly scoreFrom: number } | undefined,
  length: number,
  { capacity, vocabularySize, nll }: BackendCapabilities,
): void {
  if (options) checkSupported("scoreFrom", nll);
  if (tokens.length === 0) throw outOfRange("number of tokens", 0, 1, capacity);
  const cells = length + tokens.length;
  if (cells > capacity) {
    throw new KVPolicyError({
      code: "range",
      message: `${tokens.length} tokens after ${length} cells take ${cells} cells, and the backend holds ${capacity}.`,
      details: { what: "cells after the decode", value: cells, minimum: 1, maximum: capacity },
    });
  }
  tokens.forEach((token, index) => {
    if (token >= vocabularySize) throw outOfRange(`token at index ${index}`, token, 0, vocabularySize - 1);
  });
  if (!options) return;
  if (tokens.length === 1) throw nothingToScore(options.scoreFrom);
  checkWhole("scoreFrom", options.scoreFrom, 1, tokens.length - 1);
}

/**
 * Refuses ranges that are not sorted, disjoint and inside a cache of `length` cells. No ranges at all are fine: nothing is
 * removed then.
 *
 * @throws {KVPolicyError} `range` for a bound that is fractional, reversed, past the end or inside the range before it, and
 * for an empty range.
 */
export function checkEviction(ranges: readonly CacheRange[], length: number): void {
  let previousEnd = 0;
  if (length === 0 && ranges.length > 0) throw nothingToRemove("evicted", "number of ranges", ranges.length);
  ranges.forEach(({ start, end }, index) => {
    if (previousEnd === length) throw nothingBehind(index, start, length);
    checkWhole(`start of range ${index}`, start, previousEnd, length - 1);
    checkWhole(`end of range ${index}`, end, start + 1, length);
    previousEnd = end;
  });
}

/**
 * Refuses to truncate a cache of `cells` cells to `length`.
 *
 * @throws {KVPolicyError} `range` when that is not a whole number in 1 … cells.
 */
export function checkTruncation(length: number, cells: number): void {
  if (cells === 0) throw nothingToRemove("truncated", "number of cells to keep", length);
  checkWhole("number of cells to keep", length, 1, cells);
}

/** The pending position is read, and there is none: nothing was decoded since the cache was created or changed. */
export function nothingPending(): KVPolicyError<"empty"> {
  return new KVPolicyError({
    code: "empty",
    message: "There is no prediction to read: nothing was decoded since the last change of the cache.",
    details: { what: "pending position" },
  });
}

/** The backend is used after its `dispose`. */
export function disposedBackend(): KVPolicyError<"disposed"> {
  return new KVPolicyError({
    code: "disposed",
    message: "The backend was disposed.",
    details: { what: "backend" },
  });
}

/** A sampler is used after its `dispose`. */
export function disposedSampler(): KVPolicyError<"disposed"> {
  return new KVPolicyError({
    code: "disposed",
    message: "The sampler was disposed.",
    details: { what: "sampler" },
  });
}

function nothingToRemove(done: string, what: string, value: number): KVPolicyError<"range"> {
  return new KVPolicyError({
    code: "range",
    message: `The cache is empty: nothing can be ${done}.`,
    details: { what, value, minimum: 0, maximum: 0 },
  });
}

function nothingToScore(scoreFrom: number): KVPolicyError<"range"> {
  return new KVPolicyError({
    code: "range",
    message: "A decode of a single token has nothing to score: nothing in it predicts its first token.",
    details: { what: "scoreFrom", value: scoreFrom, minimum: 1, maximum: 0 },
  });
}

function nothingBehind(index: number, start: number, length: number): KVPolicyError<"range"> {
  return new KVPolicyError({
    code: "range",
    message: `Range ${index} begins at ${start}, and the range before it ends with the last of the ${length} cells.`,
    details: { what: `start of range ${index}`, value: start, minimum: length, maximum: length - 1 },
  });
}

function checkWhole(what: string, value: number, minimum: number, maximum: number): void {
  if (!Number.isSafeInteger(value) || value < minimum || value > maximum) {
    throw outOfRange(what, value, minimum, maximum);
  }
}
