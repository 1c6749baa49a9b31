import { checkCount, type KVCacheBackend } from "@kvpolicy/core";

import { wrongOption, type SuiteSubject } from "../runner.js";
import type { Oracle } from "../trace.js";

/** How far a backend may be from what is expected. */
export interface Tolerance {
  /** Largest error of a prediction, as `predictionError` measures it. Defaults to 5e-4. */
  readonly logits?: number | undefined;
  /** Largest error of a negative log-likelihood, in nats. Defaults to 1e-3. */
  readonly nll?: number | undefined;
}

/** What a suite would like a backend to be. */
export interface BackendWish {
  /** Cells that it must have room for. */
  readonly capacity: number;
  /** A preferred batch below the suite's cells, so that blocks are split. Ignore it where the engine cannot do it. */
  readonly batch: number;
}

/** A backend under test. */
export interface BackendSubject<Sampling = unknown> extends SuiteSubject {
  /** Makes a backend, fresh and empty, with room for `capacity` cells or more. The suite disposes it. */
  create(wish: BackendWish): Promise<KVCacheBackend<Sampling>> | KVCacheBackend<Sampling>;
  /** What to compare with. Without one, the laws that need it are reported as skipped. */
  readonly oracle?: Oracle | undefined;
  /** How far the backend may be off. The defaults suit 32-bit floats throughout. */
  readonly tolerance?: Tolerance | undefined;
  /**
   * Token ids whose likelihoods are read to compare two predictions, at least 2, spread over `tokens` or the vocabulary.
   * Defaults to 512, or all.
   */
  readonly probes?: number | undefined;
  /** Token ids to make texts of, at least two different ones. Defaults to the whole vocabulary. */
  readonly tokens?: ArrayLike<number> | undefined;
  /** Sampling options for temperature 0, without penalties. Without them, the laws that need them are reported as skipped. */
  readonly greedy?: Sampling | undefined;
  /**
   * Sampling options that draw at temperature 1 from a fixed seed, from the whole vocabulary. Without them, the laws that need
   * them are reported as skipped.
   */
  readonly seeded?: Sampling | undefined;
  /** `seeded` with another seed. Without it, the law that needs it is reported as skipped. */
  readonly reseeded?: Sampling | undefined;
  /**
   * Most cells that the suite asks `create` for, at least 17. Defaults to 48. An engine that rounds the cells of `create` up
   * needs one more than it rounds 16 to, or skips the law on a state that does not fit.
   */
  readonly capacity?: number | undefined;
  /** Random histories that are compared with the oracle, at least 1. Defaults to 20. */
  readonly runs?: number | undefined;
}

/** Cells that most laws ask for. */
export const FEW_CELLS = 16;

/** What a subject may leave out, filled in. */
export interface BackendSettings {
  /** How far the backend may be off. */
  readonly tolerance: { readonly logits: number; readonly nll: number };
  /** Tokens that stand for a prediction, where the vocabulary has that many. */
  readonly probes: number;
  /** Different token ids to make texts of; nothing for the whole vocabulary. */
  readonly tokens: readonly number[] | undefined;
  /** Most cells to ask for. */
  readonly capacity: number;
  /** Random histories to compare with the oracle. */
  readonly runs: number;
}

/**
 * Checks the options of a subject, and fills in the defaults.
 *
 * @throws {KVPolicyError} `config` when one is not what it may be: the laws would hold for everyone.
 */
export function settleBackend(subject: BackendSubject): BackendSettings {
  const { name, tolerance, probes = 512, capacity = 48, runs = 20 } = subject;
  const tolerances = { logits: tolerance?.logits ?? 5e-4, nll: tolerance?.nll ?? 1e-3 };
  for (const [option, value] of Object.entries(tolerances)) {
    if (!(value >= 0 && value < Infinity))
      throw wrongOption(subject, "tolerance", value, `the tolerance of ${option} is ${value}`);
  }
  return {
    tolerance: tolerances,
    probes: checkCount(name, "probes", probes, 2),
    tokens: settleTokens(subject),
    capacity: checkCount(name, "capacity", capacity, FEW_CELLS + 1),
    runs: checkCount(name, "runs", runs, 1),
  };
}

function settleTokens(subject: BackendSubject): readonly number[] | undefined {
  if (!subject.tokens) return undefined;
  const tokens = [...new Set(Array.from(subject.tokens))];
  for (const token of tokens) checkCount(subject.name, "each of tokens", token, 0);
  if (tokens.length >= 2) return tokens;
  throw wrongOption(subject, "tokens", tokens, "its texts take at least two different token ids");
}
