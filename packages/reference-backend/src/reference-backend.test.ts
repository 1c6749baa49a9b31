import { definePolicy } from "@kvpolicy/core";
import { sinkWindow } from "@kvpolicy/sink-window";
import { describe, expect, test } from "vitest";

import { loadCase } from "../testing/cases.js";
import { CellCache, openStream, ReferenceBackend, type AttentionMap } from "./index.js";

const model = await loadCase({ architecture: "llama", layers: 2, heads: 4, keyValueHeads: 2 });
const withSinks = await loadCase({ architecture: "mimo2", attentionSinks: 0 });
const tokens = Uint32Array.from({ length: 20 }, (_, index) => 3 + ((index * 37) % 290));

function sumOf(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0);
}

describe("attention", () => {
  async function observe(one = model): Promise<AttentionMap[]> {
    const backend = new ReferenceBackend(one, { capacity: 20 });
    const maps: AttentionMap[] = [];
    await backend.decode(tokens.subarray(0, 5));
    const stop = backend.onAttention((map) => maps.push(map));
    await backend.decode(tokens.subarray(5, 8));
    stop();
    await backend.decode(tokens.subarray(8, 9));
    return maps;
  }

  test("is told layer by layer, for each head, token and cell, while someone listens", async () => {
    const maps = await observe();
    expect(maps.map(({ layer, firstCell }) => [layer, firstCell])).toEqual([
      [0, 5],
      [1, 5],
    ]);
    for (const { probabilities } of maps) {
      expect(probabilities).toHaveLength(4);
      for (const rows of probabilities) expect(rows.map((row) => row.length)).toEqual([8, 8, 8]);
    }
  });

  test("sums to one and never looks ahead", async () => {
    for (const { probabilities } of await observe()) {
      for (const rows of probabilities) {
        rows.forEach((row, token) => {
          expect(sumOf(row)).toBeCloseTo(1, 12);
          expect([...row.subarray(5 + token + 1)].every((share) => share === 0)).toBe(true);
          expect(row[5 + token]).toBeGreaterThan(0);
        });
      }
    }
  });

  test("goes in part to the sink logits where there are some", async () => {
    for (const { probabilities } of await observe(withSinks)) {
      for (const rows of probabilities) for (const row of rows) expect(sumOf(row)).toBeLessThan(1);
    }
  });

  test("is told to every listener, and what the first throws ends no decode half-way", async () => {
    const backend = new ReferenceBackend(model, { capacity: 20, batch: 8 });
    const failure = new Error("no more room on the screen");
    let told = 0;
    backend.onAttention(() => {
      throw failure;
    });
    const stop = backend.onAttention(() => (told += 1));
    await expect(backend.decode(tokens)).rejects.toBe(failure);
    expect(told).toBe(2 * 3);
    stop();
    const quiet = new ReferenceBackend(model, { capacity: 20, batch: 8 });
    await quiet.decode(tokens);
    expect(await backend.nll(7)).toBe(await quiet.nll(7));
    expect(backend.keys(1)).toEqual(quiet.keys(1));
  });

  test("does not change what is predicted", async () => {
    const quiet = new ReferenceBackend(model, { capacity: 20 });
    const watched = new ReferenceBackend(model, { capacity: 20 });
    watched.onAttention(() => undefined);
    for (const backend of [quiet, watched]) await backend.decode(tokens);
    expect(await watched.nll(7)).toBe(await quiet.nll(7));
  });
});

describe("cached keys", () => {
  test("are those of the survivors, and without a position: an eviction changes no number", async () => {
    const backend = new ReferenceBackend(model, { capacity: 20 });
    await backend.decode(tokens);
    const width = 2 * 16;
    const before = backend.keys(1);
    await backend.evict([{ start: 3, end: 9 }]);
    const after = backend.keys(1);
    expect([...after.subarray(0, 3 * width)]).toEqual([...before.subarray(0, 3 * width)]);
    expect([...after.subarray(3 * width)]).toEqual([...before.subarray(9 * width)]);
  });

  test("of a layer that is not there are refused", () => {
    const backend = new ReferenceBackend(model);
    expect(() => backend.keys(2)).toThrow(expect.objectContaining({ code: "range" }));
    expect(() => backend.keys(0.5)).toThrow(expect.objectContaining({ code: "range" }));
  });
});

test("after dispose neither keys nor attention answer, and the memory is given back", async () => {
  const cache = new CellCache(2, 32);
  const backend = new ReferenceBackend(model, { capacity: 20, cache });
  await backend.decode(tokens);
  await backend.dispose();
  expect(() => backend.keys(0)).toThrow(expect.objectContaining({ code: "disposed" }));
  expect(() => backend.onAttention(() => undefined)).toThrow(expect.objectContaining({ code: "disposed" }));
  expect(cache.layers.map(({ keys, values }) => keys.length + values.length)).toEqual([0, 0]);
});

describe("options", () => {
  test("the capacity is the trained length unless told otherwise", () => {
    expect(new ReferenceBackend(model).capabilities.capacity).toBe(8192);
    expect(() => new ReferenceBackend(model, { capacity: 0 })).toThrow(/capacity must be a whole number/);
    expect(() => new ReferenceBackend(model, { batch: 1.5 })).toThrow(/batch must be a whole number/);
  });

  test("a capacity above the model's sliding window is refused, and is not the default", () => {
    const windowed = { ...withSinks, slidingWindow: 16 };
    expect(new ReferenceBackend(windowed).capabilities.capacity).toBe(16);
    expect(() => new ReferenceBackend(windowed, { capacity: 17 })).toThrow(
      expect.objectContaining({ code: "config", details: { option: "capacity", value: 17 } }),
    );
  });

  test("a cache of another size is refused", () => {
    for (const cache of [new CellCache(2, 16), new CellCache(1, 32)]) {
      expect(() => new ReferenceBackend(model, { cache })).toThrow(/2 of 32/);
    }
    expect(new ReferenceBackend(model, { cache: new CellCache(2, 32) }).capabilities.capacity).toBe(8192);
  });

  test("a cache that holds cells already is refused", async () => {
    const cache = new CellCache(2, 32);
    await new ReferenceBackend(model, { cache }).decode(tokens);
    expect(() => new ReferenceBackend(model, { cache })).toThrow(
      expect.objectContaining({ code: "config", details: { option: "cache", value: { length: 20 } } }),
    );
    expect(cache.length).toBe(20);
  });

  test("neither attention nor keys are promised to policies, which cannot see them", () => {
    for (const feature of ["attention", "keys"] as const) {
      const policy = definePolicy({ name: "curious", requires: [feature], plan: () => null });
      expect(() => openStream(model, { policy, budget: 16 })).toThrow(
        expect.objectContaining({
          code: "unsupported",
          message: expect.stringMatching(/not shown to policies: see/) as string,
        }),
      );
    }
  });

  test("the batch changes no prediction", async () => {
    const predictions = await Promise.all(
      [1, 3, 64].map(async (batch) => {
        const backend = new ReferenceBackend(model, { capacity: 20, batch });
        return [...(await backend.decode(tokens, { scoreFrom: 1 }))!, await backend.nll(5)];
      }),
    );
    predictions.forEach((prediction) => {
      prediction.forEach((nll, index) => {
        expect(nll).toBeCloseTo(predictions[0]![index]!, 10);
      });
    });
  });
});

describe("saved cells that cannot be loaded are refused, and the cache stays as it was:", () => {
  async function saved(one = model, count = 6): Promise<Uint8Array> {
    const backend = new ReferenceBackend(one, { capacity: 20 });
    await backend.decode(tokens.subarray(0, count));
    return backend.saveState();
  }

  test.each<[string, () => Promise<Uint8Array>, RegExp]>([
    ["nothing", () => Promise.resolve(new Uint8Array()), /no cells saved by this package/],
    ["other bytes", () => Promise.resolve(new Uint8Array(1000).fill(7)), /no cells saved by this package/],
    ["cut short", async () => (await saved()).subarray(0, 200), /no cells saved by this package/],
    ["of another model", () => saved(withSinks), /they have 2 layers of 64 numbers, and the model 2 of 32/],
    [
      "of a model of the same shape",
      async () => saved(await loadCase({ architecture: "llama", heads: 4, keyValueHeads: 2, seed: 1 })),
      /they are of a model with other weights/,
    ],
    ["too many", () => saved(model, 12), /they are 12 cells, and the backend holds 10/],
  ])("%s", async (_, make, message) => {
    const backend = new ReferenceBackend(model, { capacity: 10 });
    await backend.decode(tokens.subarray(0, 4));
    const expected = await backend.nll(9);
    const loading = backend.loadState(await make());
    await expect(loading).rejects.toThrow(message);
    await expect(loading).rejects.toMatchObject({ code: "config" });
    expect(await backend.nll(9)).toBe(expected);
  });
});

describe("sampling", () => {
  async function generate(sampling: object, count = 40): Promise<number[]> {
    await using stream = openStream(model, { policy: sinkWindow(), budget: 16 });
    await stream.append(tokens);
    const drawn: number[] = [];
    for await (const { token } of stream.generate({ maxTokens: count, ...sampling })) drawn.push(token);
    return drawn;
  }

  test("takes the likeliest token at temperature 0, the default", async () => {
    const backend = new ReferenceBackend(model, { capacity: 20 });
    await backend.decode(tokens);
    const nlls = await Promise.all(Array.from({ length: 300 }, (_, token) => backend.nll(token)));
    const likeliest = nlls.indexOf(Math.min(...nlls));
    expect(await backend.createSampler().sample()).toBe(likeliest);
    expect(await backend.createSampler({ temperature: 1, topK: 1 }).sample()).toBe(likeliest);
    expect(await backend.createSampler({ temperature: 1, topP: 1e-9 }).sample()).toBe(likeliest);
  });

  test("repeats itself with the same seed and not with another", async () => {
    const first = await generate({ temperature: 1, seed: 1 });
    expect(await generate({ temperature: 1, seed: 1 })).toEqual(first);
    expect(await generate({ temperature: 1, seed: 2 })).not.toEqual(first);
  });

  test("draws as often as the probabilities say", async () => {
    const backend = new ReferenceBackend(model, { capacity: 20 });
    await backend.decode(tokens);
    const sampler = backend.createSampler({ temperature: 1, seed: 3 });
    const draws = 4000;
    const counts = new Map<number, number>();
    for (let count = 0; count < draws; count += 1) {
      const token = await sampler.sample();
      counts.set(token, (counts.get(token) ?? 0) + 1);
    }
    for (const [token, count] of counts) {
      const probability = Math.exp(-(await backend.nll(token)));
      const deviation = Math.sqrt(draws * probability * (1 - probability));
      expect(Math.abs(count - draws * probability)).toBeLessThan(5 * deviation + 5);
    }
  });

  test.each([
    { temperature: -1 },
    { temperature: NaN },
    { topK: 0 },
    { topK: 1.5 },
    { topP: 0 },
    { topP: 1.1 },
    { seed: NaN },
  ])("refuses %o", async (sampling) => {
    await expect(generate(sampling)).rejects.toMatchObject({ code: "config" });
  });
});

describe("a stream", () => {
  test("begins with the beginning-of-sequence token that the metadata asks for", async () => {
    await using stream = openStream(model, { policy: sinkWindow(), budget: 16 });
    expect(stream.position).toBe(1);
    await using without = openStream(model, { policy: sinkWindow(), budget: 16, bos: false });
    expect(without.position).toBe(0);
  });

  test("cannot begin with one that the vocabulary lacks", async () => {
    const lacking = await loadCase({ architecture: "llama", tokenizer: "byte-level", bos: false });
    await using stream = openStream(lacking, { policy: sinkWindow(), budget: 16 });
    expect(stream.position).toBe(0);
    expect(() => openStream(lacking, { policy: sinkWindow(), budget: 16, bos: true })).toThrow(
      expect.objectContaining({ code: "config", message: "The model has no beginning-of-sequence token." }),
    );
  });

  test("does not open when there are more tokens than embeddings, or fewer", () => {
    const lacking = { ...model, vocabularySize: 299 };
    expect(() => openStream(lacking, { policy: sinkWindow(), budget: 16 })).toThrow(
      /its vocabulary has 300 tokens, and its embeddings 299/,
    );
  });

  test("lets a timer stop a long append: computing does not hold the thread for ever", async () => {
    await using stream = openStream(model, { policy: sinkWindow(), budget: 128 });
    const endless = new Uint32Array(20_000);
    await expect(stream.append(endless, { signal: AbortSignal.timeout(60) })).rejects.toMatchObject({
      name: "TimeoutError",
    });
    expect(stream.position).toBeLessThan(20_000);
  });

  test("lets a timer in between two layers of a block, too", async () => {
    const deep = await loadCase({ architecture: "llama", layers: 6 });
    const backend = new ReferenceBackend(deep);
    const events: string[] = [];
    backend.onAttention(({ layer }) => {
      if (layer === 0) setTimeout(() => events.push("timer"));
      const start = performance.now();
      while (performance.now() - start < 20);
      events.push(`layer ${layer}`);
    });
    await backend.decode(tokens);
    expect(events).toContain("timer");
    expect(events.at(-1)).toBe("layer 5");
  });

  test("goes on when a damaged snapshot was refused", async () => {
    await using stream = openStream(model, { policy: sinkWindow(), budget: 16 });
    await stream.append(tokens);
    const snapshot = await stream.snapshot();
    const cells = stream.cells();
    await expect(
      stream.restore({
        ...snapshot,
        tokens: snapshot.tokens.slice().fill(7),
        state: snapshot.state.slice(8),
      }),
    ).rejects.toMatchObject({ code: "config", details: { option: "state" } });
    expect(stream.cells()).toEqual(cells);
    await using twin = openStream(model, { policy: sinkWindow(), budget: 16 });
    await twin.restore(snapshot);
    expect(await stream.score(tokens)).toEqual(await twin.score(tokens));
  });

  test("has no more cells than every layer sees, and names the budget that asks for more", () => {
    const windowed = { ...withSinks, slidingWindow: 64 };
    expect(openStream(windowed, { policy: sinkWindow() }).budget).toBe(64);
    expect(openStream(windowed, { policy: sinkWindow({ sinks: 4, window: 20 }) }).budget).toBe(24);
    for (const options of [
      { policy: sinkWindow(), budget: 65 },
      { policy: sinkWindow({ sinks: 4, window: 61 }) },
    ]) {
      expect(() => openStream(windowed, options)).toThrow(
        expect.objectContaining({ code: "config", details: { option: "budget", value: 65 } }),
      );
    }
  });

  test("does not open without a policy", () => {
    expect(() => openStream(model, {} as { policy: ReturnType<typeof sinkWindow> })).toThrow(
      expect.objectContaining({ code: "config", details: { option: "policy", value: undefined } }),
    );
  });

  test.each([0, 1.5, NaN])("refuses a budget of %d", (budget) => {
    expect(() => openStream(model, { policy: sinkWindow(), budget })).toThrow(
      expect.objectContaining({ code: "config", details: { option: "budget", value: budget } }),
    );
  });
});
