import { readFile } from "node:fs/promises";

import { dense } from "@kvpolicy/dense";
import { sinkWindow } from "@kvpolicy/sink-window";
import { tinyModels } from "@kvpolicy/tiny-models";
import { windowOverSinks } from "@kvpolicy/tiny-models/testing";
import { window } from "@kvpolicy/window";
import { describe, expect, test } from "vitest";

import { EXPECTED, read } from "../testing/reading.js";
import { loadModel, openStream } from "./index.js";

/** A text with its token ids, and their likelihoods as the program that trained the model computed them. */
interface Fixture {
  readonly kind: "scored" | "tokenization";
  readonly text: string;
  readonly tokens: readonly number[];
  readonly nll?: readonly number[];
}

const models = await Promise.all(
  Object.values(tinyModels).map(async ({ name, url }) => {
    const file = await readFile(new URL(`../fixtures/${name}.jsonl`, new URL(".", url)), "utf8");
    const fixtures = file
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Fixture);
    return { name, scored: fixtures.filter(({ kind }) => kind === "scored"), model: await loadModel(url) };
  }),
);

describe.each(models)("$name", ({ name, model, scored }) => {
  test.each(scored)("predicts as the program that trained it: $text", async ({ tokens, nll }) => {
    await using stream = openStream(model, { policy: dense(), bos: false });
    const nlls = (await stream.score(tokens)).subarray(1);
    // The fixture was computed in F32 with the same F16 weights.
    nlls.forEach((value, index) => {
      expect(Math.abs(value - nll![index]!)).toBeLessThan(1e-3);
    });
  });

  test("needs its first token as much as it should", async () => {
    // BOS, then two texts one after the other: the second is read with a full cache.
    const [first, second] = scored as [Fixture, Fixture];
    const tokens = [...first.tokens, ...second.tokens.slice(1)];
    const means = [];
    for (const policy of [window({ stride: 1 }), sinkWindow({ stride: 1 })]) {
      await using stream = openStream(model, { policy, budget: 96, bos: false });
      const nlls = (await stream.score(tokens)).subarray(first.tokens.length);
      means.push(nlls.reduce((sum, nll) => sum + nll, 0) / nlls.length);
    }
    const ratio = Math.exp(means[0]! - means[1]!);
    const { atLeast, atMost } = windowOverSinks[name]!;
    expect(ratio).toBeGreaterThanOrEqual(atLeast);
    expect(ratio).toBeLessThanOrEqual(atMost);
  });
});

test("a page reads and generates the same", async () => {
  expect(await read(tinyModels.sink.url)).toEqual({
    ...EXPECTED,
    meanNll: expect.closeTo(EXPECTED.meanNll, 9) as number,
  });
});
