import type { KVCachePolicy } from "@kvpolicy/core";
import { KVPolicyError } from "@kvpolicy/core";
import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";

import type { CellsRow, Emit } from "./examination.js";
import { watchCells } from "./kept-cells.js";
import { streamProblem } from "./stream-problem.js";

/** Budget of the stream, where the policy accepts it. */
export const PICTURE_BUDGET = 32;

/** Tokens of the stream; a large budget takes more. */
const PICTURE_TOKENS = 160;

/** Watches what the policy and two others keep while a stream is read. */
export async function drawCells(policy: KVCachePolicy, budget: number, emit: Emit): Promise<void> {
  const tokens = Math.max(PICTURE_TOKENS, 4 * budget);
  const others = [sinkWindow({ sinks: Math.min(4, budget - 1), stride: 1 }), window({ stride: 1 })];
  // No more rows than a picture can show.
  const step = Math.ceil(tokens / PICTURE_TOKENS);
  const policies: CellsRow[] = [];
  // Said again at every row: with thousands of cells a stream takes seconds, and is no endless loop.
  const goOn = (): void => {
    emit({
      kind: "begins",
      part: "the stream",
      what: `a stream of ${tokens} tokens was read with ${budget} cells`,
    });
  };
  for (const each of [policy, ...others]) {
    goOn();
    const { rows, failure } = await watchCells(each, budget, tokens, { step, onRow: goOn });
    const problem = failure === undefined ? undefined : streamProblem(failure);
    if (problem) emit({ kind: "fault", problem });
    policies.push({
      policy: each.name,
      rows,
      isFull: KVPolicyError.isInstance(failure, "cache-full"),
    });
  }
  emit({ kind: "cells", budget, tokens, policies });
}
