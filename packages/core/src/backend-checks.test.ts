import { describe, expect, test } from "vitest";
import {
  checkDecode,
  checkEviction,
  checkSupported,
  checkToken,
  checkTruncation,
  disposedBackend,
  disposedSampler,
  nothingPending,
} from "./backend-checks.js";
import type { BackendCapabilities } from "./backend.js";
import type { CacheRange } from "./range.js";

const capabilities: BackendCapabilities = {
  capacity: 8,
  batch: 4,
  vocabularySize: 10,
  reindex: true,
  truncate: true,
  nll: true,
  attention: "no",
  keys: "no",
};

function refusal(code: string, details: object): Error {
  return expect.objectContaining({ code, actor: "caller", details }) as Error;
}

describe("decode", () => {
  const decode = (tokens: number[], scoreFrom?: number, length = 5): void => {
    checkDecode(
      Uint32Array.from(tokens),
      scoreFrom === undefined ? undefined : { scoreFrom },
      length,
      capabilities,
    );
  };

  test("passes what fits to the last cell", () => {
    decode([0, 9, 1]);
    decode([0, 9, 1], 1);
    decode([0, 9, 1], 2);
    decode([1], undefined, 0);
  });

  test.each<[string, number[], number | undefined, object]>([
    ["no tokens", [], undefined, { what: "number of tokens", value: 0, minimum: 1, maximum: 8 }],
    [
      "one too many",
      [1, 2, 3, 4],
      undefined,
      { what: "cells after the decode", value: 9, minimum: 1, maximum: 8 },
    ],
    [
      "an unknown token",
      [1, 10, 3],
      undefined,
      { what: "token at index 1", value: 10, minimum: 0, maximum: 9 },
    ],
    ["a score of the first token", [1, 2, 3], 0, { what: "scoreFrom", value: 0, minimum: 1, maximum: 2 }],
    ["a score past the last token", [1, 2, 3], 3, { what: "scoreFrom", value: 3, minimum: 1, maximum: 2 }],
    ["a fractional score", [1, 2, 3], 1.5, { what: "scoreFrom", value: 1.5, minimum: 1, maximum: 2 }],
    ["a score that is no number", [1, 2], NaN, { what: "scoreFrom", value: NaN, minimum: 1, maximum: 1 }],
  ])("refuses %s", (_, tokens, scoreFrom, details) => {
    expect(() => {
      decode(tokens, scoreFrom);
    }).toThrow(refusal("range", details));
  });

  test("counts the cells that it would take, however many tokens there are", () => {
    expect(() => {
      decode(new Array<number>(12).fill(1));
    }).toThrow(refusal("range", { what: "cells after the decode", value: 17, minimum: 1, maximum: 8 }));
  });

  test("says in words that a single token has no score", () => {
    expect(() => {
      decode([1], 1);
    }).toThrow(/single token has nothing to score/);
  });

  test("refuses scores that the backend does not have", () => {
    expect(() => {
      checkDecode(Uint32Array.of(1, 2), { scoreFrom: 1 }, 0, { ...capabilities, nll: "no logits" });
    }).toThrow(refusal("unsupported", { feature: "scoreFrom", reason: "no logits" }));
  });
});

describe("evict", () => {
  test.each<[string, CacheRange[]]>([
    ["no range", []],
    ["every cell", [{ start: 0, end: 8 }]],
    [
      "ranges that touch",
      [
        { start: 0, end: 3 },
        { start: 3, end: 4 },
        { start: 6, end: 8 },
      ],
    ],
  ])("passes %s", (_, ranges) => {
    checkEviction(ranges, 8);
  });

  test.each<[string, [number, number][], object]>([
    ["a negative start", [[-1, 2]], { what: "start of range 0", value: -1, minimum: 0, maximum: 7 }],
    ["a fractional start", [[0.5, 2]], { what: "start of range 0", value: 0.5, minimum: 0, maximum: 7 }],
    ["a fractional end", [[0, 2.5]], { what: "end of range 0", value: 2.5, minimum: 1, maximum: 8 }],
    [
      "a bound that is no number",
      [[NaN, 2]],
      { what: "start of range 0", value: NaN, minimum: 0, maximum: 7 },
    ],
    ["an empty range", [[3, 3]], { what: "end of range 0", value: 3, minimum: 4, maximum: 8 }],
    ["a reversed range", [[5, 3]], { what: "end of range 0", value: 3, minimum: 6, maximum: 8 }],
    ["a range past the end", [[3, 9]], { what: "end of range 0", value: 9, minimum: 4, maximum: 8 }],
    [
      "ranges that overlap",
      [
        [0, 3],
        [2, 5],
      ],
      { what: "start of range 1", value: 2, minimum: 3, maximum: 7 },
    ],
    [
      "ranges that are not sorted",
      [
        [4, 5],
        [0, 1],
      ],
      { what: "start of range 1", value: 0, minimum: 5, maximum: 7 },
    ],
  ])("refuses %s", (_, bounds, details) => {
    expect(() => {
      checkEviction(
        bounds.map(([start, end]) => ({ start, end })),
        8,
      );
    }).toThrow(refusal("range", details));
  });
});

test("a range behind the last cell is refused in words", () => {
  expect(() => {
    checkEviction(
      [
        { start: 4, end: 8 },
        { start: 8, end: 9 },
      ],
      8,
    );
  }).toThrow("Range 1 begins at 8, and the range before it ends with the last of the 8 cells.");
});

test("an empty cache has nothing to remove, and says so", () => {
  checkEviction([], 0);
  expect(() => {
    checkEviction(
      [
        { start: 0, end: 1 },
        { start: 3, end: 4 },
      ],
      0,
    );
  }).toThrow(
    expect.objectContaining({
      message: "The cache is empty: nothing can be evicted.",
      details: { what: "number of ranges", value: 2, minimum: 0, maximum: 0 },
    }),
  );
  expect(() => {
    checkTruncation(1, 0);
  }).toThrow(
    expect.objectContaining({
      message: "The cache is empty: nothing can be truncated.",
      details: { what: "number of cells to keep", value: 1, minimum: 0, maximum: 0 },
    }),
  );
});

test.each([1, 3])("truncate to %d of 3 cells passes", (length) => {
  checkTruncation(length, 3);
});

test.each([0, 4, 1.5, NaN])("truncate to %d of 3 cells is refused", (length) => {
  expect(() => {
    checkTruncation(length, 3);
  }).toThrow(refusal("range", { what: "number of cells to keep", value: length, minimum: 1, maximum: 3 }));
});

test.each([-1, 10, 1.5, NaN])("token %d of 10 is refused", (token) => {
  checkToken(0, 10);
  checkToken(9, 10);
  expect(() => {
    checkToken(token, 10);
  }).toThrow(refusal("range", { what: "token", value: token, minimum: 0, maximum: 9 }));
});

test("what a capability lacks is refused with its reason", () => {
  checkSupported("evict", true);
  expect(() => {
    checkSupported("evict", "positions are learned");
  }).toThrow(refusal("unsupported", { feature: "evict", reason: "positions are learned" }));
});

test("the refusals to read say what is missing", () => {
  expect(nothingPending()).toMatchObject({ code: "empty", details: { what: "pending position" } });
  expect(disposedBackend()).toMatchObject({ code: "disposed", details: { what: "backend" } });
  expect(disposedSampler()).toMatchObject({ code: "disposed", details: { what: "sampler" } });
});
