import { sinkWindow } from "@kvpolicy/sink-window";
import { createStream } from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import { describe, expect, test } from "vitest";

import type { Contender } from "../measure/contender.js";
import { readText } from "../measure/read-text.js";
import { fakeText } from "../testing/fake-contender.js";
import { lineBreakHead, type LineBreakHeadOptions } from "./line-break-head.js";

const LINE_BREAK = 99;
const BOS = 1;

/** The tokens in the cache by stream position once the text was read with and without a head. */
async function cellsOf(
  head: Contender["head"],
  ownBos: number | undefined,
  bos: number | undefined,
): Promise<string[][]> {
  const cells: string[][] = [];
  const contender = (name: string, open: number | undefined): Contender => ({
    name,
    policy: sinkWindow(),
    open: () => {
      const stream = createStream({
        backend: new FakeBackend(),
        policy: sinkWindow(),
        budget: 16,
        bos: open,
      });
      const dispose = stream.dispose.bind(stream);
      stream.dispose = () => {
        const { tokens, positions } = stream.cells();
        cells.push([...positions].map((position, index) => `${position}:${tokens[index]!}`));
        return dispose();
      };
      return Promise.resolve(stream);
    },
  });
  const { readings } = await readText({
    tokens: fakeText(100),
    budget: 16,
    contenders: [contender("sinks", bos), { ...contender("line breaks", ownBos), head }],
  });
  expect(readings.map(({ error }) => error)).toEqual([null, null]);
  return cells;
}

describe("the first four tokens are", () => {
  test.each<[LineBreakHeadOptions["bos"], number | undefined, number | undefined, number[], number[]]>([
    ["kept", BOS, BOS, [BOS, 0, 7, 14], [BOS, 99, 99, 99]],
    ["replaced", undefined, BOS, [BOS, 0, 7, 14], [99, 99, 99, 99]],
    ["none", undefined, undefined, [0, 7, 14, 21], [99, 99, 99, 99]],
  ])("bos %s", async (bos, ownBos, otherBos, first, replaced) => {
    const [sinks, breaks] = await cellsOf(lineBreakHead({ lineBreak: LINE_BREAK, bos }), ownBos, otherBos);
    expect(sinks!.slice(0, 4)).toEqual(first.map((token, position) => `${position}:${token}`));
    expect(breaks!.slice(0, 4)).toEqual(replaced.map((token, position) => `${position}:${token}`));
    // The same tokens at the same stream positions behind them.
    expect(breaks!.length).toBeGreaterThan(10);
    expect(breaks!.slice(4)).toEqual(sinks!.slice(4));
  });
});

test.each<[LineBreakHeadOptions, number, number]>([
  [{ lineBreak: 13, bos: "kept" }, 3, 3],
  [{ lineBreak: 13, bos: "replaced" }, 4, 3],
  [{ lineBreak: 13, bos: "none" }, 4, 4],
  [{ lineBreak: 13, sinks: 2, bos: "kept" }, 1, 1],
  [{ lineBreak: 13, sinks: 1, bos: "replaced" }, 1, 0],
  [{ lineBreak: 13, sinks: 1, bos: "none" }, 1, 1],
])("%o: %i tokens in place of %i", (options, count, replaces) => {
  expect(lineBreakHead(options)).toEqual({ tokens: new Uint32Array(count).fill(13), replaces });
});

test.each<[LineBreakHeadOptions, RegExp]>([
  [{ lineBreak: -1, bos: "kept" }, /lineBreak .* not -1/],
  [{ lineBreak: 13, sinks: 1, bos: "kept" }, /sinks must be a whole number of at least 2, not 1/],
  [{ lineBreak: 13, sinks: 0, bos: "none" }, /sinks must be a whole number of at least 1, not 0/],
  [{ lineBreak: 13, sinks: 1.5, bos: "replaced" }, /sinks .* not 1.5/],
  [{ lineBreak: 13, bos: "gone" as never }, /bos must be kept, replaced or none, not gone/],
])("refuses %o", (options, message) => {
  expect(() => lineBreakHead(options)).toThrow(
    expect.objectContaining({ code: "config", message: expect.stringMatching(message) as string }),
  );
});
