import { checkCount, KVPolicyError } from "@kvpolicy/core";

import type { TextHead } from "../measure/contender.js";

/** Options of {@link lineBreakHead}. */
export interface LineBreakHeadOptions {
  /** Token id of a line break. */
  readonly lineBreak: number;
  /** First tokens of the stream that are to be line breaks, a beginning-of-sequence token included. Defaults to 4. */
  readonly sinks?: number | undefined;
  /**
   * What becomes of the beginning-of-sequence token. `kept`: every stream begins with one, and it stays in front of sinks − 1 line
   * breaks. `replaced`: the other streams begin with one; this contender opens its stream without, and has a line break there.
   * `none`: no stream begins with one.
   */
  readonly bos: "kept" | "replaced" | "none";
}

/**
 * A control, not for use: line breaks in place of the first tokens, for the `head` of a contender with
 * `sinkWindow({ sinks })`. If its perplexity is that of the others, the first tokens matter for where they stand and not for what
 * they say.
 *
 * The rest of the text keeps its stream positions in all three cases: where the beginning-of-sequence token is replaced, one line
 * break is put in front of those that replace text.
 *
 * The reference of a comparison is its first contender with `sinkWindow`: name this one after that.
 *
 * Paper: Xiao et al., ICLR 2024 (arXiv 2309.17453), table 1, last row (4 "\n" + 1020). The paper does not say which tokens its
 * four were.
 *
 * @throws {KVPolicyError} `config` for a token id or sinks that are not whole, sinks that leave nothing to replace, or another word for
 * `bos`.
 * @example
 * ```ts
 * const contender = { name: "line breaks", policy: sinkWindow(), head: lineBreakHead({ lineBreak, bos: "kept" }), open };
 * ```
 */
export function lineBreakHead({ lineBreak, sinks = 4, bos }: LineBreakHeadOptions): TextHead {
  checkCount("lineBreakHead", "lineBreak", lineBreak, 0);
  if (!["kept", "replaced", "none"].includes(bos)) {
    throw new KVPolicyError({
      code: "config",
      message: `lineBreakHead: bos must be kept, replaced or none, not ${bos as string}.`,
      details: { option: "bos", value: bos },
    });
  }
  checkCount("lineBreakHead", "sinks", sinks, bos === "kept" ? 2 : 1);
  return {
    tokens: new Uint32Array(bos === "kept" ? sinks - 1 : sinks).fill(lineBreak),
    replaces: bos === "none" ? sinks : sinks - 1,
  };
}
