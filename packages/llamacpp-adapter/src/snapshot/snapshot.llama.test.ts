import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { definePolicy, type GeneratedToken, type KVCachePolicy } from "@kvpolicy/core";
import { dense } from "@kvpolicy/dense";
import { recompute } from "@kvpolicy/recompute";
import { float32, randomModel, uint32 } from "@kvpolicy/reference-backend/testing";
import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";
import type { Llama, LlamaModel } from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { createTemporaryFolder, loadFloat32Model, loadLlama, sampleText } from "../../testing/models.js";
import { openBackend, type OpenedBackend } from "../open-backend.js";
import { openStream, type LlamaStream, type OpenStreamOptions } from "../open-stream.js";

const exact = { keyType: "F32", valueType: "F32", threads: 1 } as const;
const policy = sinkWindow({ sinks: 4, window: 60, stride: 7 });
const nothing = { code: "config" };

let llama: Llama;
let model: LlamaModel;
let tokens: readonly number[];
let folder: Awaited<ReturnType<typeof createTemporaryFolder>>;
let count = 0;
const others: LlamaModel[] = [];

beforeAll(async () => {
  folder = await createTemporaryFolder();
  llama = await loadLlama();
  model = await loadFloat32Model(llama, folder.path);
  tokens = model.tokenize(sampleText(300)).slice(0, 300);
  expect(tokens).toHaveLength(300);
});

afterAll(async () => {
  // One by one: disposing llama.cpp with many models loaded never ends in node-llama-cpp 3.22.1.
  for (const other of others) await other.dispose();
  await llama.dispose();
  await folder.remove();
});

const newPath = (): string => join(folder.path, `stream-${(count += 1)}.kv`);

const open = (options: Partial<OpenStreamOptions> = {}): Promise<LlamaStream> =>
  openStream(model, {
    policy,
    ...(options.restore === undefined && exact),
    ...options,
    threads: 1,
    onWarning: () => undefined,
  });

async function loadRandom(name: string, options: Parameters<typeof randomModel>[0]): Promise<LlamaModel> {
  const modelPath = join(folder.path, `${name}.gguf`);
  await writeFile(modelPath, randomModel(options));
  const loaded = await llama.loadModel({ modelPath });
  others.push(loaded);
  return loaded;
}

async function generate(
  stream: LlamaStream,
  options?: Parameters<LlamaStream["generate"]>[0],
): Promise<GeneratedToken[]> {
  const generated = [];
  for await (const token of stream.generate({ maxTokens: 12, ...options })) generated.push(token);
  return generated;
}

function largestDifference(first: ArrayLike<number>, second: ArrayLike<number>): number {
  expect(first.length).toBe(second.length);
  // The very first likelihood of a stream is NaN.
  return Math.max(
    ...Array.from(first, (value, index) =>
      Object.is(value, second[index]) ? 0 : Math.abs(value - second[index]!),
    ),
  );
}

/** Holds a stream against another that went on without interruption, by what both predict of the same tokens. */
async function expectSame(restored: LlamaStream, uninterrupted: LlamaStream): Promise<void> {
  expect(restored.position).toBe(uninterrupted.position);
  const rest = tokens.slice(200);
  const scores = await uninterrupted.score(rest);
  expect(largestDifference(await restored.score(rest), scores)).toBeLessThan(1e-5);
  expect(restored.cells()).toEqual(uninterrupted.cells());
  // Greedy tokens could differ where the two likeliest are as good as equal; these are not.
  expect(await generate(restored)).toEqual(await generate(uninterrupted));
}

describe("a restored stream goes on as the uninterrupted one:", () => {
  const likeliest = definePolicy({
    name: "likeliest",
    budget: 64,
    requires: ["reindex", "nll"],
    plan: ({ length, required, nll }) => {
      const order = Array.from({ length: length - 8 }, (_, index) => index + 4);
      order.sort((first, second) => nll!(first) - nll!(second));
      const evict = order.slice(0, required).sort((first, second) => first - second);
      return { evict: evict.map((start) => ({ start, end: start + 1 })), survivors: "reuse" };
    },
  });

  test.each<[string, KVCachePolicy]>([
    ["sink-window", policy],
    ["sink-window, stride 1", sinkWindow({ sinks: 4, window: 60, stride: 1 })],
    ["window", window({ window: 64, stride: 8 })],
    ["recompute", recompute({ window: 64, stride: 32 })],
    ["dense", dense()],
    ["a policy that reads likelihoods", likeliest],
  ])("%s", async (_, which) => {
    const path = newPath();
    await using first = await open({ policy: which, budget: which.budget ?? 400 });
    await first.append(tokens.slice(0, 200));
    await first.save(path);
    await using second = await open({ policy: which, restore: path });
    expect(second.cells().positions.length).toBeLessThan(first.length + 1);
    await expectSame(second, first);
  });

  test.each<Partial<OpenStreamOptions>>([
    { keyType: "F16", valueType: "F16" },
    { keyType: "F16", valueType: "Q8_0", flashAttention: true },
    { keyType: "F16", valueType: "F32", flashAttention: true },
  ])("with %o, which it takes from the snapshot", async (settings) => {
    const path = newPath();
    await using first = await open(settings);
    await first.append(tokens.slice(0, 200));
    await first.save(path);
    await using second = await open({ restore: path });
    expect(second.restored?.origin).toMatchObject(settings);
    const scores = await first.score(tokens.slice(200, 230));
    // Coarser cells round the last token, which is decoded once more alone, a little differently.
    expect(largestDifference(await second.score(tokens.slice(200, 230)), scores)).toBeLessThan(2e-2);
    expect(second.cells()).toEqual(first.cells());
  });

  test("under another policy", async () => {
    const path = newPath();
    await using first = await open();
    await first.append(tokens.slice(0, 200));
    await first.save(path);
    await using second = await open({ restore: path, policy: window({ window: 64 }) });
    await second.append(tokens.slice(200));
    expect(second.restored?.policy.name).toBe("sink-window");
    expect(second.position).toBe(tokens.length + 1);
    expect([...second.cells().positions.slice(0, 2)]).not.toContain(0);
  });

  test("in two streams at once, from the same file", async () => {
    const path = newPath();
    await using first = await open();
    await first.append(tokens.slice(0, 200));
    await first.save(path);
    const [second, third] = await Promise.all([open({ restore: path }), open({ restore: path })]);
    await third.append(tokens.slice(0, 50));
    await expectSame(second, first);
    await Promise.all([second.dispose(), third.dispose()]);
  });

  test("with its marks, those of tokens to come included", async () => {
    const path = newPath();
    const seen: unknown[] = [];
    const noting = definePolicy({
      name: "noting",
      budget: 64,
      requires: ["reindex"],
      plan: ({ marks, required }) => {
        seen.push(marks.map((mark) => ({ ...mark })));
        return { evict: [{ start: 40, end: 40 + required }], survivors: "reuse" };
      },
    });
    await using first = await open({ policy: noting });
    first.mark("past", { start: 2, end: 4 });
    await first.append(tokens.slice(0, 50));
    first.mark("future", { start: 60, end: 62 });
    await first.save(path);
    await first.append(tokens.slice(50, 64));
    await using second = await open({ policy: noting, restore: path });
    await second.append(tokens.slice(50, 64));
    expect(seen).toHaveLength(2);
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[0]).toEqual([
      { name: "bos", start: 0, end: 1 },
      { name: "past", start: 2, end: 4 },
      { name: "future", start: 60, end: 62 },
    ]);
  });

  test("when nothing was in it but the beginning-of-sequence token, and when nothing at all", async () => {
    for (const bos of [true, false]) {
      const path = newPath();
      await using first = await open({ bos });
      await first.save(path);
      await using second = await open({ restore: path });
      expect(second.length).toBe(0);
      await expectSame(second, first);
      await second.clear();
      expect(second.position).toBe(Number(bos));
    }
  });

  test("when it was cleared before, over cells that were there", async () => {
    const path = newPath();
    await using first = await open({ bos: false });
    await first.save(path);
    const backend = await openBackend(model, { capacity: 64, ...exact });
    const empty = await backend.saveState!();
    await backend.decode(Uint32Array.from(tokens.slice(0, 30)));
    await backend.loadState!(empty);
    await backend.decode(Uint32Array.from(tokens.slice(30, 40)));
    const again = await openBackend(model, { capacity: 64, ...exact });
    await again.decode(Uint32Array.from(tokens.slice(30, 40)));
    expect(await backend.nll(7)).toBeCloseTo(await again.nll(7), 5);
    await Promise.all([backend.dispose(), again.dispose()]);
  });

  test("between two tokens of a running generation", async () => {
    const path = newPath();
    await using first = await open();
    await first.append(tokens.slice(0, 100));
    const generated: GeneratedToken[] = [];
    for await (const token of first.generate({ maxTokens: 20 })) {
      generated.push(token);
      if (generated.length === 8) await first.save(path);
    }
    expect(generated).toHaveLength(20);
    await using second = await open({ restore: path });
    expect(second.position).toBe(generated[7]!.position + 1);
    expect(await generate(second)).toMatchObject(
      generated.slice(8).map(({ token, position }) => ({ token, position })),
    );
  });

  test("and draws the same tokens at random", async () => {
    const path = newPath();
    const drawing = { temperature: 1.5, maxTokens: 8 };
    await using first = await open({ seed: 5 });
    await first.append(tokens.slice(0, 50));
    await generate(first, drawing);
    await first.save(path);
    const drawn = [await generate(first, drawing), await generate(first, drawing)];
    await using second = await open({ restore: path });
    expect([await generate(second, drawing), await generate(second, drawing)]).toEqual(drawn);
    await using other = await open({ seed: 6 });
    await other.append(tokens.slice(0, 50));
    await generate(other, drawing);
    expect(await generate(other, drawing)).not.toEqual(drawn[0]);
  });
});

describe("the seed of a stream", () => {
  const draw = (stream: LlamaStream, seed?: number): Promise<GeneratedToken[]> =>
    generate(stream, { temperature: 2, ...(seed !== undefined && { seed }) });

  test("decides what is drawn where, and another one what is drawn there again", async () => {
    const runs = [];
    for (let run = 0; run < 2; run += 1) {
      await using stream = await open({ seed: 1 });
      await stream.append(tokens.slice(0, 40));
      const answers = [];
      for (let answer = 0; answer < 2; answer += 1) {
        answers.push(await draw(stream));
        await stream.truncate(41);
      }
      expect(answers[0]).not.toEqual(answers[1]);
      runs.push(answers);
    }
    expect(runs[0]).toEqual(runs[1]);
  });

  test("counts what was drawn at a position before a save, and not what was drawn after", async () => {
    const path = newPath();
    await using stream = await open({ seed: 1 });
    await stream.append(tokens.slice(0, 40));
    for (let drawn = 0; drawn < 2; drawn += 1) {
      // The first of them begins at once when the snapshot has been taken, before it is written.
      const [, next] = await Promise.all([stream.save(path), draw(stream)]);
      await using restored = await open({ restore: path });
      expect(await draw(restored)).toEqual(next);
      await stream.truncate(41);
    }
  });

  test("gives way to a seed of the call's own, and is drawn at random when left out", async () => {
    await using first = await open();
    await using second = await open();
    for (const stream of [first, second]) await stream.append(tokens.slice(0, 40));
    expect(await draw(first, 3)).toEqual(await draw(second, 3));
    for (const stream of [first, second]) await stream.truncate(41);
    expect(await draw(first)).not.toEqual(await draw(second));
  });

  test.each([-1, 1.5, NaN])("is refused when it is %d", async (seed) => {
    await expect(open({ seed })).rejects.toMatchObject({ ...nothing, details: { option: "seed" } });
  });
});

describe("a snapshot carries", () => {
  test("what the caller adds, and says what it is of", async () => {
    const path = newPath();
    await using first = await open();
    expect(first.restored).toBeUndefined();
    await first.append(tokens.slice(0, 20));
    const extra = { turns: [["Hi", "Hello."]] };
    const saved = first.save(path, { extra });
    extra.turns.push(["later", "not in it"]);
    await saved;
    await using second = await open({ restore: path });
    expect(second.restored).toMatchObject({
      position: 21,
      policy: { name: "sink-window" },
      origin: { modelName: "float32.gguf", keyType: "F32", valueType: "F32", flashAttention: false },
      threads: 1,
      extra: { turns: [["Hi", "Hello."]] },
    });
    await second.save(path);
    await using third = await open({ restore: path });
    expect(third.restored?.extra).toBeUndefined();
  });

  test("nothing that is no JSON", async () => {
    await using stream = await open();
    const circle: { self?: unknown } = {};
    circle.self = circle;
    for (const extra of [circle, 1n, () => 1]) {
      await expect(stream.save(newPath(), { extra })).rejects.toMatchObject({
        ...nothing,
        details: { option: "extra" },
      });
    }
  });
});

describe("openStream refuses a snapshot", () => {
  let path: string;
  beforeAll(async () => {
    path = newPath();
    await using stream = await open({ seed: 1 });
    await stream.append(tokens.slice(0, 100));
    await stream.save(path);
  });

  test.each<[Partial<OpenStreamOptions>, string, RegExp]>([
    [{ budget: 65, policy: dense() }, "budget", /taken with budget 64, and this is 65/],
    [{ policy: sinkWindow({ sinks: 4, window: 100 }) }, "budget", /taken with budget 64, and this is 104/],
    [{ keyType: "F16" }, "keyType", /taken with keyType F32, and this is F16/],
    [{ valueType: "F16" }, "valueType", /taken with valueType F32, and this is F16/],
    [{ flashAttention: true }, "flashAttention", /taken with flashAttention false, and this is true/],
    [{ bos: false }, "bos", /taken with bos true, and this is false/],
    [{ seed: 2 }, "seed", /taken with seed 1, and this is 2/],
  ])("that %o contradicts", async (options, option, message) => {
    await expect(open({ ...options, restore: path })).rejects.toMatchObject({
      ...nothing,
      message: expect.stringMatching(message) as unknown,
      details: { option },
    });
  });

  test("and takes options that say the same", async () => {
    const same = { ...exact, budget: 64, bos: true, seed: 1, flashAttention: false };
    await using stream = await open({ ...same, restore: path });
    expect(stream.position).toBe(101);
  });

  test("of another model, and of one that differs in its weights alone", async () => {
    const options = { architecture: "llama", seed: 1 } as const;
    const [first, second] = [
      await loadRandom("first", options),
      await loadRandom("second", { ...options, seed: 2 }),
    ];
    await using stream = await openStream(first, { policy });
    await stream.append([1, 2, 3]);
    const other = newPath();
    await stream.save(other);
    await expect(openStream(second, { policy, restore: other })).rejects.toMatchObject({
      ...nothing,
      message: "The snapshot was taken of the model first.gguf, and this is second.gguf.",
      details: { option: "restore" },
    });
    await expect(open({ restore: other })).rejects.toMatchObject({
      message: "The snapshot was taken of the model first.gguf, and this is float32.gguf.",
    });
  });

  test("without the likelihoods that the policy needs", async () => {
    const needsThem = definePolicy({ name: "needs", budget: 64, requires: ["nll"], plan: () => null });
    await expect(open({ policy: needsThem, restore: path })).rejects.toMatchObject({
      ...nothing,
      message: expect.stringMatching(/carries no negative log-likelihoods/) as unknown,
    });
  });

  test("that is damaged", async () => {
    const bytes = await readFile(path);
    bytes[bytes.length >> 1]! ^= 1;
    const damaged = newPath();
    await writeFile(damaged, bytes);
    await expect(open({ restore: damaged })).rejects.toMatchObject({
      ...nothing,
      message: expect.stringMatching(/is damaged: its bytes do not match their digest/) as unknown,
    });
  });
});

describe("save", () => {
  test("leaves nothing in the temporary folder", async () => {
    await using stream = await open();
    await stream.append(tokens.slice(0, 20));
    const path = newPath();
    await stream.save(path);
    await using restored = await open({ restore: path });
    expect(restored.position).toBe(21);
    const own = (await readdir(tmpdir())).filter((name) => name.startsWith(`kvpolicy-cells-${process.pid}-`));
    expect(own).toEqual([]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test("keeps call order among the other calls, and writes one file after the other", async () => {
    const path = newPath();
    await using stream = await open();
    await Promise.all([
      stream.append(tokens.slice(0, 20)),
      // So long to write that the second one, alone, would be there first.
      stream.save(path, { extra: "long".repeat(2 ** 22) }),
      stream.append(tokens.slice(20, 30)),
      stream.save(path, { extra: 2 }),
      stream.append(tokens.slice(30, 40)),
    ]);
    await using restored = await open({ restore: path });
    expect([restored.position, restored.restored?.extra]).toEqual([31, 2]);
  });

  test("does not disturb the stream, and a failed one neither", async () => {
    await using plain = await open();
    await using saved = await open();
    const scores = [];
    for (const stream of [plain, saved]) {
      await stream.append(tokens.slice(0, 100));
      if (stream === saved) {
        await stream.save(newPath());
        await expect(stream.save(join(folder.path, "none", "file"))).rejects.toMatchObject({
          ...nothing,
          details: { option: "path" },
        });
      }
      scores.push(await stream.score(tokens.slice(100, 200)));
    }
    expect(scores[0]).toEqual(scores[1]);
    await saved.save(newPath());
  });

  test("is refused by a stream that is broken, and by one that is disposed", async () => {
    const own = await loadRandom("own", { architecture: "llama" });
    const stream = await openStream(own, { policy });
    await stream.append([1, 2, 3]);
    await own.dispose();
    await expect(stream.append([4])).rejects.toMatchObject({ code: "disposed" });
    await expect(stream.save(newPath())).rejects.toMatchObject({ code: "broken" });
    await stream.dispose();
    await expect(stream.save(newPath())).rejects.toMatchObject({ code: "disposed" });
  });

  test("of a model that cannot go back works right after a generated token", async () => {
    const windowed = await loadRandom("windowed", {
      architecture: "mimo2",
      metadata: { "mimo2.attention.sliding_window": uint32(8), "mimo2.rope.freq_base_swa": float32(10_000) },
    });
    const settings = { ...exact, budget: 32, onWarning: () => undefined };
    const all = { ...settings, policy: recompute({ window: 32, stride: 8 }) };
    const path = newPath();
    await using first = await openStream(windowed, all);
    await first.append(tokens.slice(0, 50).map((token) => token % 290));
    await expect(first.save(path)).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(/right after a generated token/) as unknown,
    });
    expect(await generate(first, { maxTokens: 1 })).toHaveLength(1);
    await first.save(path);
    await using second = await openStream(windowed, { ...all, restore: path });
    const rest = tokens.slice(0, 40).map((token) => token % 290);
    expect(largestDifference(await second.score(rest), await first.score(rest))).toBeLessThan(1e-5);
  });
});

describe("saved cells are refused before llama.cpp sees them:", () => {
  const cells = (): Uint32Array => Uint32Array.from(tokens.slice(0, 10));

  async function expectRefused(backend: OpenedBackend, state: Uint8Array, message: RegExp): Promise<void> {
    const before = await backend.nll(7);
    await expect(backend.loadState!(state)).rejects.toMatchObject({
      ...nothing,
      message: expect.stringMatching(message) as unknown,
      details: { option: "state" },
    });
    expect(await backend.nll(7)).toBe(before);
  }

  test("a flipped byte anywhere", async () => {
    const backend = await openBackend(model, { capacity: 16, ...exact });
    await backend.decode(cells());
    const state = await backend.saveState!();
    const step = 1 + (state.length >> 8);
    for (let at = 0; at < state.length; at += at < 400 || at > state.length - 40 ? 1 : step) {
      const changed = state.slice();
      changed[at]! ^= 4;
      await expectRefused(backend, changed, /is damaged|is truncated|not a saved state|format version/);
    }
    await backend.loadState!(state);
    await backend.dispose();
  });

  test("other types, other flash attention, more cells than fit", async () => {
    const small = await openBackend(model, { capacity: 10, ...exact });
    await small.decode(cells());
    for (const [options, message] of [
      [{ ...exact, keyType: "F16" }, /their keys are F16, and these are F32/],
      [{ ...exact, valueType: "F16" }, /their values are F16, and these are F32/],
      [{ ...exact, flashAttention: true }, /computed with flash attention, and this is without/],
      [exact, /they are 11 cells, and the backend holds 10/],
    ] as const) {
      const other = await openBackend(model, { capacity: 11, ...options });
      await other.decode(Uint32Array.from(tokens.slice(0, 11)));
      await expectRefused(small, await other.saveState!(), message);
      await other.dispose();
    }
    await small.dispose();
  });

  test("another model", async () => {
    const other = await loadRandom("another", { architecture: "llama" });
    const theirs = await openBackend(other, { capacity: 16, ...exact });
    await theirs.decode(Uint32Array.of(1, 2, 3));
    const ours = await openBackend(model, { capacity: 16, ...exact });
    await ours.decode(cells());
    await expectRefused(
      ours,
      await theirs.saveState!(),
      /of the model another.gguf, and this is float32.gguf/,
    );
    await Promise.all([ours.dispose(), theirs.dispose()]);
  });
});
