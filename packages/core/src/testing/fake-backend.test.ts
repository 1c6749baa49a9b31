import { describe, expect, test } from "vitest";
import { cellContent, FakeBackend, predictNll } from "./fake-backend.js";

function tokens(...values: number[]): Uint32Array {
  return Uint32Array.from(values);
}

async function filled(...values: number[]): Promise<FakeBackend> {
  const backend = new FakeBackend({ capacity: 8 });
  await backend.decode(tokens(...values));
  return backend;
}

describe("the fake backend refuses every breach of the contract", () => {
  test.each<[RegExp, (backend: FakeBackend) => Promise<unknown>]>([
    [/no tokens/, (backend) => backend.decode(tokens())],
    [/beyond the capacity/, (backend) => backend.decode(tokens(1, 2, 3, 4, 5, 6))],
    [/scoreFrom/, (backend) => backend.decode(tokens(1, 2), { scoreFrom: 0 })],
    [/scoreFrom/, (backend) => backend.decode(tokens(1, 2), { scoreFrom: 2 })],
    [/invalid ranges/, (backend) => backend.evict([{ start: 0, end: 4 }])],
    [/invalid ranges/, (backend) => backend.evict([{ start: 1, end: 1 }])],
    [
      /invalid ranges/,
      (backend) =>
        backend.evict([
          { start: 1, end: 2 },
          { start: 0, end: 1 },
        ]),
    ],
    [/truncate/, (backend) => backend.truncate(0)],
    [/truncate/, (backend) => backend.truncate(4)],
    [/decode during another call/, (backend) => Promise.all([backend.nll(1), backend.decode(tokens(1))])],
    [/clear after dispose/, (backend) => backend.dispose().then(() => backend.clear())],
  ])("%s", async (message, call) => {
    const backend = await filled(1, 2, 3);
    await expect(call(backend)).rejects.toThrow(message);
  });

  test.each<[string, (backend: FakeBackend) => Promise<unknown>]>([
    ["evict", (backend) => backend.evict([{ start: 0, end: 1 }])],
    ["truncate", (backend) => backend.truncate(2)],
    ["clear", (backend) => backend.clear()],
    ["loadState", async (backend) => backend.loadState?.(await backend.saveState!())],
  ])("after %s nothing is pending until the next decode", async (_, change) => {
    const backend = await filled(1, 2, 3);
    const sampler = backend.createSampler();
    await backend.nll(1);
    await sampler.sample();
    await change(backend);
    await expect(backend.nll(1)).rejects.toThrow(/pending/);
    await expect(sampler.sample()).rejects.toThrow(/pending/);
    await backend.decode(tokens(4));
    await backend.nll(1);
  });

  test("a sampler is used up by its dispose", async () => {
    const sampler = (await filled(1)).createSampler();
    sampler.dispose();
    await expect(sampler.sample()).rejects.toThrow(/after dispose/);
  });

  test("a backend without reindex does not evict", async () => {
    const backend = new FakeBackend({ reindex: "no" });
    await backend.decode(tokens(1, 2));
    await expect(backend.evict([{ start: 0, end: 1 }])).rejects.toThrow(/without reindex/);
  });
});

describe("the fake backend predicts", () => {
  test("the same values one by one and in a block", async () => {
    const block = await (await filled(1)).decode(tokens(2, 3, 4), { scoreFrom: 1 });
    const backend = await filled(1);
    await backend.decode(tokens(2));
    const third = await backend.nll(3);
    await backend.decode(tokens(3));
    const fourth = await backend.nll(4);
    expect(block).toEqual(Float64Array.of(third, fourth));
  });

  test("otherwise from reused than from recomputed cells", async () => {
    const reused = await filled(1, 2, 3);
    await reused.evict([{ start: 0, end: 1 }]);
    await reused.decode(tokens(4));
    const recomputed = await filled(2, 3, 4);
    expect(reused.tokens).toEqual(recomputed.tokens);
    expect(await reused.nll(5)).not.toBe(await recomputed.nll(5));
  });

  test("otherwise from cells in another order", () => {
    expect(predictNll([1, 2], 3)).not.toBe(predictNll([2, 1], 3));
    expect(cellContent([1, 2], 3)).not.toBe(cellContent([2, 1], 3));
  });
});
