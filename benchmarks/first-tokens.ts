/**
 * Whether it is the first tokens that matter, or any that stay: sink-window beside as many random tokens of the first fill (ten draws),
 * random recent ones, and line breaks in place of the first ones (Xiao et al., arXiv 2309.17453, table 1, last row).
 */
import {
  lineBreakHead,
  perplexity,
  quantiles,
  randomAnchor,
  randomRecent,
  readText,
  type Contender,
  type TextHead,
} from "@kvpolicy/bench";
import type { KVCachePolicy } from "@kvpolicy/core";
import { openStream } from "@kvpolicy/llamacpp-adapter";
import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";

import { flag, loadNamedModel, readTokens, round, THREADS, writeResults } from "./shared.js";

const SINKS = 4;
const DRAWS = 10;
/** Student's t at 97.5 % for ten draws. */
const T_NINE = 2.262;

await using loaded = await loadNamedModel();
const { model } = loaded;
const isTiny = loaded.disclosure !== null;
const budget = Number(flag("budget") ?? (isTiny ? 128 : 256));
const stride = Number(flag("stride") ?? (isTiny ? 2 : 16));
const tokens = await readTokens(model, Number(flag("tokens") ?? 2304));
const hasBos = model.tokens.shouldPrependBosToken;
const [lineBreak, ...others] = model.tokenize("\n");
if (lineBreak === undefined || others.length > 0)
  throw new Error("A line break is not one token of this model.");

function contender(name: string, policy: KVCachePolicy, head?: TextHead, bos?: boolean): Contender {
  return {
    name,
    policy,
    ...(head && { head }),
    open: (onWarning) =>
      openStream(model, {
        policy,
        budget,
        threads: THREADS,
        ...(bos !== undefined && { bos }),
        onWarning: ({ message }) => {
          onWarning(message);
        },
      }),
  };
}

const seeds = Array.from({ length: DRAWS }, (_, index) => index + 1);
const sinks = sinkWindow({ sinks: SINKS, stride });
const lineBreaks = hasBos
  ? [
      contender("line breaks behind BOS", sinks, lineBreakHead({ lineBreak, sinks: SINKS, bos: "kept" })),
      contender(
        "line breaks, BOS too",
        sinks,
        lineBreakHead({ lineBreak, sinks: SINKS, bos: "replaced" }),
        false,
      ),
    ]
  : [contender("line breaks", sinks, lineBreakHead({ lineBreak, sinks: SINKS, bos: "none" }))];
const { readings } = await readText({
  tokens,
  budget,
  contenders: [
    contender("sink-window", sinks),
    contender("window", window({ stride })),
    ...lineBreaks,
    ...seeds.map((seed) =>
      contender(`random-anchor ${seed}`, randomAnchor({ anchors: SINKS, budget, seed, stride })),
    ),
    ...seeds.map((seed) =>
      contender(`random-recent ${seed}`, randomRecent({ anchors: SINKS, seed, stride })),
    ),
  ],
});

const rows = readings.map(({ name, nlls, firstPosition, error, policy }) => {
  if (error) throw new Error(`${name}: ${error.message}`);
  const { positions } = policy.describe().options;
  const value = perplexity(nlls, budget - firstPosition).value ?? NaN;
  return { name, ...(typeof positions === "string" && { positions }), perplexity: value };
});
const reference = rows[0]?.perplexity ?? NaN;

/** Mean ratio over the draws and its 95 % interval, on the scale of logarithms. */
function overDraws(name: string): object {
  const logs = rows
    .filter((row) => row.name.startsWith(`${name} `))
    .map((row) => Math.log(row.perplexity / reference));
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  const variance = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / (logs.length - 1);
  const half = T_NINE * Math.sqrt(variance / logs.length);
  const [smallest = NaN, median = NaN, largest = NaN] = quantiles(logs, [0, 0.5, 1]).map(Math.exp);
  return {
    draws: logs.length,
    ratio: round(Math.exp(mean)),
    interval: [round(Math.exp(mean - half)), round(Math.exp(mean + half))],
    smallest: round(smallest),
    median: round(median),
    largest: round(largest),
  };
}

await writeResults("first-tokens", loaded, {
  budget,
  stride,
  anchors: SINKS,
  tokens: tokens.length,
  counted: tokens.length + (hasBos ? 1 : 0) - budget,
  againstSinkWindow: {
    "random-anchor": overDraws("random-anchor"),
    "random-recent": overDraws("random-recent"),
  },
  rows: rows.map((row) => ({
    ...row,
    perplexity: round(row.perplexity),
    ratio: round(row.perplexity / reference),
  })),
});
