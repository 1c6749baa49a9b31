import type { Chart } from "../../report/report-section.js";
import { NLL_TOLERANCE } from "./passes.js";
import type { SoakResults } from "./soak-results.js";
import { formatDifference } from "./soak-words.js";

/** Time per token over the tokens read. */
export function timeChart({ segments }: SoakResults): Chart {
  const timed = segments.flatMap(({ end, milliseconds }) => (milliseconds ? [{ end, ...milliseconds }] : []));
  return {
    title: "Time per token",
    caption: "Mean and 95th percentile of the chunks of each segment, over the tokens read.",
    x: { title: "tokens read", scale: "linear" },
    y: { title: "time (ms/token)", scale: "linear" },
    series: [
      { name: "mean", points: timed.map(({ end, mean }) => ({ x: end, y: mean })) },
      { name: "p95", points: timed.map(({ end, p95 }) => ({ x: end, y: p95 })) },
    ],
  };
}

/** Memory over the tokens read. */
export function memoryChart({ segments, sessions }: SoakResults): Chart {
  return {
    title: "Resident memory",
    caption: "Median of each segment, of the whole process, over the tokens read.",
    x: { title: "tokens read", scale: "linear" },
    y: { title: "resident memory (MiB)", scale: "linear" },
    series: [
      {
        name: "resident memory",
        points: segments.flatMap(({ end, residentBytes }) =>
          residentBytes === null ? [] : [{ x: end, y: residentBytes / 2 ** 20 }],
        ),
      },
    ],
    rules: sessions
      .slice(1)
      .map(({ start }) => ({ axis: "x", at: start, label: "went on from a checkpoint" })),
  };
}

/** Likelihood of each pass against that of pass 2. */
export function passChart({ passes }: SoakResults): Chart {
  return {
    title: "Likelihood of each pass against pass 2",
    caption:
      "Mean difference of the negative log-likelihood of the same tokens, with intervals of 95 %; above 0 is worse.",
    x: { title: "pass", scale: "linear" },
    y: { title: "difference (nats/token)", scale: "linear" },
    series: [
      {
        name: "pass − pass 2",
        mark: "line-with-points",
        points: passes.flatMap(({ pass, difference, interval }) =>
          difference === null ? [] : [{ x: pass, y: difference, ...interval }],
        ),
      },
    ],
    rules: [NLL_TOLERANCE, -NLL_TOLERANCE].map((at) => ({ axis: "y", at, label: formatDifference(at, 3) })),
  };
}
