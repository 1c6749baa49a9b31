import { KVPolicyError, type CacheStream } from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import { createStream } from "@kvpolicy/core";
import { dense } from "@kvpolicy/dense";
import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";
import { describe, expect, it } from "vitest";

import { fakeContender, fakeText } from "../testing/fake-contender.js";
import { readText } from "./read-text.js";

const TEXT = fakeText(200);

describe("readText", () => {
  it("measures what one score of the whole text would say, for every policy", async () => {
    const { readings } = await readText({
      tokens: TEXT,
      budget: 16,
      slice: 7,
      contenders: [
        fakeContender({ policy: dense(), budget: 201, bos: 1 }),
        fakeContender({ policy: window({ stride: 5 }), budget: 16, bos: 1 }),
        fakeContender({ policy: recompute({ stride: 3 }), budget: 16, bos: 1 }),
        fakeContender({ policy: sinkWindow({ stride: "half" }), budget: 16, bos: 1 }),
      ],
    });
    for (const { nlls, policy, status, firstPosition } of readings) {
      const budget = policy.name === "dense" ? 201 : 16;
      const stream = createStream({ backend: new FakeBackend({ capacity: budget }), policy, budget, bos: 1 });
      expect([...nlls]).toEqual([...(await stream.score(TEXT))]);
      expect(status).toBe("complete");
      expect(firstPosition).toBe(1);
    }
  });

  it("keeps what was measured when it is stopped, and the policies are at most a slice and a stride apart", async () => {
    const controller = new AbortController();
    let steps = 0;
    const measurement = await readText({
      tokens: TEXT,
      budget: 16,
      slice: 8,
      signal: controller.signal,
      onProgress: () => {
        steps += 1;
        if (steps === 40) controller.abort();
      },
      contenders: [
        fakeContender({ policy: window({ stride: 1 }), budget: 16 }),
        fakeContender({ policy: sinkWindow({ stride: 1 }), budget: 16 }),
      ],
    });
    expect(steps).toBe(40);
    expect(measurement.partial).toBe(true);
    const [first, second] = measurement.readings.map(({ nlls }) => nlls.length);
    expect(first).toBeGreaterThan(16);
    expect(Math.abs(first! - second!)).toBeLessThanOrEqual(9);
    expect(measurement.readings.map(({ status }) => status)).toEqual(["reading", "reading"]);
    const whole = await readText({
      tokens: TEXT,
      budget: 16,
      contenders: [fakeContender({ policy: window({ stride: 1 }), budget: 16 })],
    });
    expect([...measurement.readings[0]!.nlls]).toEqual([...whole.readings[0]!.nlls.subarray(0, first)]);
  });

  it("is partial, and disposes nothing that was not opened, when it is stopped before it begins", async () => {
    const { partial, readings } = await readText({
      tokens: TEXT,
      budget: 16,
      signal: AbortSignal.abort(),
      contenders: [fakeContender({ policy: window(), budget: 16 })],
    });
    expect(partial).toBe(true);
    expect(readings[0]?.stats).toBeNull();
  });

  it("gives a policy whose cache is full a failed row, and goes on with the others", async () => {
    const { partial, readings } = await readText({
      tokens: TEXT,
      budget: 16,
      contenders: [
        fakeContender({ policy: dense(), budget: 60, warning: "beyond the trained length" }),
        fakeContender({ policy: sinkWindow(), budget: 16 }),
        { name: "refused", policy: window(), open: () => Promise.reject(refusal()) },
      ],
    });
    expect(partial).toBe(false);
    expect(readings.map(({ status }) => status)).toEqual(["failed", "complete", "failed"]);
    expect(readings[0]).toMatchObject({
      error: { code: "cache-full" },
      warnings: ["beyond the trained length"],
    });
    expect(readings[0]?.nlls).toHaveLength(60);
    expect(readings[1]?.nlls).toHaveLength(200);
    expect(readings[2]).toMatchObject({ error: { code: "config", message: "no memory" } });
  });

  it("does not hide faults of ours, and disposes what is open", async () => {
    const disposed: string[] = [];
    const watched = fakeContender({ policy: window(), budget: 16 });
    const open = async (): Promise<CacheStream> => {
      const stream = (await watched.open(() => undefined)) as CacheStream;
      const dispose = stream.dispose.bind(stream);
      stream.dispose = () => (disposed.push("window"), dispose());
      return stream;
    };
    await expect(
      readText({
        tokens: TEXT,
        budget: 16,
        contenders: [
          { ...watched, open },
          { name: "bug", policy: dense(), open: () => Promise.reject(new TypeError("a bug")) },
        ],
      }),
    ).rejects.toThrow(TypeError);
    expect(disposed).toEqual(["window"]);
  });

  it("watches the memory of the process", async () => {
    const told = [10, 30, 20];
    const { residentBytes } = await readText({
      tokens: fakeText(4),
      budget: 16,
      residentBytes: () => told.shift() ?? 0,
      contenders: [fakeContender({ policy: window(), budget: 16 })],
    });
    expect(residentBytes).toEqual({ start: 10, peak: 30, end: 20 });
  });

  it("refuses an empty text, no policy and two of one name", async () => {
    const contender = fakeContender({ policy: window(), budget: 16 });
    const codeOf = async (tokens: number[], contenders: (typeof contender)[]): Promise<unknown> =>
      readText({ tokens, contenders, budget: 16 }).catch((error: unknown) =>
        KVPolicyError.isInstance(error) ? error.code : error,
      );
    expect(await codeOf([], [contender])).toBe("empty");
    expect(await codeOf([1], [])).toBe("config");
    expect(await codeOf([1], [contender, contender])).toBe("config");
  });
});

function refusal(): KVPolicyError {
  return new KVPolicyError({ code: "config", message: "no memory", details: { option: "budget", value: 1 } });
}
