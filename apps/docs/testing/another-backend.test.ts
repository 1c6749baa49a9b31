import { readFileSync } from "node:fs";

import {
  backendLaws,
  backendSuite,
  brokenLaws,
  type BackendSubject,
  type BackendWish,
} from "@kvpolicy/conformance";
import { createStream, type KVCacheBackend, type Sampler } from "@kvpolicy/core";
import { recompute } from "@kvpolicy/recompute";
import { loadModel, maskedForward } from "@kvpolicy/reference-backend";
import { randomModel } from "@kvpolicy/reference-backend/testing";
import { sinkWindow } from "@kvpolicy/sink-window";
import { describe, expect, test } from "vitest";

import { EngineBackend, type Engine, type EngineSampling } from "./another-backend.js";
import { createToyEngine } from "./toy-engine.js";

// #region suite
const model = await loadModel(
  randomModel({ architecture: "llama", layers: 2, heads: 4, keyValueHeads: 2, vocabularySize: 300 }),
);

const subject: BackendSubject<EngineSampling> = {
  name: "another backend",
  create: ({ capacity, batch }) =>
    new EngineBackend(createToyEngine(model, { cells: capacity, largestBatch: batch })),
  oracle: (trace, rows) => maskedForward(model, trace, rows),
  greedy: { temperature: 0 },
  seeded: { temperature: 1, seed: 1 },
  reseeded: { temperature: 1, seed: 2 },
};

backendSuite({ describe, test }, subject);
// #endregion suite

type Backend = KVCacheBackend<EngineSampling>;

/** The same backend with a fault. */
function withFault(
  change: (inside: EngineBackend) => Partial<Backend>,
  changeEngine: (engine: Engine) => Partial<Engine> = () => ({}),
): BackendSubject<EngineSampling> {
  return {
    ...subject,
    name: "a backend with a fault",
    // A fault that needs more histories than these is none of those that are tried here.
    runs: 5,
    probes: 40,
    seed: 1,
    create: ({ capacity, batch }) => {
      const engine = createToyEngine(model, { cells: capacity, largestBatch: batch });
      const inside = new EngineBackend({ ...engine, ...changeEngine(engine) });
      return {
        capabilities: inside.capabilities,
        decode: (tokens, options) => inside.decode(tokens, options),
        nll: (target) => inside.nll(target),
        createSampler: (options) => inside.createSampler(options),
        evict: (ranges) => inside.evict(ranges),
        truncate: (length) => inside.truncate(length),
        clear: () => inside.clear(),
        saveState: () => inside.saveState(),
        loadState: (state) => inside.loadState(state),
        dispose: () => inside.dispose(),
        ...change(inside),
      };
    },
  };
}

/** Decodes the survivors again instead of moving them. */
function evaluatingAgain(inside: EngineBackend): Partial<Backend> {
  let cells: number[] = [];
  return {
    decode: async (tokens, options) => {
      const scores = await inside.decode(tokens, options);
      cells.push(...tokens);
      return scores;
    },
    evict: async (ranges) => {
      await inside.evict(ranges);
      cells = cells.filter((_, index) => !ranges.some(({ start, end }) => start <= index && index < end));
      await inside.clear();
      if (cells.length > 0) await inside.decode(Uint32Array.from(cells));
      await inside.evict([]);
    },
    truncate: async (length) => {
      await inside.truncate(length);
      cells.length = length;
    },
    clear: async () => {
      await inside.clear();
      cells = [];
    },
  };
}

/** Goes on answering from the logits of before, which the engine still has. */
function keepingLogits(inside: EngineBackend): Partial<Backend> {
  let stale: readonly number[] | undefined;
  return {
    decode: (tokens, options) => {
      stale = undefined;
      return inside.decode(tokens, options);
    },
    nll: async (target) => stale?.[target] ?? inside.nll(target),
    evict: async (ranges) => {
      const ids = Array.from({ length: inside.capabilities.vocabularySize }, (_, token) => token);
      const logits = await Promise.all(ids.map((token) => inside.nll(token))).catch(() => stale);
      await inside.evict(ranges);
      stale = logits;
    },
  };
}

/** One generator of random numbers for all samplers. */
function sharingRandomness(inside: EngineBackend): Partial<Backend> {
  let shared: Sampler | undefined;
  return {
    createSampler: (options) => {
      const own = inside.createSampler(options);
      if (options?.temperature === 0) return own;
      const first = (shared ??= own);
      return { ...own, sample: () => first.sample() };
    },
  };
}

/** Notes a shift and carries it out with the next tokens, as some engines do. */
function shiftingLate(engine: Engine): Partial<Engine> {
  const due: (() => void)[] = [];
  const carryOut = (): void => {
    due.splice(0).forEach((shift) => {
      shift();
    });
  };
  return {
    shift: (start, delta) => {
      due.push(() => {
        engine.shift(start, delta);
      });
    },
    remove: (start, end) => {
      carryOut();
      engine.remove(start, end);
    },
    evaluate: (tokens, position, wanted) => {
      carryOut();
      return engine.evaluate(tokens, position, wanted);
    },
    load: (bytes) => {
      due.length = 0;
      return engine.load(bytes);
    },
  };
}

/** What authors of backends get wrong, and laws that notice. */
const faults: readonly (readonly [
  fault: string,
  subject: BackendSubject<EngineSampling>,
  laws: readonly string[],
])[] = [
  [
    "removes cells and shifts nothing",
    withFault(
      () => ({}),
      () => ({ shift: () => undefined }),
    ),
    [
      "predicts what the oracle predicts after any history",
      "closes every gap when several ranges leave",
      "does not grow less exact with the number of evictions",
    ],
  ],
  [
    "evaluates the survivors again",
    withFault(evaluatingAgain),
    [
      "reuses the values of the survivors when the first cell leaves",
      "reuses the value of the last cell when all before it leave",
    ],
  ],
  [
    "evicts ranges from the front",
    withFault((inside) => ({
      evict: async (ranges) => {
        for (const range of ranges) await inside.evict([range]);
        if (ranges.length === 0) await inside.evict([]);
      },
    })),
    ["closes every gap when several ranges leave", "evicts several ranges at once as it does one by one"],
  ],
  [
    "checks a range when its turn comes",
    withFault((inside) => ({
      evict: async (ranges) => {
        for (const range of ranges.toReversed()) await inside.evict([range]);
        if (ranges.length === 0) await inside.evict([]);
      },
    })),
    ["refuses ranges that cannot be evicted, and changes nothing"],
  ],
  [
    "answers from the logits of before an eviction",
    withFault(keepingLogits),
    ["is refused after an eviction", "is refused after an eviction of everything"],
  ],
  [
    "scores a token with the logits behind it",
    withFault((inside) => ({
      decode: async (tokens, options) => {
        if (!options || options.scoreFrom === 1) return inside.decode(tokens, options);
        const scores = await inside.decode(tokens, { scoreFrom: options.scoreFrom - 1 });
        return scores?.subarray(0, -1);
      },
    })),
    ["scores a block as it does token by token"],
  ],
  [
    "has one random generator for all samplers",
    withFault(sharingRandomness),
    ["draws the same from the same seed, whatever other samplers do"],
  ],
  [
    "saves before a late shift is carried out",
    withFault(() => ({}), shiftingLate),
    ["saves what an eviction has just moved"],
  ],
];

describe("a fault that is put in is noticed:", () => {
  const page = readFileSync(new URL("../guide/adopt-in-another-backend.md", import.meta.url), "utf8");
  const rows = page.split("\n").map((line) => line.replaceAll(/ +/g, " "));

  test.each(faults)("%s", async (fault, faulty, laws) => {
    const broken = await brokenLaws(backendLaws, faulty);
    expect(broken.map(({ law }) => law)).toEqual(expect.arrayContaining([...laws]));
    expect(rows).toContain(`| ${fault} | ${laws.join("; ")} |`);
  });
});

describe("an engine that can do less", () => {
  const few = { runs: 5, probes: 40, seed: 1 };

  test("cannot shift: what evicts with reuse is refused, what recomputes works, and no other law is broken", async () => {
    const create: typeof subject.create = ({ capacity, batch }) =>
      new EngineBackend(createToyEngine(model, { cells: capacity, largestBatch: batch, canShift: false }));
    const backend = await create({ capacity: 32, batch: 8 });

    expect(() => createStream({ backend, policy: sinkWindow() })).toThrow(
      expect.objectContaining({ code: "unsupported" }),
    );
    await using stream = createStream({ backend, policy: recompute({ stride: 8 }) });
    await stream.append(Array.from({ length: 100 }, (_, index) => (index * 37) % 300));
    expect([stream.position, stream.length <= 32, stream.stats.recomputedTokens > 0]).toEqual([
      100,
      true,
      true,
    ]);

    const skip = { reindex: "the engine cannot move the keys of this model" };
    expect(await brokenLaws(backendLaws, { ...subject, ...few, create, skip })).toEqual([]);
  });

  test("shows no logits: scores are refused, text is read and written, and no other law is broken", async () => {
    const nll = "the engine shows no logits";
    const create = ({ capacity, batch }: BackendWish): EngineBackend => {
      const backend = new EngineBackend(createToyEngine(model, { cells: capacity, largestBatch: batch }));
      return Object.assign(backend, { capabilities: { ...backend.capabilities, nll } });
    };
    expect(await brokenLaws(backendLaws, { ...subject, ...few, create, skip: { nll } })).toEqual([]);

    const backend = create({ capacity: 32, batch: 8 });
    await using stream = createStream({ backend, policy: sinkWindow() });
    await stream.append([1, 2, 3]);
    await expect(stream.score([4, 5])).rejects.toMatchObject({ code: "unsupported" });
    const written = [];
    for await (const { token } of stream.generate({ maxTokens: 100 })) written.push(token);
    expect([written.length, stream.length <= 32]).toEqual([100, true]);
  });

  test("fails in the middle of a text: the stream says so, and goes on once it is cleared", async () => {
    const engine = createToyEngine(model, { cells: 32, largestBatch: 8 });
    let calls = 0;
    // Its cells are there when it fails, and the backend has not counted them.
    const evaluate: Engine["evaluate"] = async (tokens, position, wanted) => {
      calls += 1;
      const rows = await engine.evaluate(tokens, position, wanted);
      if (calls === 2) throw new Error("out of memory");
      return rows;
    };
    const tokens = Array.from({ length: 20 }, (_, index) => 3 * index);
    await using stream = createStream({
      backend: new EngineBackend({ ...engine, evaluate }),
      policy: sinkWindow(),
    });
    await expect(stream.append(tokens)).rejects.toMatchObject({ code: "backend-failed" });
    await expect(stream.append(tokens)).rejects.toMatchObject({ code: "broken" });
    await stream.clear();

    const untouched = new EngineBackend(createToyEngine(model, { cells: 32, largestBatch: 8 }));
    await using other = createStream({ backend: untouched, policy: sinkWindow() });
    expect(await stream.score(tokens)).toEqual(await other.score(tokens));
  });
});
