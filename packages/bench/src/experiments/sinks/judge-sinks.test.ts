import { sinkWindow } from "@kvpolicy/sink-window";
import { describe, expect, it } from "vitest";

import type { Measurement } from "../../measure/read-text.js";
import type { Reading } from "../../measure/reader.js";
import { ENOUGH_NATS, judgeSinks, needOf, referenceSinks } from "./judge-sinks.js";
import type { SinkNeed } from "./sinks-results.js";

const BUDGET = 4;

/** What was read with so many sinks: other likelihoods before the cache is full, then one and the same. */
interface Read {
  readonly sinks: number;
  readonly nll: number;
  readonly tokens?: number;
  readonly status?: Reading["status"];
  readonly firstPosition?: number;
}

function judge(reads: readonly Read[], counts = reads.map(({ sinks }) => sinks)): SinkNeed {
  const readings = reads.map(
    ({ sinks, nll, tokens = 12, status = "complete", firstPosition = 0 }): Reading => ({
      name: String(sinks),
      policy: sinkWindow({ sinks }),
      status,
      nlls: Float64Array.from({ length: tokens }, (_, index) =>
        index + firstPosition < BUDGET ? 50 * sinks : nll,
      ),
      budget: BUDGET,
      firstPosition,
      fullNll: 0,
      milliseconds: 0,
      timings: { unit: "stride", tokens: [], milliseconds: [] },
      stats: null,
      meanCells: null,
      contextBytes: null,
      warnings: [],
      error: null,
    }),
  );
  const measurement: Measurement = {
    budget: BUDGET,
    total: 12,
    slice: 64,
    partial: false,
    milliseconds: 0,
    residentBytes: null,
    readings,
  };
  return judgeSinks(measurement, counts, (sinks) => readings.find(({ name }) => name === String(sinks)), 1);
}

describe("judgeSinks", () => {
  it("calls it collapse, mild or none where the whole interval says so, and else nothing", () => {
    const bounds: (readonly [number, number])[] = [
      [-1, 0.0199],
      [-1, 0.02],
      [0.02, 0.9999],
      [0.019, 0.5],
      [0.5, 1],
      [1, 7],
    ];
    expect(bounds.map(([lower, upper]) => needOf({ lower, upper }))).toEqual([
      "none",
      "unknown",
      "mild",
      "unknown",
      "unknown",
      "collapse",
    ]);
    expect(needOf(null)).toBe("unknown");
  });

  it("takes the difference to four sinks, once the cache is full", () => {
    const need = judge([
      { sinks: 0, nll: 5.5 },
      { sinks: 4, nll: 3 },
      { sinks: 8, nll: 2 },
    ]);
    expect(need.withoutSinks).toEqual({ sinks: 0, nats: 2.5, interval: null, blocks: 0 });
    // Too short for an interval, and so for a verdict.
    expect([need.need, need.enough]).toEqual(["unknown", null]);
    expect(need.most).toBe(8);
    expect(need.againstMost).toEqual([
      { sinks: 0, nats: 3.5, interval: null, blocks: 0 },
      { sinks: 4, nats: 1, interval: null, blocks: 0 },
    ]);
  });

  it("takes the difference to the most where four were not tried", () => {
    const { withoutSinks } = judge([
      { sinks: 0, nll: 5 },
      { sinks: 1, nll: 4 },
      { sinks: 2, nll: 3 },
    ]);
    expect(withoutSinks?.nats).toBe(2);
    expect(referenceSinks([0, 1, 2])).toBe(2);
    expect(referenceSinks([0, 4, 8])).toBe(4);
  });

  it("finds the fewest sinks that come as near to the most as is enough, the bound with them", () => {
    const tokens = BUDGET + 64 * 128;
    const enough = (...nlls: (readonly [sinks: number, nll: number])[]): number | undefined =>
      judge([...nlls, [8, 0] as const].map(([sinks, nll]) => ({ sinks, nll, tokens }))).enough?.sinks;
    expect(enough([0, 1], [1, ENOUGH_NATS - 1e-9], [2, 0])).toBe(1);
    expect(enough([0, 1], [1, ENOUGH_NATS + 1e-6])).toBeUndefined();
    // Fewer that do better than the most are enough, too.
    expect(enough([0, -1], [1, 0])).toBe(0);
  });

  it("gives an interval for a text that is long enough", () => {
    const tokens = BUDGET + 64 * 128;
    const { withoutSinks } = judge([
      { sinks: 0, nll: 3, tokens },
      { sinks: 4, nll: 2, tokens },
    ]);
    expect(withoutSinks).toEqual({ sinks: 0, nats: 1, interval: { lower: 1, upper: 1 }, blocks: 64 });
  });

  it("compares by stream position, behind a beginning-of-sequence token, too", () => {
    const { withoutSinks } = judge([
      { sinks: 0, nll: 5, firstPosition: 1 },
      { sinks: 4, nll: 3, firstPosition: 1 },
    ]);
    expect(withoutSinks?.nats).toBe(2);
  });

  it("compares as far as a reading came that failed", () => {
    const { withoutSinks } = judge([
      { sinks: 0, nll: 5, tokens: BUDGET + 1, status: "failed" },
      { sinks: 4, nll: 3 },
    ]);
    expect(withoutSinks?.nats).toBe(2);
  });

  it.each([
    [
      "the text ends before the cache is full",
      [
        { sinks: 0, nll: 5, tokens: 4 },
        { sinks: 4, nll: 3, tokens: 4 },
      ],
    ],
    [
      "one of them failed before",
      [
        { sinks: 0, nll: 5, tokens: 2, status: "failed" as const },
        { sinks: 4, nll: 3 },
      ],
    ],
    [
      "a likelihood is missing",
      [
        { sinks: 0, nll: Infinity },
        { sinks: 4, nll: 3 },
      ],
    ],
    [
      "nothing was read without sinks",
      [
        { sinks: 1, nll: 5 },
        { sinks: 4, nll: 3 },
      ],
    ],
  ])("does not know when %s", (_, reads) => {
    const need = judge(reads);
    expect(need.need).toBe("unknown");
    expect(need.withoutSinks).toBeNull();
    expect(JSON.parse(JSON.stringify(need))).toEqual(need);
  });
});
