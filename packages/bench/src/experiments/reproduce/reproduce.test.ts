import { KVPolicyError } from "@kvpolicy/core";
import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";
import { describe, expect, it } from "vitest";

import type { ExperimentResults } from "../../results/results-file.js";
import { parseResults } from "../../results/results-file.js";
import { FakeClock, fakeText } from "../../testing/fake-contender.js";
import { fakeModel } from "../../testing/fake-model.js";
import { FAKE_TEXT, fakeSurroundings } from "../../testing/fake-surroundings.js";
import { measurePerplexity } from "../perplexity/measure-perplexity.js";
import type { PerplexityResults } from "../perplexity/perplexity-results.js";
import { measureSinks } from "../sinks/measure-sinks.js";
import type { SinksResults } from "../sinks/sinks-results.js";
import { describeReproduce } from "./describe-reproduce.js";
import { Found } from "./found.js";
import { PAPER_CLAIMS } from "./paper-claims.js";
import { PROJECT_TARGETS } from "./project-targets.js";
import { reproduce, type ReproductionPart } from "./reproduce.js";
import type { ReproducedRow } from "./reproduce-results.js";

const common = { model: fakeModel(), surroundings: fakeSurroundings(), seed: 1 };
const text = { ...FAKE_TEXT.text, tokens: fakeText(300) };

async function perplexity(
  policies = [
    { name: "window", create: () => window() },
    { name: "sink-window", create: () => sinkWindow() },
  ],
): Promise<PerplexityResults> {
  return measurePerplexity({ ...common, texts: [text], budgets: [16], policies });
}

/** The same results with another interval for the ratio of a policy. */
function withRatio(
  results: PerplexityResults,
  name: string,
  lower: number,
  upper: number,
): PerplexityResults {
  const ratio = { value: (lower + upper) / 2, interval: { lower, upper } };
  return {
    ...results,
    budgets: results.budgets.map(({ budget, policies }) => ({
      budget,
      policies: policies.map((row) => (row.name === name ? { ...row, ratio } : row)),
    })),
  };
}

function withTokens(results: PerplexityResults, tokens: number): PerplexityResults {
  return {
    ...results,
    comparisons: results.comparisons.map((comparison) => ({
      ...comparison,
      policies: comparison.policies.map((policy) => ({ ...policy, tokens })),
    })),
  };
}

function sinks(): Promise<SinksResults> {
  const create = (count: number): ReturnType<typeof sinkWindow> => sinkWindow({ sinks: count });
  return measureSinks({ ...common, text, budget: 24, stride: 1, draws: 2, create });
}

function judge(
  claim: RegExp,
  ...experiments: ExperimentResults[]
): Pick<ReproducedRow, "ours" | "verdict" | "why"> {
  const found = PAPER_CLAIMS.filter((one) => claim.test(one.claim));
  expect(found).toHaveLength(1);
  return found[0]!.judge(new Found(experiments));
}

describe("the claims", () => {
  it("are all not comparable when nothing was run", () => {
    const verdicts = PAPER_CLAIMS.map((claim) => claim.judge(new Found([])).verdict);
    expect(new Set(verdicts)).toEqual(new Set(["not comparable"]));
  });

  it("see a window collapse only when the whole interval says so", async () => {
    const results = await perplexity();
    expect(judge(/plain window predicts worse/, withRatio(results, "window", 1.8, 2.1)).verdict).toBe(
      "reproduced",
    );
    expect(judge(/plain window predicts worse/, withRatio(results, "window", 1.031, 2.1)).verdict).toBe(
      "reproduced",
    );
    // Inconclusive is not refuted.
    expect(judge(/plain window predicts worse/, withRatio(results, "window", 1.02, 2.1)).verdict).toBe(
      "not comparable",
    );
    expect(judge(/plain window predicts worse/, withRatio(results, "window", 0.9, 1.03)).verdict).toBe(
      "not reproduced",
    );
    expect(judge(/plain window predicts worse/, results)).toMatchObject({
      verdict: "not comparable",
      why: expect.stringContaining("too short") as string,
    });
  });

  it("take sink-window as good as recomputing only when it is not inferior", async () => {
    const results = await perplexity([
      { name: "recompute", create: () => window() },
      { name: "sink-window", create: () => sinkWindow() },
    ]);
    // recompute : sink-window at least 0.98 means sink-window at most 1.0204 times worse.
    const verdict = (lower: number, upper: number): string =>
      judge(/as good as recomputing/, withRatio(results, "recompute", lower, upper)).verdict;
    expect(verdict(0.98, 1.1)).toBe("reproduced");
    expect(verdict(0.96, 1.1)).toBe("not comparable");
    expect(verdict(0.9, 0.96)).toBe("not reproduced");
  });

  it("compare dense only over a text that is long enough", async () => {
    const results = withRatio(
      await perplexity([
        { name: "dense", create: () => window() },
        { name: "sink-window", create: () => sinkWindow() },
      ]),
      "dense",
      5,
      6,
    );
    // The fake model was trained on 100 positions.
    expect(judge(/Dense attention/, withTokens(results, 124))).toMatchObject({ verdict: "not comparable" });
    expect(judge(/Dense attention/, withTokens(results, 125))).toMatchObject({ verdict: "reproduced" });
  });

  it("judge the need for sinks and how many are enough by their intervals", async () => {
    const results = await sinks();
    const difference = (
      count: number,
      lower: number,
      upper: number,
    ): SinksResults["need"]["againstMost"][number] => ({
      sinks: count,
      nats: (lower + upper) / 2,
      interval: { lower, upper },
      blocks: 64,
    });
    const withNeed = (need: Partial<SinksResults["need"]>): SinksResults => ({
      ...results,
      need: { ...results.need, ...need },
    });
    const needs = (lower: number, upper: number): string =>
      judge(/Without sinks/, withNeed({ withoutSinks: difference(0, lower, upper) })).verdict;
    expect([needs(0.03, 3), needs(0.02, 3), needs(-0.1, 0.02)]).toEqual([
      "reproduced",
      "not comparable",
      "not reproduced",
    ]);
    const enough = (lower: number, upper: number): string =>
      judge(/4 sinks are enough/, withNeed({ againstMost: [difference(4, lower, upper)] })).verdict;
    expect([enough(-0.01, 0.01), enough(-0.01, 0.011), enough(0.011, 0.02)]).toEqual([
      "reproduced",
      "not comparable",
      "not reproduced",
    ]);
    const lineBreaks = (lower: number, upper: number): string => {
      const policies = results.comparison.policies.map((row) =>
        row.name.startsWith("line breaks") && row.ratio
          ? { ...row, ratio: { ...row.ratio, interval: { lower, upper } } }
          : row,
      );
      const comparison = { ...results.comparison, policies };
      return judge(/line breaks do as well/, {
        ...withNeed({ withoutSinks: difference(0, 0.9, 1.1) }),
        comparison,
      }).verdict;
    };
    // A tenth of 0.9 nats is a ratio of 1.094, a tenth of 1.1 one of 1.116.
    expect([lineBreaks(0.99, 1.09), lineBreaks(0.99, 1.1), lineBreaks(1.12, 1.2)]).toEqual([
      "reproduced",
      "not comparable",
      "not reproduced",
    ]);
  });

  it("name the source, the paper's figure and a rule in every row", () => {
    for (const { source, paper, rule, claim } of PAPER_CLAIMS) {
      expect(source).toMatch(/Table|Figure/);
      expect(paper).toMatch(/\d|O\(/);
      expect(rule.length).toBeGreaterThan(20);
      expect(claim).toMatch(/\.$/);
    }
  });
});

describe("the targets", () => {
  const verdicts = (...experiments: ExperimentResults[]): string[] =>
    PROJECT_TARGETS.map(({ judge: judgeTarget }) => judgeTarget(new Found(experiments)).verdict);

  it("are not measured when nothing was run, and reached only from their figure on", async () => {
    expect(new Set(verdicts())).toEqual(new Set(["not measured"]));
    const results = await perplexity();
    expect(verdicts(withRatio(results, "window", 1.7, 1.91))[0]).toBe("reached");
    expect(verdicts(withRatio(results, "window", 1.7, 1.89))[0]).toBe("not reached");
  });
});

describe("reproduce", () => {
  function part(
    experiment: ReproductionPart["experiment"],
    run: ReproductionPart["run"],
    weight = 1,
  ): ReproductionPart {
    return { experiment, weight, run };
  }
  const options = { ...common, minutes: 10, budget: 16, stride: 1 };

  it("runs the parts in order, hands on what each finds, and judges it", async () => {
    const order: string[] = [];
    const results = await reproduce({
      ...options,
      parts: [
        part("perplexity", async () => withRatio(await perplexity(), "window", 2, 3)),
        part("sinks", sinks),
        { ...part("chat-eval", () => Promise.reject(new Error("never"))), leftOut: "no template" },
      ],
      onResults: ({ experiment }) => {
        order.push(experiment);
        return Promise.resolve();
      },
    });
    expect(order).toEqual(["perplexity", "sinks"]);
    expect(results.parts.map(({ status }) => status)).toEqual(["done", "done", "left out"]);
    expect(results.rows.find(({ claim }) => claim.includes("plain window"))?.verdict).toBe("reproduced");
    const file = { schemaVersion: 2, experiments: [results] };
    expect(parseResults(JSON.parse(JSON.stringify(file)))).toEqual(file);
    const section = describeReproduce(results);
    expect(section.notes).toEqual(["chat-eval, left out: no template"]);
    expect(section.verdicts[0]).toMatch(/^\d+ reproduced, \d+ not reproduced, \d+ not comparable\.$/);
    expect(section.tables[0]?.rows).toHaveLength(PAPER_CLAIMS.length);
  });

  it("goes on after an experiment that cannot work, and says why", async () => {
    const refusal = new KVPolicyError({
      code: "unsupported",
      message: "The model cannot do this.",
      details: { feature: "reindex", reason: "a fake" },
    });
    const results = await reproduce({
      ...options,
      parts: [part("latency", () => Promise.reject(refusal)), part("sinks", sinks)],
      onResults: () => Promise.resolve(),
    });
    expect(results.parts.map(({ status, reason }) => [status, reason])).toEqual([
      ["failed", "The model cannot do this."],
      ["done", null],
    ]);
  });

  it("shares what is left of the time by weight", async () => {
    const clock = new FakeClock();
    const given: number[] = [];
    const takes =
      (minutes: number) =>
      async (share: number): Promise<ExperimentResults> => {
        given.push(share);
        clock.now += minutes * 60_000;
        return sinks();
      };
    await reproduce({
      ...options,
      clock: clock.tell,
      parts: [part("perplexity", takes(1), 3), part("sinks", takes(6), 1), part("soak", takes(1), 1)],
      onResults: () => Promise.resolve(),
    });
    // 10 · 3/5; then 9 left, half of it; then 3 left.
    expect(given).toEqual([6, 4.5, 3]);
  });

  it("leaves the rest out once it is stopped", async () => {
    const controller = new AbortController();
    const results = await reproduce({
      ...options,
      signal: controller.signal,
      parts: [
        part("sinks", async () => {
          controller.abort();
          return { ...(await sinks()), partial: true };
        }),
        part("soak", () => Promise.reject(new Error("never"))),
      ],
      onResults: () => Promise.resolve(),
    });
    expect(results.partial).toBe(true);
    expect(results.parts.map(({ status }) => status)).toEqual(["partial", "left out"]);
  });
});
