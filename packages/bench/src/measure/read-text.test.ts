import { KVPolicyError, type CacheStream } from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import { createStream } from "@kvpolicy/core";
import { dense } from "@kvpolicy/dense";
import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";
import { describe, expect, it } from "vitest";

import { buildComparison } from "../comparison/build-comparison.js";
import { fakeContender, fakeText } from "../testing/fake-contender.js";
import { FAKE_TEXT } from "../testing/fake-surroundings.js";
import type { Contender, TextHead } from "./contender.js";
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

describe("a head", () => {
  const BOS = 1;

  /** A contender that tells which tokens its stream got. */
  function watched(
    name: string,
    head?: TextHead,
    bos?: number,
  ): { contender: Contender; got: () => number[] } {
    const backend = new FakeBackend({ capacity: 16 });
    const policy = sinkWindow({ sinks: 4, stride: 3 });
    return {
      contender: {
        name,
        policy,
        head,
        open: () => Promise.resolve(createStream({ backend, policy, budget: 16, bos })),
      },
      got: () => backend.calls.flatMap((call) => (call.method === "decode" ? call.tokens : [])),
    };
  }

  /** What a stream of its own says of these tokens. */
  async function scoresOf(tokens: readonly number[], bos?: number): Promise<number[]> {
    const policy = sinkWindow({ sinks: 4, stride: 3 });
    const stream = createStream({ backend: new FakeBackend({ capacity: 16 }), policy, budget: 16, bos });
    return [...(await stream.score(tokens))];
  }

  it("replaces the first tokens of the text for one contender alone", async () => {
    const tokens = Uint32Array.from(TEXT);
    const sinks = watched("sinks", undefined, BOS);
    const head = watched("head", { tokens: [90, 91, 92], replaces: 3 }, BOS);
    const after = watched("after", undefined, BOS);
    const { readings } = await readText({
      tokens,
      budget: 16,
      contenders: [sinks.contender, head.contender, after.contender],
    });
    const text = [90, 91, 92, ...TEXT.slice(3)];
    expect(head.got()).toEqual([BOS, ...text]);
    expect([...readings[1]!.nlls]).toEqual(await scoresOf(text, BOS));
    for (const [other, index] of [[sinks, 0] as const, [after, 2] as const]) {
      expect(other.got()).toEqual([BOS, ...TEXT]);
      expect([...readings[index]!.nlls]).toEqual(await scoresOf([...TEXT], BOS));
    }
    expect(tokens).toEqual(TEXT);
    expect(readings.map(({ firstPosition }) => firstPosition)).toEqual([1, 1, 1]);
    expect(readings.map(({ warnings }) => warnings)).toEqual([
      [],
      ["Reads 3 other tokens in place of the first 3 of the text."],
      [],
    ]);
  });

  it("puts what it has more in front, where the others have a beginning-of-sequence token", async () => {
    const sinks = watched("sinks", undefined, BOS);
    const head = watched("head", { tokens: [90, 91, 92, 93], replaces: 3 });
    const { readings } = await readText({
      tokens: TEXT,
      budget: 16,
      contenders: [sinks.contender, head.contender],
    });
    const stream = [90, 91, 92, 93, ...TEXT.slice(3)];
    expect(head.got()).toEqual(stream);
    // At every stream position behind the head both read the same token.
    expect(head.got().slice(4)).toEqual(sinks.got().slice(4));
    expect(readings.map(({ firstPosition, status }) => [firstPosition, status])).toEqual([
      [1, "complete"],
      [1, "complete"],
    ]);
    // The one in front belongs to no figure.
    expect([...readings[1]!.nlls]).toEqual((await scoresOf(stream)).slice(1));
    expect(readings[1]!.stats!.tokens).toBe(201);
  });

  it("takes no part in what is compared: stream positions from the budget on", async () => {
    const head = { tokens: [90, 91, 92, 93], replaces: 3 };
    const measurement = await readText({
      tokens: TEXT,
      budget: 16,
      contenders: [watched("sinks", undefined, BOS).contender, watched("head", head).contender],
    });
    const full = (await scoresOf([90, 91, 92, 93, ...TEXT.slice(3)])).slice(16);
    const reference = (await scoresOf([...TEXT], BOS)).slice(15);
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / 185;
    const { compared, policies } = buildComparison(measurement, FAKE_TEXT);
    expect(compared).toEqual({ start: 16, end: 201 });
    expect(policies[1]!.perplexity.full.tokens).toBe(185);
    expect(policies[1]!.perplexity.full.value).toBeCloseTo(Math.exp(mean(full)), 8);
    expect(policies[1]!.ratio!.tokens).toBe(185);
    expect(policies[1]!.ratio!.value).toBeCloseTo(Math.exp(mean(full) - mean(reference)), 8);
    expect(measurement.readings[1]!.fullNll).toBeCloseTo(185 * mean(full), 8);
  });

  it("may not move the text: that row fails, and the others go on", async () => {
    const { readings } = await readText({
      tokens: TEXT,
      budget: 16,
      contenders: [
        watched("sinks", undefined, BOS).contender,
        watched("too far", { tokens: [90, 91], replaces: 1 }, BOS).contender,
        watched("not far enough", { tokens: [90], replaces: 1 }).contender,
        watched("right", { tokens: [90], replaces: 0 }).contender,
      ],
    });
    expect(readings.map(({ status }) => status)).toEqual(["complete", "failed", "failed", "complete"]);
    expect(readings[1]!.error).toEqual({
      code: "config",
      message: expect.stringMatching(
        /"too far" has the text at stream position 2, the others at 1/,
      ) as string,
    });
    expect(readings[2]!.error?.message).toMatch(/"not far enough" .* position 0, the others at 1/);
    expect(readings[1]!.nlls).toHaveLength(0);
  });

  it("is held against the first contender without one, and nobody else is", async () => {
    const { readings } = await readText({
      tokens: TEXT,
      budget: 16,
      contenders: [
        watched("sinks", undefined, BOS).contender,
        watched("no beginning").contender,
        watched("head", { tokens: [90], replaces: 1 }, BOS).contender,
      ],
    });
    expect(readings.map(({ status }) => status)).toEqual(["complete", "complete", "complete"]);
  });

  it("may be the only contender", async () => {
    const { readings } = await readText({
      tokens: TEXT,
      budget: 16,
      contenders: [watched("head", { tokens: [90, 91], replaces: 1 }, BOS).contender],
    });
    expect(readings[0]).toMatchObject({ status: "complete", firstPosition: 2 });
  });

  it.each<[TextHead, number, RegExp]>([
    [{ tokens: [1, 2, 3], replaces: 3 }, 2, /"head" replaces 3 tokens, and the text has 2/],
    [{ tokens: [1], replaces: 2 }, 200, /has 1 tokens in place of 2, which would move the text/],
    [{ tokens: new Uint32Array(16), replaces: 16 }, 200, /has 16 tokens, .* a budget of 16 cells/],
    [{ tokens: new Uint32Array(16), replaces: 2 }, 200, /has 16 tokens, .* a budget of 16 cells/],
    [{ tokens: [1], replaces: -1 }, 200, /head.replaces .* not -1/],
    [{ tokens: [1], replaces: 0.5 }, 200, /head.replaces .* not 0.5/],
  ])("is refused before anything is opened: %o of %i tokens", async (head, length, message) => {
    let opened = false;
    const { contender } = watched("head", head);
    const open = (): Promise<CacheStream> => {
      opened = true;
      return Promise.reject(refusal());
    };
    await expect(
      readText({ tokens: fakeText(length), budget: 16, contenders: [{ ...contender, open }] }),
    ).rejects.toMatchObject({ code: "config", message: expect.stringMatching(message) as string });
    expect(opened).toBe(false);
  });

  it.each([
    [15, 15],
    [2, 2],
  ])("may be as long as the text, and one shorter than the budget: %i", async (count, replaces) => {
    const { contender, got } = watched("head", { tokens: new Uint32Array(count).fill(9), replaces }, BOS);
    const { readings } = await readText({ tokens: fakeText(replaces), budget: 16, contenders: [contender] });
    expect(readings[0]!.status).toBe("complete");
    expect(got()).toEqual([BOS, ...new Array<number>(count).fill(9)]);
  });

  it("fails in its row when a token of it does not exist", async () => {
    const { contender } = watched("head", { tokens: [1000, 1], replaces: 1 });
    const other = watched("sinks", undefined, BOS);
    const { readings } = await readText({
      tokens: TEXT,
      budget: 16,
      contenders: [contender, other.contender],
    });
    expect(readings.map(({ status }) => status)).toEqual(["failed", "complete"]);
    expect(readings[0]!.error?.code).toBe("range");
  });
});

function refusal(): KVPolicyError {
  return new KVPolicyError({ code: "config", message: "no memory", details: { option: "budget", value: 1 } });
}
