import { dense } from "@kvpolicy/dense";
import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";
import { describe, expect, it } from "vitest";

import { FakeClock, fakeContender, fakeText } from "../testing/fake-contender.js";
import { readText } from "./read-text.js";

describe("the times of readText", () => {
  it("times whole strides, also when the turns of others come between", async () => {
    const clock = new FakeClock();
    const { readings } = await readText({
      tokens: fakeText(200),
      budget: 16,
      slice: 5,
      clock: clock.tell,
      contenders: [
        fakeContender({ policy: sinkWindow({ sinks: 2, stride: 4 }), budget: 16, clock }),
        fakeContender({ policy: recompute({ stride: 4 }), budget: 16, clock }),
        fakeContender({ policy: dense(), budget: 200, clock, costs: { token: 3, eviction: 0 } }),
      ],
    });
    const [sinks, again, full] = readings;
    // 200 tokens: 16 fill the cache, 184 are 46 strides of 4. One eviction (10 ms) and 4 tokens (1 ms each).
    expect(sinks?.timings).toEqual({
      unit: "stride",
      tokens: Array(46).fill(4),
      milliseconds: Array(46).fill(14),
    });
    // 12 survivors are evaluated again with the 4 new tokens; nothing is evicted in the backend.
    expect(again?.timings).toEqual({
      unit: "stride",
      tokens: Array(46).fill(4),
      milliseconds: Array(46).fill(16),
    });
    expect(full?.timings.unit).toBe("step");
    expect(full?.timings.milliseconds.map((time, index) => time / full.timings.tokens[index]!)).toSatisfy(
      (perToken: number[]) => perToken.length > 0 && perToken.every((time) => time === 3),
    );
    expect(sinks?.milliseconds).toBe(16 + 46 * 14);
    // Right after an eviction the first of 4 tokens sees 13 cells, the last 16.
    expect(sinks?.meanCells).toBe(14.5);
  });

  it("adds up the steps of a stride, and lets nobody in between", async () => {
    const clock = new FakeClock();
    const lengths: number[][] = [];
    const { readings } = await readText({
      tokens: fakeText(16 + 12 * 6),
      budget: 16,
      slice: 5,
      clock: clock.tell,
      onProgress: (progress) => lengths.push(progress.readings.map(({ nlls }) => nlls.length)),
      contenders: [
        fakeContender({ name: "first", policy: window({ stride: 12 }), budget: 16, clock, batch: 5 }),
        fakeContender({ name: "second", policy: window({ stride: 12 }), budget: 16, clock, batch: 5 }),
      ],
    });
    // An eviction (10 ms) and three steps: 5, 5 and 2 tokens.
    for (const { timings } of readings) {
      expect(timings).toMatchObject({ tokens: Array(6).fill(12), milliseconds: Array(6).fill(22) });
    }
    const whenOtherReads = lengths
      .filter(([, second], index) => second !== lengths[index - 1]?.[1])
      .map(([first]) => first!)
      .filter((first) => first > 16);
    expect(whenOtherReads.length).toBeGreaterThan(6);
    expect(whenOtherReads.filter((first) => (first - 16) % 12 !== 0)).toEqual([]);
  });

  it("leaves a last stride that is not whole out of the times, and in the text", async () => {
    const clock = new FakeClock();
    const { readings } = await readText({
      tokens: fakeText(16 + 4 + 3),
      budget: 16,
      clock: clock.tell,
      contenders: [fakeContender({ policy: window({ stride: 4 }), budget: 16, clock })],
    });
    expect(readings[0]?.timings.tokens).toEqual([4]);
    expect(readings[0]?.nlls).toHaveLength(23);
  });

  it("counts the steps of dense only from the common budget on", async () => {
    const { readings } = await readText({
      tokens: fakeText(40),
      budget: 16,
      contenders: [fakeContender({ policy: dense(), budget: 40 })],
    });
    expect(readings[0]?.timings.tokens.reduce((sum, tokens) => sum + tokens, 0)).toBe(24);
  });
});
