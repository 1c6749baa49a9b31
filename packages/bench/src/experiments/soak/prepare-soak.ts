import { checkCount, checkPolicy, KVPolicyError, type KVCachePolicy } from "@kvpolicy/core";

import type { ExperimentOptions } from "../experiment.js";
import type { PolicyChoice, ReadableText } from "../policy-choice.js";
import { identify } from "./identity.js";
import { LoopedText } from "./looped-text.js";
import { BLOCK_TOKENS } from "./passes.js";
import type { SoakIdentity } from "./soak-state.js";
import type { SoakStorage } from "./storage.js";

/** Options of `measureSoak`. */
export interface SoakOptions extends ExperimentOptions {
  /** The text: its tokens are one pass, without a beginning-of-sequence token, more than the budget and at least 128. */
  readonly text: ReadableText;
  /** Tokens to read in all: the text again and again. */
  readonly tokens: number;
  /** Which tokens stay, and what to call that. */
  readonly policy: Pick<PolicyChoice, "name" | "create">;
  /** Most cells in use. */
  readonly budget: number;
  /** Seed of the intervals. */
  readonly seed: number;
  /** Where the soak is kept safe. Defaults to nowhere: an interruption ends it. */
  readonly storage?: SoakStorage | undefined;
  /** Tokens that are timed together. Defaults to 512. */
  readonly chunk?: number | undefined;
  /** Most points of the curves. Defaults to 200. */
  readonly segments?: number | undefined;
  /**
   * Rounds of the comparison with a young stream at the end, in each of which both read two chunks; 0 for no comparison. Defaults to 50.
   */
  readonly rounds?: number | undefined;
}

/** The options of a soak, checked, with what follows from them. */
export interface Soak {
  /** As they were given. */
  readonly options: SoakOptions;
  /** The text, again and again. */
  readonly text: LoopedText;
  /** The policy for the budget. */
  readonly policy: KVCachePolicy;
  /** What the figures rest on. */
  readonly identity: SoakIdentity;
  /** Tokens that are timed together. */
  readonly chunk: number;
  /** Most points of the curves. */
  readonly segments: number;
  /** Rounds of the comparison at the end. */
  readonly rounds: number;
  /** Tells the time in milliseconds. */
  readonly clock: () => number;
  /** What works but may surprise; grows. */
  readonly warnings: string[];
}

/**
 * Checks the options of a soak.
 *
 * @throws {KVPolicyError} `config`, with the option's name, for the first that cannot work.
 */
export function prepareSoak(options: SoakOptions): Soak {
  const {
    text,
    tokens,
    budget,
    seed,
    policy: named,
    surroundings,
    clock = () => performance.now(),
  } = options;
  const { chunk = 512, segments = 200, rounds = 50, storage } = options;
  const check = (option: string, value: number, minimum: number): number =>
    checkCount("measureSoak", option, value, minimum);
  check("budget", budget, 1);
  check("tokens", tokens, 1);
  check("chunk", chunk, 1);
  check("segments", segments, 1);
  check("rounds", rounds, 0);
  if (storage) check("storage.every", storage.every, 1);
  const passLength = text.tokens.length;
  const least = Math.max(BLOCK_TOKENS, budget + 1);
  if (passLength < least) {
    throw new KVPolicyError({
      code: "config",
      message:
        `The text has ${passLength} tokens, and a soak at a budget of ${budget} cells takes at least ${least}: the cache has to be full before ` +
        "the text begins again.",
      details: { option: "text", value: passLength },
    });
  }
  const policy = named.create(budget);
  checkPolicy("measureSoak", policy);
  const settings = {
    policy: `${named.name} ${JSON.stringify(policy.describe(budget))}`,
    budget,
    tokens,
    seed,
    "tokens of a pass": passLength,
    "tokens of a chunk": chunk,
    "beginning-of-sequence token": options.model.bos ?? "none",
  };
  return {
    options,
    text: new LoopedText(text.tokens),
    policy,
    identity: identify({ surroundings, textSha256: text.sha256, settings }),
    chunk,
    segments,
    rounds,
    clock,
    warnings: [],
  };
}
