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
  test.each<[string, (backend: FakeBackend) => Promise<unknown>]>([
    ["range", (backend) => backend.decode(tokens())],
    ["range", (backend) => backend.decode(tokens(1, 2, 3, 4, 5, 6))],
    ["range", (backend) => backend.decode(tokens(100))],
    ["range", (backend) => backend.decode(tokens(1, 2), { scoreFrom: 2 })],
    ["range", (backend) => backend.nll(100)],
    ["range", (backend) => backend.evict([{ start: 0, end: 4 }])],
    ["range", (backend) => backend.truncate(0)],
    ["disposed", (backend) => backend.dispose().then(() => backend.clear())],
    ["disposed", (backend) => backend.dispose().then(() => backend.createSampler().sample())],
  ])("with %s, and stays as it was: %s", async (code, call) => {
    const backend = await filled(1, 2, 3);
    await expect(call(backend)).rejects.toMatchObject({ code });
    expect(backend.tokens).toEqual([1, 2, 3]);
    if (code !== "disposed") await backend.nll(1);
  });

  test("a call during another one", async () => {
    const backend = await filled(1, 2, 3);
    await expect(Promise.all([backend.nll(1), backend.decode(tokens(1))])).rejects.toThrow(
      "decode during another call",
    );
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
    await expect(backend.nll(1)).rejects.toMatchObject({ code: "empty" });
    await expect(sampler.sample()).rejects.toMatchObject({ code: "empty" });
    await backend.decode(tokens(4));
    await backend.nll(1);
  });

  test("a sampler is used up by its dispose", async () => {
    const sampler = (await filled(1)).createSampler();
    sampler.dispose();
    await expect(sampler.sample()).rejects.toMatchObject({ code: "disposed", details: { what: "sampler" } });
  });

  test.each<[string, string | Uint8Array, RegExp]>([
    ["no bytes", "", /no cells of a fake/],
    ["bytes that are no text", Uint8Array.of(255, 0, 254), /no cells of a fake/],
    ["other data", '{"tokens":[1]}', /no cells of a fake/],
    ["lists of other things", '[["a"],["b"]]', /no cells of a fake/],
    ["two words", '["a","b"]', /no cells of a fake/],
    ["lists that differ in length", "[[1,2],[3]]", /no cells of a fake/],
    ["tokens outside the vocabulary", "[[100],[3]]", /outside the vocabulary/],
    ["too many cells", JSON.stringify([Array(9).fill(1), Array(9).fill(2)]), /9 cells, and .* holds 8/],
  ])("a state of %s, and stays as it was", async (_, state, message) => {
    const backend = await filled(1, 2, 3);
    const bytes = typeof state === "string" ? new TextEncoder().encode(state) : state;
    const refusal = expect.objectContaining({
      code: "config",
      message: expect.stringMatching(message) as string,
    }) as Error;
    await expect(backend.loadState!(bytes)).rejects.toEqual(refusal);
    expect(backend.tokens).toEqual([1, 2, 3]);
    await backend.nll(1);
  });

  test.each<[string, (backend: FakeBackend) => Promise<unknown>]>([
    ["evict", (backend) => backend.evict([{ start: 0, end: 1 }])],
    ["truncate", (backend) => backend.truncate(1)],
    ["nll", (backend) => backend.nll(1)],
    ["scoreFrom", (backend) => backend.decode(tokens(1, 2), { scoreFrom: 1 })],
  ])("what it was told to lack: %s", async (feature, call) => {
    const backend = new FakeBackend({ reindex: "no", truncate: "no", nll: "no" });
    await backend.decode(tokens(1, 2));
    await expect(call(backend)).rejects.toMatchObject({ code: "unsupported", details: { feature } });
  });

  test("a second dispose does nothing", async () => {
    const backend = await filled(1);
    await backend.dispose();
    await backend.dispose();
    expect(backend.calls.filter(({ method }) => method === "dispose")).toHaveLength(1);
  });
});

describe("a sampler of the fake backend", () => {
  test("draws the likeliest token at temperature 0", async () => {
    const backend = await filled(1, 2, 3);
    const drawn = await backend.nll(await backend.createSampler({ temperature: 0 }).sample());
    for (let token = 0; token < 100; token += 1) {
      expect(await backend.nll(token)).toBeGreaterThanOrEqual(drawn);
    }
  });

  test("else draws the same from the same seed", async () => {
    const backend = await filled(1, 2, 3);
    const draw = async (seed: number): Promise<number[]> => {
      const sampler = backend.createSampler({ seed });
      return [await sampler.sample(), await sampler.sample(), await sampler.sample()];
    };
    expect(await draw(1)).toEqual(await draw(1));
    expect(await draw(2)).not.toEqual(await draw(1));
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
