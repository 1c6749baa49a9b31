import type { KVCachePolicy } from "@kvpolicy/core";
import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";

import {
  othersWith,
  readingKey,
  type Emit,
  type ModelReading,
  type ModelText,
  type OtherName,
} from "./examination.js";
import { loadText, readModel, type LoadedText } from "./read-model.js";

/** Budget that the model reads with, where the policy accepts it. */
export const MODEL_BUDGET = 64;

/** Tokens that it reads, and that are counted behind a larger budget. */
const TOKENS = 640;

/** Stride of the others: at the default, recomputing would take four times as long. */
const STRIDE = 16;

/** Reads the text with the policy and with the others, those that were not read with before. */
export async function compareOnModel(
  policy: KVCachePolicy,
  budget: number,
  modelText: ModelText,
  known: ReadonlyMap<string, ModelReading>,
  emit: Emit,
): Promise<void> {
  emit({ kind: "begins", part: "the model", what: "the model was loaded" });
  const loaded = await loadText(modelText, budget <= MODEL_BUDGET ? TOKENS : TOKENS + budget);
  await read(loaded, policy, budget, true, emit);
  for (const name of othersWith(budget)) {
    const reading = known.get(readingKey(name, budget));
    if (reading) emit({ kind: "read", budget, reading, isYours: false });
    else await read(loaded, otherPolicy(name, budget), budget, false, emit);
  }
}

async function read(
  loaded: LoadedText,
  policy: KVCachePolicy,
  budget: number,
  isYours: boolean,
  emit: Emit,
): Promise<void> {
  const tell = (count: number): void => {
    emit({ kind: "reading", policy: policy.name, read: count, total: loaded.tokens.length });
  };
  tell(0);
  const reading = await readModel(loaded, policy, budget, tell);
  emit({ kind: "read", budget, reading, isYours });
}

/** The other policies with a small budget, too, whose window is smaller than the stride. */
function otherPolicy(name: OtherName, budget: number): KVCachePolicy {
  const sinks = Math.min(4, budget - 1);
  const stride = Math.max(1, Math.min(STRIDE, budget - sinks - 1));
  switch (name) {
    case "sink-window":
      return sinkWindow({ sinks, stride });
    case "window":
      return window({ stride });
    case "recompute":
      return recompute({ stride });
  }
}
