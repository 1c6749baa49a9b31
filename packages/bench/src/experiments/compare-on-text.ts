import type { KVCachePolicy } from "@kvpolicy/core";

import type { Contender, TextHead } from "../measure/contender.js";
import { readText, type Measurement, type Progress } from "../measure/read-text.js";
import type { Reading } from "../measure/reader.js";
import type { ExperimentOptions } from "./experiment.js";

/** A policy with the cells of its stream. */
export interface TextContender {
  /** Its name. */
  readonly name: string;
  /** The policy. */
  readonly policy: KVCachePolicy;
  /** Cells of its stream. */
  readonly budget: number;
  /** Other first tokens for it alone. */
  readonly head?: TextHead | undefined;
  /** Whether its stream begins with the model's beginning-of-sequence token. Defaults to what the model wants. */
  readonly bos?: boolean | undefined;
}

/** What is read, by whom, and from where on the caches count as full. */
export interface CompareOnTextOptions {
  /** The text. */
  readonly tokens: Uint32Array;
  /** Who reads it. */
  readonly contenders: readonly TextContender[];
  /** Stream position from which the caches count as full. */
  readonly start: number;
  /** What the experiment is at, for progress. */
  readonly what: string;
  /** Tells how much of the whole experiment is done, when so much of this reading is. Defaults to the reading as the whole. */
  readonly share?:
    ((done: number, total: number) => { readonly done: number; readonly total: number }) | undefined;
}

/** Reads a text with policies side by side, each on a stream of the model under measurement. */
export function compareOnText(
  { model, signal, clock, residentBytes, onProgress }: Omit<ExperimentOptions, "surroundings">,
  { tokens, contenders, start, what, share = (done, total) => ({ done, total }) }: CompareOnTextOptions,
): Promise<Measurement> {
  return readText({
    tokens,
    budget: start,
    signal,
    clock,
    residentBytes,
    contenders: contenders.map(({ name, policy, budget, head, bos }): Contender => ({
      name,
      policy,
      head,
      open: (onWarning) => model.open({ policy, budget, bos, onWarning }),
    })),
    onProgress:
      onProgress &&
      ((progress) => {
        const { done, total } = timeOf(progress);
        onProgress({ what, ...share(done, total) });
      }),
  });
}

/** Time spent, and time that all will have taken at the pace of each reading so far. */
function timeOf({ readings, total }: Progress): { done: number; total: number } {
  const sum = (timeOfOne: (reading: Reading) => number): number =>
    readings.reduce((time, reading) => time + timeOfOne(reading), 0);
  const pace =
    sum(({ milliseconds }) => milliseconds) /
    Math.max(
      1,
      sum(({ nlls }) => nlls.length),
    );
  const left = sum(({ status, nlls, milliseconds }) => {
    if (status !== "reading") return 0;
    const own = nlls.length > 0 ? milliseconds / nlls.length : pace;
    return own * (total - nlls.length);
  });
  const done = sum(({ milliseconds }) => milliseconds);
  return { done, total: done + left };
}
