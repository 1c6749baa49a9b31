import { policySuite } from "@kvpolicy/conformance";
import { createStream } from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import { describe, expect, test } from "vitest";
import { dense } from "./dense.js";

policySuite(
  { describe, test },
  { name: "dense()", create: () => dense(), promises: { newest: true, pinned: true } },
);

describe("dense", () => {
  test("keeps everything until the cache is full, then says so and stays usable", async () => {
    const stream = createStream({ backend: new FakeBackend(), policy: dense(), budget: 4 });
    await expect(stream.append([1, 2, 3, 4, 5, 6])).rejects.toMatchObject({
      code: "cache-full",
      details: { policy: "dense", budget: 4, appended: 4, remaining: 2 },
    });
    expect([...stream.cells().positions]).toEqual([0, 1, 2, 3]);
    expect(await stream.truncate(3)).toEqual({ exact: true });
    await stream.append([5]);
    expect([...stream.cells().tokens]).toEqual([1, 2, 3, 5]);
  });

  test("requires nothing, so it runs on every backend", async () => {
    const backend = new FakeBackend({ reindex: "no", nll: "no", truncate: "no" });
    const stream = createStream({ backend, policy: dense() });
    await stream.append([1, 2, 3]);
    expect(stream.length).toBe(3);
    expect(dense().budget).toBeUndefined();
  });

  test("describes itself in plain data", () => {
    expect(dense().describe()).toEqual({
      name: "dense",
      shape: { first: 0, recent: "rest", stride: 0, survivors: "reuse" },
      options: {},
    });
  });
});
