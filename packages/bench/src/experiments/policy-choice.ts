import type { KVCachePolicy } from "@kvpolicy/core";

import type { TextSource } from "../comparison/comparison-schema.js";

/** A policy that takes part in an experiment. */
export interface PolicyChoice {
  /** Its name in tables and charts; two of an experiment differ. */
  readonly name: string;
  /** Makes the policy for a budget. */
  readonly create: (budget: number) => KVCachePolicy;
  /** Cells of its stream, where these are not the budget: a policy that never evicts needs one for every token. */
  readonly cells?: number | undefined;
}

/** A text to read. */
export interface ReadableText extends TextSource {
  /** Its token ids, without a beginning-of-sequence token. */
  readonly tokens: Uint32Array;
}
