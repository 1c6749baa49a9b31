import { createStream, type KVCachePolicy } from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import { dense } from "@kvpolicy/dense";
import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";
import { surprise } from "@kvpolicy/surprise";
import { window } from "@kvpolicy/window";
import { describe, expect, it } from "vitest";

import { fakeModel, type FakeModelOptions } from "../../testing/fake-model.js";
import { readRecord, type ReadRecordOptions, type RecordReading } from "./read-record.js";
import { RecordCursor } from "./record-cursor.js";
import { writeRecord, type StreamRecord } from "./write-record.js";

const RECORD = writeRecord({
  encode: (text) => fakeModel().encode(text),
  digits: 2,
  distances: [1, 4],
  every: 3,
  lines: 24,
  tokens: 1,
  seed: 5,
});
const BUDGET = 120;
const POLICIES: [string, () => KVCachePolicy][] = [
  ["window", () => window({ stride: 1 })],
  ["sink-window", () => sinkWindow({ stride: 7 })],
  ["recompute", () => recompute({ stride: 7 })],
  ["surprise", () => surprise({ surprises: 20, stride: 5 })],
];

function read(
  policy: KVCachePolicy,
  options: Partial<ReadRecordOptions> = {},
  model: FakeModelOptions = {},
): Promise<RecordReading> {
  const { record = RECORD } = options;
  return readRecord({
    model: fakeModel(model),
    policy,
    budget: BUDGET,
    record,
    withMargin: new Set(record.queries),
    accuracy: true,
    signal: undefined,
    onTokens: () => undefined,
    ...options,
  });
}

/** Likelihood of an answer in a stream that reads everything before it from the beginning, and the cells before it. */
async function fromTheBeginning(
  policy: KVCachePolicy,
  tokens: Uint32Array,
  { start, end }: { readonly start: number; readonly end: number },
): Promise<{ readonly nll: number; readonly positions: readonly number[] }> {
  const backend = new FakeBackend({ capacity: BUDGET, vocabularySize: 256 });
  await using stream = createStream({ backend, policy, budget: BUDGET });
  await stream.append(tokens.subarray(0, start));
  const positions = [...stream.cells().positions];
  const nlls = await stream.score(tokens.subarray(start, end));
  return { nll: nlls.reduce((sum, nll) => sum + nll, 0), positions };
}

describe("RecordCursor", () => {
  it.each(POLICIES)("leaves the cells of a stream that was given the answers: %s", async (_, create) => {
    const { tokens, queries } = RECORD;
    const open = () => fakeModel().open({ policy: create(), budget: BUDGET });
    await using asked = await open();
    await using given = await open();
    const cursor = new RecordCursor(asked, tokens, {
      accuracy: true,
      signal: undefined,
      onTokens: () => undefined,
    });
    for (const { answer } of queries) {
      await cursor.readTo(answer.start);
      await cursor.save();
      await cursor.readAnswer(answer);
      await given.append(tokens.subarray(given.position, answer.end));
      expect(asked.cells()).toEqual(given.cells());
      // What comes next is the same, so the keys and values are.
      const next = tokens.subarray(answer.end, answer.end + 2);
      expect(await asked.score(next)).toEqual(await given.score(next));
    }
    expect(asked.stats.evictions).toBeGreaterThan(10);
  });

  it("counts the tokens that the model would have said", async () => {
    await using stream = await fakeModel().open({ policy: window(), budget: BUDGET });
    await stream.append([1, 2, 3]);
    const said: number[] = [];
    for await (const { token } of stream.generate({ temperature: 0, maxTokens: 3 })) said.push(token);
    const answer = async (tokens: readonly number[]) => {
      await using other = await fakeModel().open({ policy: window(), budget: BUDGET });
      const all = Uint32Array.of(1, 2, 3, ...tokens);
      const cursor = new RecordCursor(other, all, {
        accuracy: true,
        signal: undefined,
        onTokens: () => undefined,
      });
      await cursor.readTo(3);
      return await cursor.readAnswer({ start: 3, end: 6 });
    };
    expect((await answer(said)).tokensRight).toBe(3);
    const wrong = [said[0]!, (said[1]! + 1) % 256, said[2]!];
    expect((await answer(wrong)).tokensRight).toBeLessThan(3);
    expect((await answer(wrong)).tokensRight).toBeGreaterThan(0);
  });
});

describe("readRecord", () => {
  it.each(POLICIES)(
    "says where the value was, how likely it was and what it added: %s",
    async (_, create) => {
      const { answers, status, tokens, marginProblem } = await read(create());
      expect(status).toBe("complete");
      expect(marginProblem).toBeNull();
      expect(tokens).toBe(RECORD.tokens.length);
      expect(answers.map(({ query }) => query)).toEqual(RECORD.queries.map((_, index) => index));
      for (const [index, { value, answer, counterfactual }] of RECORD.queries.entries()) {
        const own = await fromTheBeginning(create(), RECORD.tokens, answer);
        const altered = RECORD.tokens.slice();
        altered.set(counterfactual, value.start);
        const other = await fromTheBeginning(create(), altered, answer);
        const alive = own.positions.filter(
          (position) => position >= value.start && position < value.end,
        ).length;
        expect(answers[index]?.nll).toBeCloseTo(own.nll, 9);
        expect(answers[index]?.margin).toBeCloseTo(other.nll - own.nll, 9);
        if (alive === 0) expect(answers[index]?.place).toBe("outside");
        else
          expect(answers[index]?.place).toBe(
            alive === 2 && answers[index]?.place !== "partial" ? "inside" : "partial",
          );
      }
      expect(new Set(answers.map(({ place }) => place))).toContain("inside");
      expect(new Set(answers.map(({ place }) => place))).toContain("outside");
    },
  );

  it("measures no margin at all where the other value is the same", async () => {
    const queries = RECORD.queries.map((query) => ({
      ...query,
      counterfactual: RECORD.tokens.slice(query.value.start, query.value.end),
    }));
    const record: StreamRecord = { ...RECORD, queries };
    const { answers, otherCells, forkTokens } = await read(sinkWindow({ stride: 7 }), { record });
    expect(answers.map(({ margin }) => margin)).toEqual(queries.map(() => 0));
    expect(otherCells).toBe(0);
    expect(forkTokens).toBe(queries.reduce((sum, { answer, lineStart }) => sum + answer.end - lineStart, 0));
  });

  it("calls partial what is cut, or leaves while it is asked for", async () => {
    const { start, end } = RECORD.queries[5]!.value;
    const { answer } = RECORD.queries[5]!;
    const placeAt = async (budget: number) =>
      (await read(window({ stride: 1 }), { budget })).answers[5]?.place;
    // A window of as many cells still holds the value before the answer, and loses it while the answer is read.
    const distance = answer.start - start;
    expect(await placeAt(distance + end - start)).toBe("inside");
    expect(await placeAt(distance)).toBe("partial");
    expect(await placeAt(distance - 1)).toBe("partial");
    expect(await placeAt(distance - 2)).toBe("outside");
  });

  it("tells of margins whose streams held other cells", async () => {
    const { otherCells } = await read(surprise({ surprises: 20, stride: 5 }));
    expect(otherCells).toBeGreaterThan(0);
    expect((await read(window({ stride: 5 }))).otherCells).toBe(0);
  });

  it("looks at the likeliest tokens only when asked to", async () => {
    const withAccuracy = await read(window({ stride: 3 }));
    const without = await read(window({ stride: 3 }), { accuracy: false });
    expect(withAccuracy.answers.every(({ tokensRight }) => tokensRight !== null)).toBe(true);
    expect(without.answers).toEqual(withAccuracy.answers.map((answer) => ({ ...answer, tokensRight: null })));
  });

  it("has the figures that an engine allows", async () => {
    const noState = await read(window({ stride: 3 }), {}, { savesState: false });
    expect(noState).toMatchObject({
      status: "complete",
      marginProblem: "snapshot is not supported: the backend cannot save its cells.",
    });
    expect(noState.answers.every(({ margin, nll }) => margin === null && nll !== null)).toBe(true);
    const noTruncate = await read(window({ stride: 3 }), {}, { truncate: "it is recurrent" });
    expect(noTruncate.status).toBe("complete");
    expect(noTruncate.warnings).toEqual(["No accuracy: truncate is not supported: it is recurrent."]);
    expect(noTruncate.answers.every(({ tokensRight }) => tokensRight === null)).toBe(true);
  });

  it("opens a second stream for margins only, and closes what it opened", async () => {
    const backends: FakeBackend[] = [];
    const onOpen = (backend: FakeBackend): number => backends.push(backend);
    await read(window(), { withMargin: new Set() }, { onOpen });
    expect(backends).toHaveLength(1);
    await read(window(), { withMargin: new Set([RECORD.queries[2]!]) }, { onOpen });
    expect(backends).toHaveLength(3);
    for (const { calls } of backends) expect(calls.at(-1)?.method).toBe("dispose");
  });

  it("closes the second stream also when the first cannot be", async () => {
    const backends: FakeBackend[] = [];
    const onOpen = (backend: FakeBackend): void => {
      if (backends.push(backend) === 1) backend.failNext("dispose", new Error("stuck"));
    };
    await expect(read(window(), {}, { onOpen })).rejects.toMatchObject({ cause: { message: "stuck" } });
    expect(backends).toHaveLength(2);
    for (const { calls } of backends) expect(calls.at(-1)?.method).toBe("dispose");
  });

  it("keeps what it has when the cache is full or a policy does not fit", async () => {
    const full = await read(dense());
    expect(full).toMatchObject({ status: "failed", error: { code: "cache-full" } });
    const long = await read(dense(), { budget: 500 });
    expect(long.answers.length).toBeGreaterThan(0);
    expect(long.tokens).toBe(500);
    const unfit = await read(sinkWindow({ sinks: 200 }));
    expect(unfit).toMatchObject({ status: "failed", error: { code: "config" }, answers: [], tokens: 0 });
  });

  it("keeps what it has when it is stopped", async () => {
    const controller = new AbortController();
    let read0 = 0;
    const stopped = await read(window(), {
      signal: controller.signal,
      onTokens: (count) => {
        read0 += count;
        if (read0 > 600) controller.abort(new Error("enough"));
      },
    });
    expect(stopped.status).toBe("partial");
    expect(stopped.error).toBeNull();
    expect(stopped.answers.length).toBeGreaterThan(0);
    expect(stopped.answers.length).toBeLessThan(RECORD.queries.length);
  });
});
