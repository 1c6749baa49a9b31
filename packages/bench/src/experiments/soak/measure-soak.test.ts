import { createStream, KVPolicyError } from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import { sinkWindow } from "@kvpolicy/sink-window";
import { dense } from "@kvpolicy/dense";
import { describe, expect, it } from "vitest";

import type { MeasuredModel, MeasuredStream } from "../../measure/measured-model.js";
import { createRandom } from "../../statistics/random.js";
import { FakeClock, TimedBackend } from "../../testing/fake-contender.js";
import { fakeModel } from "../../testing/fake-model.js";
import { FAKE_TEXT, fakeSurroundings } from "../../testing/fake-surroundings.js";
import { measureSoak } from "./measure-soak.js";
import type { SoakOptions } from "./prepare-soak.js";
import { soakResultsSchema, type SoakResults } from "./soak-results.js";
import type { SoakStorage } from "./storage.js";

const BUDGET = 16;
const CHUNK = 64;
/** Not a whole number of blocks, chunks or strides. */
const PASS = 300;

const text = {
  ...FAKE_TEXT.text,
  tokens: Uint32Array.from({ length: PASS }, (_, index) => (index * 7 + (index >> 3)) % 100),
};
const policy = { name: "sink-window", create: () => sinkWindow({ sinks: 2, stride: 3 }) };

function optionsOf(options: Partial<SoakOptions> = {}): SoakOptions {
  return {
    model: fakeModel(),
    surroundings: fakeSurroundings(),
    text,
    tokens: 1000,
    policy,
    budget: BUDGET,
    seed: 1,
    chunk: CHUNK,
    rounds: 0,
    clock: () => 0,
    ...options,
  };
}

/** Keeps a soak as a file would: as text, in one piece. */
class FakeStorage implements SoakStorage {
  every = 100;
  file: string | undefined;
  saves = 0;
  /** Called before each save is written, and with each backend that is opened. */
  onSave: () => void = () => undefined;
  onOpen: (backend: FakeBackend) => void = () => undefined;
  readonly disposed: boolean[] = [];
  readonly #model: MeasuredModel;

  constructor(model: MeasuredModel = fakeModel()) {
    this.#model = model;
  }

  open: SoakStorage["open"] = async ({ policy: kept, budget }) => {
    const backend = new FakeBackend({ capacity: budget, vocabularySize: 256 });
    this.onOpen(backend);
    const { bos } = this.#model;
    const stream: MeasuredStream = createStream({
      backend,
      policy: kept,
      budget,
      ...(bos !== undefined && { bos }),
    });
    const index = this.disposed.push(false) - 1;
    const dispose = stream.dispose.bind(stream);
    stream.dispose = () => {
      this.disposed[index] = true;
      return dispose();
    };
    if (this.file === undefined)
      return { stream, saved: undefined, save: (state) => this.#save(stream, state) };
    const { snapshot, state } = JSON.parse(this.file, revive) as { snapshot: never; state: unknown };
    await stream.restore(snapshot);
    return { stream, saved: state, save: (now) => this.#save(stream, now) };
  };

  async #save(stream: MeasuredStream, state: unknown): Promise<void> {
    const written = JSON.stringify({ snapshot: await stream.snapshot(), state }, replace);
    this.onSave();
    this.saves += 1;
    this.file = written;
  }
}

const TYPED = { Uint32Array, Float64Array, Uint8Array };

function replace(_: string, value: unknown): unknown {
  for (const [type, constructor] of Object.entries(TYPED)) {
    if (value instanceof constructor) return { type, values: [...value] };
  }
  return value;
}

function revive(_: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || !("type" in value)) return value;
  const { type, values } = value as unknown as { type: keyof typeof TYPED; values: number[] };
  return TYPED[type].from(values);
}

/** What must not depend on interruptions. */
function figuresOf({ passes, likelihood, peakCells, read }: SoakResults): object {
  return { passes, likelihood, peakCells, read };
}

async function failure(run: Promise<unknown>): Promise<unknown> {
  return run.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("measureSoak", () => {
  it("reads the text again and again and pairs each pass with the second", async () => {
    const opened: FakeBackend[] = [];
    const results = await measureSoak(
      optionsOf({ model: fakeModel({ onOpen: (backend) => void opened.push(backend) }) }),
    );
    expect(soakResultsSchema.parse(JSON.parse(JSON.stringify(results)))).toEqual(results);
    const decoded = opened[0]!.calls.flatMap((call) => (call.method === "decode" ? call.tokens : []));
    expect(decoded).toEqual(Array.from({ length: 1000 }, (_, index) => text.tokens[index % PASS]));

    const nlls = await scoreAlone(1000);
    const blockMean = (pass: number, block: number): number => {
      const start = (pass - 1) * PASS + block * 128;
      const values = [...nlls.subarray(start, start + 128)].filter((value) => !Number.isNaN(value));
      return values.reduce((sum, value) => sum + value, 0) / values.length;
    };
    // 300 tokens make 2 blocks of 128; of pass 4, 100 tokens make none.
    expect(results.passes.map(({ pass, blocks }) => [pass, blocks])).toEqual([
      [1, 2],
      [2, 2],
      [3, 2],
    ]);
    for (const { pass, meanNll } of results.passes)
      expect(meanNll).toBeCloseTo((blockMean(pass, 0) + blockMean(pass, 1)) / 2, 9);
    const third = results.passes[2]!;
    expect(third.difference).toBeCloseTo(
      (blockMean(3, 0) - blockMean(2, 0) + blockMean(3, 1) - blockMean(2, 1)) / 2,
      9,
    );
    expect(results).toMatchObject({
      partial: false,
      read: 1000,
      peakCells: BUDGET,
      sessions: [{ start: 0, end: 1000 }],
      likelihood: null,
    });
    expect(results.passes.slice(0, 2).map(({ difference }) => difference)).toEqual([null, null]);
  });

  it("compares a pass that is not whole over the blocks that it has", async () => {
    const { passes } = await measureSoak(optionsOf({ tokens: 2 * PASS + 200 }));
    const nlls = await scoreAlone(2 * PASS + 200);
    let difference = 0;
    for (let index = 0; index < 128; index += 1)
      difference += (nlls[2 * PASS + index]! - nlls[PASS + index]!) / 128;
    expect(passes[2]).toMatchObject({ pass: 3, blocks: 1 });
    expect(passes[2]!.difference).toBeCloseTo(difference, 9);
  });

  it("goes on after a kill between any two steps as if there had been none", async () => {
    const whole = await measureSoak(optionsOf({ storage: new FakeStorage() }));
    for (let survived = 3; survived < 400; survived += 19) {
      const storage = new FakeStorage();
      let kills = 0;
      storage.onOpen = (backend) => {
        let calls = 0;
        const decode = backend.decode.bind(backend);
        backend.decode = (...given) => {
          calls += 1;
          if (calls > survived && kills < 3) {
            kills += 1;
            throw new Error("killed");
          }
          return decode(...given);
        };
      };
      let results: SoakResults | undefined;
      while (!results) {
        results = await measureSoak(optionsOf({ storage })).catch((error: unknown) => {
          expect(error).toMatchObject({ cause: { message: "killed" } });
          return undefined;
        });
      }
      expect(figuresOf(results), `after ${survived} steps`).toEqual(figuresOf(whole));
      expect(storage.disposed.every(Boolean)).toBe(true);
      // Killed before the first save, it begins again; else each session goes on where the last save was.
      expect(results.sessions.at(-1)!.end).toBe(1000);
      expect(results.sessions.length).toBeLessThanOrEqual(kills + 1);
    }
  });

  it("saves now and then, at the end, and answers a complete soak again without reading", async () => {
    const storage = new FakeStorage();
    const clock = new FakeClock();
    const results = await measureSoak(optionsOf({ storage, clock: () => (clock.now += 1) }));
    // Behind the chunk in which each hundred falls: 128, 256, 320, …, 1000.
    expect(storage.saves).toBe(10);
    storage.onOpen = (backend) => {
      backend.failNext("decode", new Error("nothing is to be read"));
    };
    const again = await measureSoak(optionsOf({ storage, clock: () => (clock.now += 1) }));
    expect({ ...again, milliseconds: 0 }).toEqual({ ...results, milliseconds: 0 });
    expect(storage.saves).toBe(10);
    expect(again.milliseconds - results.milliseconds).toBeLessThan(10);
  });

  it("adds up the time of its sessions, and tells them apart", async () => {
    const storage = new FakeStorage();
    const clock = new FakeClock();
    const model = fakeModel();
    const stop = new AbortController();
    const run = (signal?: AbortSignal): Promise<SoakResults> =>
      measureSoak(
        optionsOf({
          model,
          storage,
          signal,
          clock: clock.tell,
          onProgress: ({ done }) => {
            clock.now += 1;
            if (done >= 330) stop.abort();
          },
        }),
      );
    const first = await run(stop.signal);
    expect(first).toMatchObject({ partial: true, milliseconds: clock.now });
    expect(first.read).toBeGreaterThanOrEqual(330);
    expect(first.read).toBeLessThan(340);
    const before = clock.now;
    // What passes while nothing runs is nobody's time.
    clock.now += 1e6;
    const second = await run();
    expect(second).toMatchObject({ partial: false, read: 1000, milliseconds: clock.now - 1e6 });
    expect(second.milliseconds).toBeGreaterThan(before);
    expect(second.sessions).toEqual([
      { start: 0, end: first.read },
      { start: first.read, end: 1000 },
    ]);
    expect(figuresOf(second)).toEqual(figuresOf(await measureSoak(optionsOf())));
    // The chunk that was cut is made whole by the next: those after it are where they would have been.
    const ends = second.segments.map(({ end }) => end).filter((end) => end > first.read);
    expect(ends.filter((end) => end % CHUNK !== 0)).toEqual([1000]);
  });

  it("reads nothing when the signal comes before it", async () => {
    const results = await measureSoak(optionsOf({ signal: AbortSignal.abort() }));
    expect(results).toMatchObject({
      partial: true,
      read: 0,
      segments: [],
      passes: [],
      latency: null,
      memory: null,
      likelihood: null,
    });
    expect(soakResultsSchema.safeParse(results).success).toBe(true);
  });

  it("stops when it cannot be saved, and leaves what was saved before", async () => {
    const storage = new FakeStorage();
    storage.onSave = () => {
      if (storage.saves === 3)
        throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
    };
    const error = await failure(measureSoak(optionsOf({ storage })));
    expect(error).toMatchObject({
      code: "config",
      details: { option: "checkpoint" },
      cause: { code: "ENOSPC" },
    });
    expect((error as Error).message).toBe(
      "The soak cannot be saved at token 448: ENOSPC: no space left on device. What was saved at token 320 is still there, and the same command goes on from it.",
    );
    expect(storage.disposed).toEqual([true]);
    storage.onSave = () => undefined;
    const results = await measureSoak(optionsOf({ storage }));
    expect(results.sessions).toEqual([
      { start: 0, end: 320 },
      { start: 320, end: 1000 },
    ]);
    const full = new FakeStorage();
    full.onSave = () => {
      throw new Error("full");
    };
    await expect(measureSoak(optionsOf({ storage: full }))).rejects.toThrow(
      /: full\. Nothing was saved before\./,
    );
  });

  it("answers what it measured when only the last save fails", async () => {
    const storage = new FakeStorage();
    storage.onSave = () => {
      if (storage.saves === 9) throw new Error("full");
    };
    const results = await measureSoak(optionsOf({ storage }));
    expect(results).toMatchObject({ partial: false, read: 1000 });
    expect(results.warnings).toEqual([
      expect.stringMatching(/token 1000: full\. What was saved at token 960/),
    ]);
  });

  describe("refuses to go on from what was begun otherwise, and leaves it", () => {
    const surroundings = fakeSurroundings();
    it.each<[string, Partial<SoakOptions>, RegExp]>([
      ["budget", { budget: 17 }, /does not fit|budget: 16 then, 17 now/],
      [
        "policy",
        { policy: { ...policy, create: () => sinkWindow({ sinks: 3 }) } },
        /policy: .*"sinks":2.* then/,
      ],
      ["tokens", { tokens: 2000 }, /tokens: 1000 then, 2000 now/],
      ["text", { text: { ...text, sha256: "c".repeat(64) } }, /text: b{12}… then, c{12}… now/],
      ["part of the text", { text: { ...text, tokens: text.tokens.subarray(1) } }, /pass: 300 then, 299 now/],
      ["chunk", { chunk: 32 }, /chunk: 64 then, 32 now/],
      ["seed", { seed: 2 }, /seed: 1 then, 2 now/],
      [
        "model",
        { surroundings: fakeSurroundings({ sha256: "d".repeat(64) }) },
        /model: a{12}… then, d{12}… now/,
      ],
      [
        "threads",
        { surroundings: { ...surroundings, engine: { ...surroundings.engine, threads: 1 } } },
        /threads: the engine's choice then, 1 now/,
      ],
      [
        "keys",
        { surroundings: { ...surroundings, engine: { ...surroundings.engine, keyType: "F32" } } },
        /keys: F16 then, F32 now/,
      ],
      [
        "device",
        { surroundings: { ...surroundings, machine: { ...surroundings.machine, device: "cuda" } } },
        /device: cpu then, cuda now/,
      ],
      [
        "engine",
        { surroundings: { ...surroundings, versions: { ...surroundings.versions, nodeLlamaCpp: "3.23.0" } } },
        /node-llama-cpp: 3.22.1 then, 3.23.0 now/,
      ],
    ])("%s", async (_, changed, message) => {
      const storage = await interrupted();
      const file = storage.file;
      const error = await failure(measureSoak(optionsOf({ ...changed, storage })));
      expect(KVPolicyError.isInstance(error, "config")).toBe(true);
      expect((error as Error).message).toMatch(message);
      expect(storage.file).toBe(file);
    });

    it.each<[string, (state: Record<string, unknown>) => unknown, RegExp]>([
      ["another format", (state) => ({ ...state, version: 2 }), /version: /],
      ["another program's", () => ({ transcript: [] }), /no soak that this version can read/],
      [
        "less than is known now",
        ({ identity, ...state }) => ({ ...state, identity: { ...(identity as object), seed: undefined } }),
        /seed: unknown then, 1 now/,
      ],
      ["nothing", () => null, /no soak that this version can read/],
      ["figures of elsewhere", (state) => ({ ...state, read: 1 }), /do not add up/],
      [
        "figures of an earlier place",
        (state) => ({
          ...state,
          read: 64,
          chunks: { ends: [64], milliseconds: [1], residentBytes: [null], peakCells: [16] },
        }),
        /its stream has read 128 tokens, and its figures are of 64/,
      ],
      [
        "figures that lack some",
        (state) => ({ ...state, chunks: { ...(state["chunks"] as object), milliseconds: [] } }),
        /do not add up/,
      ],
    ])("a state of %s", async (_, change, message) => {
      const storage = await interrupted();
      const parsed = JSON.parse(storage.file!) as { state: Record<string, unknown> };
      const file = JSON.stringify({ ...parsed, state: change(parsed.state) });
      storage.file = file;
      const error = await failure(measureSoak(optionsOf({ storage })));
      expect(error).toMatchObject({ code: "config", details: { option: "checkpoint" } });
      expect((error as Error).message).toMatch(message);
      expect((error as Error).message).toMatch(
        /left as it is; go on with what it was begun with, start over/,
      );
      expect(storage.file).toBe(file);
      expect(storage.disposed.at(-1)).toBe(true);
    });

    async function interrupted(): Promise<FakeStorage> {
      const storage = new FakeStorage();
      storage.onSave = () => {
        if (storage.saves === 1) throw new Error("full");
      };
      await failure(measureSoak(optionsOf({ storage })));
      expect(storage.saves).toBe(1);
      storage.onSave = () => undefined;
      return storage;
    }
  });

  it.each<[string, Partial<SoakOptions>, string]>([
    ["a text shorter than a block", { text: { ...text, tokens: new Uint32Array(127) } }, "text"],
    ["a text that does not fill the cache", { budget: PASS }, "text"],
    ["no tokens", { tokens: 0 }, "tokens"],
    ["no chunk", { chunk: 0 }, "chunk"],
    ["half a segment", { segments: 0.5 }, "segments"],
    ["rounds below none", { rounds: -1 }, "rounds"],
    [
      "a storage that never saves",
      { storage: Object.assign(new FakeStorage(), { every: 0 }) },
      "storage.every",
    ],
  ])("refuses %s before it opens anything", async (_, changed, option) => {
    let opened = 0;
    const model = fakeModel({ onOpen: () => void (opened += 1) });
    await expect(measureSoak(optionsOf({ model, ...changed }))).rejects.toMatchObject({
      code: "config",
      details: { option },
    });
    expect(opened).toBe(0);
  });

  it("throws what the stream throws, and frees it", async () => {
    const opened: FakeBackend[] = [];
    const model = fakeModel({ onOpen: (backend) => void opened.push(backend) });
    await expect(
      measureSoak(optionsOf({ model, policy: { name: "dense", create: () => dense() } })),
    ).rejects.toMatchObject({ code: "cache-full" });
    expect(opened[0]!.calls.at(-1)).toEqual({ method: "dispose" });
  });

  it("counts the beginning-of-sequence token as no token of the text", async () => {
    const model = fakeModel({ bos: 200 });
    const storage = new FakeStorage(model);
    const stop = new AbortController();
    const first = await measureSoak(
      optionsOf({
        model,
        storage,
        signal: stop.signal,
        onProgress: ({ done }) => {
          if (done > 500) stop.abort();
        },
      }),
    );
    const second = await measureSoak(optionsOf({ model, storage }));
    expect(second.sessions[1]).toEqual({ start: first.read, end: 1000 });
    expect(figuresOf(second)).toEqual(figuresOf(await measureSoak(optionsOf({ model }))));
  });

  it("says how far this session is, over what it has to do", async () => {
    const seen: (readonly [number, number])[] = [];
    const onProgress: SoakOptions["onProgress"] = ({ done, total }) => seen.push([done, total]);
    await measureSoak(optionsOf({ rounds: 2, onProgress }));
    const total = 1000 + 1000 + 4 * 3 * CHUNK;
    expect(seen.every(([, all]) => all === total)).toBe(true);
    expect(seen.at(-1)![0]).toBe(total);
    expect(seen.map(([done]) => done)).toEqual(seen.map(([done]) => done).sort((one, other) => one - other));
  });
});

describe("beside a young stream", () => {
  /** A model whose first stream, the old one, takes `slower` times as long as the others, give or take 1 %. */
  function slowingModel(clock: FakeClock, slower: number, drift = 0): MeasuredModel {
    let opened = 0;
    const random = createRandom(7);
    return {
      ...fakeModel(),
      open: ({ policy: kept, budget }) => {
        opened += 1;
        const factor = opened === 1 ? slower : 1;
        const costs = {
          get token() {
            return factor * (1 + drift * clock.now) * (1 + 0.02 * (random() - 0.5));
          },
          eviction: 0,
        };
        const backend = new TimedBackend({ capacity: budget, vocabularySize: 256 }, clock, costs);
        return Promise.resolve(createStream({ backend, policy: kept, budget }));
      },
    };
  }

  it.each([
    [1, "flat"],
    [1.25, "grew"],
    [0.75, "fell"],
  ] as const)("one %f times as slow: %s", async (slower, verdict) => {
    const clock = new FakeClock();
    const model = slowingModel(clock, slower);
    const { sideBySide } = await measureSoak(optionsOf({ model, clock: clock.tell, rounds: 30 }));
    expect(sideBySide).toMatchObject({ youngAge: 1000, rounds: 30, chunk: CHUNK, verdict });
    expect(sideBySide!.ratio.value).toBeCloseTo(slower, 2);
    expect(sideBySide!.oldMillisecondsPerToken).toBeCloseTo(slower, 2);
    expect(sideBySide!.youngMillisecondsPerToken).toBeCloseTo(1, 2);
  });

  it("does not take a machine that becomes slower for a stream that does", async () => {
    const clock = new FakeClock();
    const model = slowingModel(clock, 1, 1e-3);
    const results = await measureSoak(optionsOf({ model, clock: clock.tell, rounds: 50, tokens: 3000 }));
    expect(results.latency?.ratio.value).toBeGreaterThan(5);
    expect(results.sideBySide?.verdict).toBe("flat");
  });

  it("is made once, and again when it was stopped", async () => {
    const storage = new FakeStorage();
    const stop = new AbortController();
    const stopped = await measureSoak(
      optionsOf({
        storage,
        rounds: 12,
        signal: stop.signal,
        onProgress: ({ done }) => {
          if (done > 2100) stop.abort();
        },
      }),
    );
    expect(stopped).toMatchObject({ partial: true, read: 1000, sideBySide: null });
    let clock = 0;
    const tick = (): number => (clock += 1);
    const made = await measureSoak(optionsOf({ storage, rounds: 12, clock: tick }));
    expect(made).toMatchObject({ partial: false, sessions: [{ start: 0, end: 1000 }] });
    expect(made.sideBySide?.rounds).toBe(12);
    const again = await measureSoak(
      optionsOf({ storage, rounds: 12, model: fakeModel({ onOpen: () => expect.fail() }) }),
    );
    expect(again.sideBySide).toEqual(made.sideBySide);
  });

  it("costs nothing but itself when the young stream cannot be opened", async () => {
    const refusal = new KVPolicyError({
      code: "config",
      message: "No memory.",
      details: { option: "budget", value: 16 },
    });
    const model: MeasuredModel = { ...fakeModel(), open: () => Promise.reject(refusal) };
    const results = await measureSoak(optionsOf({ model, storage: new FakeStorage(), rounds: 5 }));
    expect(results).toMatchObject({ partial: false, sideBySide: null });
    expect(results.warnings).toEqual(["The stream was not compared with a young one: No memory."]);
  });
});

/** The likelihoods of the looped text, in one call. */
async function scoreAlone(length: number): Promise<Float64Array> {
  const stream = createStream({
    backend: new FakeBackend({ capacity: BUDGET, vocabularySize: 256 }),
    policy: policy.create(),
    budget: BUDGET,
  });
  return stream.score(Uint32Array.from({ length }, (_, index) => text.tokens[index % PASS]!));
}
