import { readFile } from "node:fs/promises";

import { dense } from "@kvpolicy/dense";
import { tinyModels } from "@kvpolicy/tiny-models";
import { expect, test } from "vitest";

import { EXPECTED, read } from "../testing/reading.js";
import { loadModel, openStream } from "./index.js";

/** A text with its token ids, and their likelihoods as the program that trained the model computed them. */
interface Fixture {
  readonly kind: "scored" | "tokenization";
  readonly text: string;
  readonly tokens: readonly number[];
  readonly nll?: readonly number[];
}

const fixtures = (
  await readFile(new URL("../fixtures/sink.jsonl", new URL(".", tinyModels.sink.url)), "utf8")
)
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Fixture);
const model = await loadModel(tinyModels.sink.url);

test.each(fixtures.filter(({ kind }) => kind === "scored"))(
  "predicts as the program that trained the model: $text",
  async ({ tokens, nll }) => {
    await using stream = openStream(model, { policy: dense(), bos: false });
    const nlls = (await stream.score(tokens)).subarray(1);
    // The file holds F16 weights, the fixture comes of the F32 ones.
    const difference = nlls.reduce((sum, value, index) => sum + value - nll![index]!, 0) / nlls.length;
    expect(Math.abs(difference)).toBeLessThan(1e-3);
    nlls.forEach((value, index) => {
      expect(Math.abs(value - nll![index]!)).toBeLessThan(0.05);
    });
  },
);

test("reads and generates what a browser does", async () => {
  expect(await read(tinyModels.sink.url)).toEqual({
    ...EXPECTED,
    meanNll: expect.closeTo(EXPECTED.meanNll, 9) as number,
  });
});
