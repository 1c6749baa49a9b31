import { readFileSync } from "node:fs";

import { formatCount, parseResults, type ExperimentResults } from "@kvpolicy/bench";
import { describe, expect, test } from "vitest";

/*
 * The table under "Measured" in the README says what the results files say.
 */

interface Interval {
  readonly lower: number;
  readonly upper: number;
}

const RESULTS = "benchmarks/results";
const MODEL = "SmolLM2-135M-Instruct.Q4_1";

const readme = readFileSync("README.md", "utf8");
const rows = readme.split("\n").filter((line) => line.startsWith("| ") && line.includes(`](${RESULTS}/`));

function read(path: string): unknown {
  return JSON.parse(readFileSync(`${RESULTS}/${path}`, "utf8"));
}

/** What a directory of results holds of one experiment. */
function experiment<Name extends ExperimentResults["experiment"]>(
  path: string,
  name: Name,
): Extract<ExperimentResults, { experiment: Name }> {
  const found = parseResults(read(path)).experiments.find((results) => results.experiment === name);
  if (!found) throw new Error(`${path} holds no results of ${name}`);
  return found as Extract<ExperimentResults, { experiment: Name }>;
}

/** A figure with its interval, to as many digits. */
function withInterval(
  value: number,
  interval: Interval | null | undefined,
  write: (value: number) => string,
): string {
  if (!interval) throw new Error("the figure has no interval");
  return `${write(value)} [${write(interval.lower)}, ${write(interval.upper)}]`;
}

const digits =
  (count: number) =>
  (value: number): string =>
    value.toPrecision(count);
const decimals =
  (count: number) =>
  (value: number): string =>
    value.toFixed(count);

/** The figures of each file that the table must show. */
const figures: readonly (readonly [path: string, claim: () => string[]])[] = [
  [
    `reproduce-${MODEL}/results.json`,
    () => {
      const path = `reproduce-${MODEL}/results.json`;
      const [comparison] = experiment(path, "perplexity").comparisons;
      const ratioOf = (name: string, write: (value: number) => string): string => {
        const ratio = comparison?.policies.find((policy) => policy.name === name)?.ratio;
        return `${name} ${withInterval(ratio?.value ?? NaN, ratio?.interval, write)}`;
      };
      return [ratioOf("window", digits(3)), ratioOf("recompute", decimals(3)), ratioOf("dense", digits(3))];
    },
  ],
  [
    `reproduce-${MODEL}/results.json`,
    () => {
      const verdicts = experiment(`reproduce-${MODEL}/results.json`, "reproduce").rows.map(
        ({ verdict }) => verdict,
      );
      const count = (wanted: string): number => verdicts.filter((verdict) => verdict === wanted).length;
      return [
        `${count("reproduced")} rows reproduced, ${count("not reproduced")} not, ${count("not comparable")} not comparable`,
      ];
    },
  ],
  [
    `latency-${MODEL}/results.json`,
    () => {
      const { ratios } = experiment(`latency-${MODEL}/results.json`, "latency");
      const atHalf = ratios.find(({ budget, stride }) => budget === 512 && stride === 1)?.recomputeToReuse;
      const ratioAt = (wanted: number): string =>
        (
          ratios.find(({ budget, stride }) => budget === 1024 && stride === wanted)?.recomputeToReuse
            ?.value ?? NaN
        ).toPrecision(3);
      return [
        `${ratioAt(1)} times at stride 1, ${ratioAt(16)} at 16, ${ratioAt(64)} at 64`,
        `${withInterval(atHalf?.value ?? NaN, atHalf?.interval, digits(3))} at stride 1 and 512 cells`,
      ];
    },
  ],
  [
    `stream-eval-${MODEL}/results.json`,
    () => {
      const [policy] = experiment(`stream-eval-${MODEL}/results.json`, "stream-eval").policies;
      const [inside, outside] = [policy?.inside.margin, policy?.outside.margin];
      return [
        `${withInterval(inside?.mean ?? NaN, inside?.interval, digits(3))} nats while it is in the cache`,
        `${withInterval(outside?.mean ?? NaN, outside?.interval, digits(3))} when it has left`,
      ];
    },
  ],
  [
    "soak-sink-4M/results.json",
    () => {
      const { memory, read, sideBySide } = experiment("soak-sink-4M/results.json", "soak");
      const mebibytes = (stretch: { readonly residentBytes: number } | undefined): number =>
        Math.round((stretch?.residentBytes ?? NaN) / 2 ** 20);
      const ratio = sideBySide?.ratio;
      expect(read).toBe(4_000_000);
      return [
        `${withInterval(ratio?.value ?? NaN, ratio?.interval, decimals(3))} times as long`,
        `memory grew from ${mebibytes(memory?.early)} to ${mebibytes(memory?.late)} MiB`,
      ];
    },
  ],
  [
    `chat-${MODEL}.json`,
    () => {
      interface Side {
        readonly around: readonly { readonly turn: number; readonly turnMilliseconds: number }[];
        readonly evaluatedTokensInAll: number;
      }
      const { figures } = read(`chat-${MODEL}.json`) as {
        figures: { readonly openChat: Side; readonly LlamaChatSession: Side };
      };
      const [ours, theirs] = [figures.openChat, figures.LlamaChatSession];
      const last = ({ around }: Side): string =>
        formatCount(Math.round(around.find(({ turn }) => turn === 200)?.turnMilliseconds ?? NaN));
      return [
        `${last(ours)} ms a turn against ${last(theirs)}`,
        `${formatCount(ours.evaluatedTokensInAll)} tokens evaluated against ${formatCount(theirs.evaluatedTokensInAll)}`,
      ];
    },
  ],
  [
    "exactness.json",
    () => {
      const { figures } = read("exactness.json") as {
        figures: readonly { architecture: string; gelu?: string; largestError: number }[];
      };
      const ofSameKind = figures.filter(({ gelu }) => gelu !== "formula");
      const worst = ofSameKind.toSorted((one, other) => other.largestError - one.largestError)[0]!;
      const largest = new Map<string, number>();
      for (const { architecture, largestError } of ofSameKind)
        largest.set(architecture, Math.max(largestError, largest.get(architecture) ?? 0));
      const [best, least] = [...largest].toSorted(([, one], [, other]) => one - other)[0]!;
      const againstFormula = Math.max(...figures.map(({ largestError }) => largestError));
      return [
        `${least.toExponential(1)} (${best}) to ${worst.largestError.toExponential(1)} (${worst.architecture})`,
        `up to ${againstFormula.toExponential(1)} against the formula`,
      ];
    },
  ],
  [
    `eviction-${MODEL}.json`,
    () => {
      const { figures } = read(`eviction-${MODEL}.json`) as {
        figures: readonly {
          readonly budget: number;
          readonly isDefaultStride: boolean;
          readonly strides: number;
          readonly ratioOfMeans: number;
          readonly ratioPerStride: { readonly minimum: number; readonly maximum: number };
        }[];
      };
      const found = figures.find(({ budget, isDefaultStride }) => budget === 1024 && isDefaultStride)!;
      const { minimum, maximum } = found.ratioPerStride;
      return [
        `${((found.ratioOfMeans - 1) * 100).toFixed(1)} % in the mean of ${found.strides} strides`,
        `take ${minimum.toFixed(2)} to ${maximum.toFixed(2)} times as long`,
      ];
    },
  ],
];

describe("the figures in the README", () => {
  test("are all checked", () => {
    expect(rows).toHaveLength(figures.length);
  });

  test.each(figures)("are those of %s", (path, claim) => {
    const own = rows.filter((row) => row.includes(`](${RESULTS}/${path})`)).join("\n");
    for (const text of claim()) expect(own).toContain(text);
  });
});
