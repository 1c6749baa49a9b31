import {
  checkToken,
  KVPolicyError,
  type BackendCapabilities,
  type KVCacheBackend,
  type Sampler,
} from "@kvpolicy/core";
import { FakeBackend, predictNll, type FakeSampling } from "@kvpolicy/core/testing";
import { beforeAll, describe, expect, test } from "vitest";

import { fakeSubject } from "../../testing/fake-subject.js";
import { fixSeed } from "../../testing/fixed-seed.js";
import { brokenLaws } from "../law.js";
import { backendLaws } from "./backend-suite.js";
import type { BackendSubject } from "./subject.js";

beforeAll(fixSeed);

type Backend = KVCacheBackend<FakeSampling>;

/** The sound fake, with some of its members replaced. */
function altered(
  change: (inside: FakeBackend) => Partial<Backend>,
  capabilities: (capacity: number) => Partial<BackendCapabilities> = () => ({}),
): BackendSubject<FakeSampling> {
  return {
    ...fakeSubject,
    name: "mutant",
    create: ({ capacity, batch }) => {
      const inside = new FakeBackend({ capacity, batch, vocabularySize: 100, ...capabilities(capacity) });
      return {
        capabilities: inside.capabilities,
        decode: (tokens, options) => inside.decode(tokens, options),
        nll: (target) => inside.nll(target),
        createSampler: (options) => inside.createSampler(options),
        evict: (ranges) => inside.evict(ranges),
        truncate: (length) => inside.truncate(length),
        clear: () => inside.clear(),
        dispose: () => inside.dispose(),
        saveState: () => inside.saveState!(),
        loadState: (state) => inside.loadState!(state),
        ...change(inside),
      };
    },
  };
}

/** The sound fake, with samplers that draw or end in another way. */
function sampling(
  change: (sampler: Sampler, inside: FakeBackend, options: FakeSampling | undefined) => Partial<Sampler>,
): BackendSubject<FakeSampling> {
  return altered((inside) => ({
    createSampler: (options) => {
      const sampler = inside.createSampler(options);
      return {
        sample: () => sampler.sample(),
        dispose: () => {
          sampler.dispose();
        },
        ...change(sampler, inside, options),
      };
    },
  }));
}

/** The sound fake, with samplers of other options. */
function samplingWith(
  change: (options: FakeSampling | undefined) => FakeSampling,
): BackendSubject<FakeSampling> {
  return altered((inside) => ({ createSampler: (options) => inside.createSampler(change(options)) }));
}

/** The sound fake, with members that go wrong once a state was loaded. */
function afterLoad(
  change: (inside: FakeBackend, isLoaded: () => boolean) => Partial<Backend>,
): BackendSubject<FakeSampling> {
  return altered((inside) => {
    let isLoaded = false;
    return {
      ...change(inside, () => isLoaded),
      loadState: async (state) => {
        await inside.loadState!(state);
        isLoaded = true;
      },
    };
  });
}

async function contentsOf(inside: FakeBackend): Promise<number[]> {
  const [, contents] = JSON.parse(new TextDecoder().decode(await inside.saveState!())) as [unknown, number[]];
  return contents;
}

/** Answers from the cells before the change, as an engine does that keeps its last logits. */
function staleAfter(method: "evict" | "truncate" | "clear" | "loadState"): BackendSubject<FakeSampling> {
  return altered((inside) => {
    let before: number[] | undefined;
    const change = async (task: () => Promise<void>): Promise<void> => {
      const contents = await contentsOf(inside);
      await task();
      before = contents;
    };
    const changes: Partial<Backend> = {
      evict: (ranges) => change(() => inside.evict(ranges)),
      truncate: (length) => change(() => inside.truncate(length)),
      clear: () => change(() => inside.clear()),
      loadState: (state) => change(() => inside.loadState!(state)),
    };
    return {
      decode: (tokens, options) => {
        before = undefined;
        return inside.decode(tokens, options);
      },
      nll: async (target) => (before ? predictNll(before, target) : inside.nll(target)),
      [method]: changes[method],
    };
  });
}

/** Nothing is pending afterwards. */
const forgetPending = (inside: FakeBackend): Promise<void> => inside.evict([]);

const shared = new FakeBackend({ capacity: 256, vocabularySize: 100 });

/** What a mutant does wrong, the mutant, and the laws that must notice. */
const mutants: readonly (readonly [
  fault: string,
  subject: BackendSubject<FakeSampling>,
  laws: readonly string[],
])[] = [
  [
    "answers after an eviction as before it",
    staleAfter("evict"),
    ["is refused after an eviction", "is refused after an eviction of everything"],
  ],
  ["answers after a truncation as before it", staleAfter("truncate"), ["is refused after a truncation"]],
  ["answers after a clear as before it", staleAfter("clear"), ["is refused after a clear"]],
  [
    "answers after a load as before it",
    staleAfter("loadState"),
    ["has nothing pending after a state was loaded"],
  ],
  [
    "answers before the first decode",
    altered((inside) => {
      let isFresh = true;
      return {
        decode: (tokens, options) => {
          isFresh = false;
          return inside.decode(tokens, options);
        },
        nll: async (target) => (isFresh ? Math.log(100) : inside.nll(target)),
      };
    }),
    ["is refused before the first decode"],
  ],
  [
    "holds one cell less than it says",
    altered((inside) => ({
      capabilities: { ...inside.capabilities, capacity: inside.capabilities.capacity + 1 },
    })),
    ["holds as many cells as it says, and not one more"],
  ],
  [
    "holds one cell more than it says",
    altered(
      (inside) => ({ capabilities: { ...inside.capabilities, capacity: inside.capabilities.capacity - 1 } }),
      (capacity) => ({ capacity: capacity + 1 }),
    ),
    ["holds as many cells as it says, and not one more"],
  ],
  [
    "has less room than it was asked for",
    altered(
      () => ({}),
      (capacity) => ({ capacity: capacity - 1 }),
    ),
    ["says honestly what it offers"],
  ],
  [
    "likes batches of nothing",
    altered((inside) => ({ capabilities: { ...inside.capabilities, batch: 0 } })),
    ["says honestly what it offers"],
  ],
  [
    "gives no reason for what it lacks",
    altered((inside) => ({ capabilities: { ...inside.capabilities, keys: "" } })),
    ["says honestly what it offers"],
  ],
  [
    "evicts although its capabilities say that it cannot",
    altered((inside) => ({ capabilities: { ...inside.capabilities, reindex: "positions are learned" } })),
    ["refuses what its capabilities say it cannot do"],
  ],
  [
    "evicts only the first of several ranges",
    altered((inside) => ({ evict: (ranges) => inside.evict(ranges.slice(0, 1)) })),
    [
      "evicts several ranges at once as it does one by one",
      "closes every gap when several ranges leave",
      "predicts what the oracle predicts after any history",
    ],
  ],
  [
    "evicts ranges from the front, with indices that have moved",
    altered((inside) => ({
      evict: async (ranges) => {
        for (const { start, end } of ranges)
          await inside.evict([{ start, end: Math.min(end, inside.tokens.length) }]);
      },
    })),
    ["evicts several ranges at once as it does one by one", "closes every gap when several ranges leave"],
  ],
  [
    "evicts a valid range before it refuses the next",
    altered((inside) => ({
      evict: async (ranges) => {
        let moved = 0;
        for (const { start, end } of ranges) {
          await inside.evict([{ start: start - moved, end: end - moved }]);
          moved += end - start;
        }
      },
    })),
    ["refuses ranges that cannot be evicted, and changes nothing"],
  ],
  [
    "never evicts the first cell",
    altered((inside) => ({
      evict: (ranges) =>
        inside.evict(
          ranges
            .map(({ start, end }) => ({ start: start === 0 ? 1 : start, end }))
            .filter(({ start, end }) => start !== end),
        ),
    })),
    [
      "reuses the values of the survivors when the first cell leaves",
      "forgets everything when every cell is evicted",
    ],
  ],
  [
    "evicts as many cells from the front, wherever they were",
    altered((inside) => ({
      evict: (ranges) => inside.evict(ranges.map(({ start, end }) => ({ start: 0, end: end - start }))),
    })),
    ["leaves the cells before a range where they are"],
  ],
  [
    "evaluates the survivors again",
    altered((inside) => ({
      evict: async (ranges) => {
        await inside.evict(ranges);
        const survivors = Uint32Array.from(inside.tokens);
        await inside.clear();
        if (survivors.length > 0) await inside.decode(survivors);
        await forgetPending(inside);
      },
    })),
    [
      "reuses the values of the survivors when the first cell leaves",
      "reuses the value of the last cell when all before it leave",
      "predicts what the oracle predicts after any history",
      "does not grow less exact with the number of evictions",
    ],
  ],
  [
    "loses a little at every eviction",
    altered((inside) => {
      let evictions = 0;
      return {
        evict: async (ranges) => {
          await inside.evict(ranges);
          evictions += 1;
        },
        nll: async (target) => (await inside.nll(target)) + (target % 2) * evictions * 4e-5,
      };
    }),
    ["does not grow less exact with the number of evictions"],
  ],
  [
    "keeps a cell when it is cleared",
    altered((inside) => ({
      clear: () => (inside.tokens.length > 1 ? inside.truncate(1) : inside.clear()),
    })),
    ["forgets everything when it is cleared"],
  ],
  [
    "keeps a cell when it is cleared right after an eviction",
    altered((inside) => {
      let justEvicted = false;
      return {
        decode: (tokens, options) => {
          justEvicted = false;
          return inside.decode(tokens, options);
        },
        evict: (ranges) => {
          justEvicted = true;
          return inside.evict(ranges);
        },
        clear: () => (justEvicted && inside.tokens.length > 1 ? inside.truncate(1) : inside.clear()),
      };
    }),
    ["forgets everything when it is cleared right after an eviction"],
  ],
  [
    "evicts another cell when two evictions follow each other",
    altered((inside) => {
      let evictions = 0;
      return {
        decode: (tokens, options) => {
          evictions = 0;
          return inside.decode(tokens, options);
        },
        evict: async (ranges) => {
          await inside.evict(ranges);
          evictions += 1;
          if (evictions > 1 && inside.tokens.length > 0) await inside.evict([{ start: 0, end: 1 }]);
        },
      };
    }),
    ["evicts several ranges at once as it does one by one"],
  ],
  [
    "keeps one cell too many when it is truncated",
    altered((inside) => ({
      truncate: (length) =>
        inside.truncate(length >= 1 && length < inside.tokens.length ? length + 1 : length),
    })),
    ["forgets the tail when it is truncated"],
  ],
  [
    "scores each token with the prediction for the next",
    altered((inside) => ({
      decode: async (tokens, options) => {
        const scores = await inside.decode(tokens, options);
        return scores?.map((_, index) => scores[(index + 1) % scores.length]!);
      },
    })),
    [
      "scores a block as it does token by token",
      "predicts what the oracle predicts after any history",
      "scores a stream the same however it is cut into calls",
    ],
  ],
  [
    "scores one token too many",
    altered((inside) => ({
      decode: async (tokens, options) => {
        const scores = await inside.decode(tokens, options);
        return scores && Float64Array.of(0, ...scores);
      },
    })),
    ["scores a block as it does token by token"],
  ],
  [
    "predicts what follows the token before the last of a block",
    altered((inside) => {
      let previous: number[] | undefined;
      const forget = (): void => {
        previous = undefined;
      };
      return {
        decode: async (tokens, options) => {
          const scores = await inside.decode(tokens, options);
          previous = tokens.length > 1 ? (await contentsOf(inside)).slice(0, -1) : undefined;
          return scores;
        },
        nll: async (target) => {
          const actual = await inside.nll(target);
          return previous ? predictNll(previous, target) : actual;
        },
        evict: (ranges) => inside.evict(ranges).finally(forget),
      };
    }),
    [
      "predicts what follows the last token of a decode",
      "predicts the same however a text is cut into decodes",
      "scores a stream the same however it is cut into calls",
    ],
  ],
  [
    "decodes what it is asked the likelihood of",
    altered((inside) => ({
      nll: async (target) => {
        const nll = await inside.nll(target);
        if (inside.tokens.length < inside.capabilities.capacity) await inside.decode(Uint32Array.of(target));
        return nll;
      },
    })),
    ["can be read again and again"],
  ],
  [
    "moves its samplers when a likelihood is read",
    altered((inside) => {
      const samplers = new Set<Sampler>();
      return {
        createSampler: (options) => {
          const sampler = inside.createSampler(options);
          samplers.add(sampler);
          return {
            sample: () => sampler.sample(),
            dispose: () => {
              samplers.delete(sampler);
              sampler.dispose();
            },
          };
        },
        nll: async (target) => {
          const nll = await inside.nll(target);
          for (const sampler of samplers) await sampler.sample();
          return nll;
        },
      };
    }),
    ["moves no sampler when a likelihood is read"],
  ],
  [
    "draws lots at temperature 0",
    altered((inside) => ({
      createSampler: (options) => {
        const sampler = inside.createSampler(options);
        return {
          sample: async () => ((await sampler.sample()) + Math.floor(Math.random() * 100)) % 100,
          dispose: () => {
            sampler.dispose();
          },
        };
      },
    })),
    ["generates the same tokens at temperature 0"],
  ],
  [
    "predicts with noise",
    altered((inside) => ({ nll: async (target) => (await inside.nll(target)) + Math.random() })),
    ["goes on after an aborted append as if nothing had happened", "can be read again and again"],
  ],
  [
    "decodes tokens that it does not know",
    altered(
      (inside) => ({ capabilities: { ...inside.capabilities, vocabularySize: 100 } }),
      () => ({ vocabularySize: 101 }),
    ),
    ["refuses tokens outside the vocabulary, and changes nothing"],
  ],
  [
    "decodes nothing without a word",
    altered((inside) => ({
      decode: async (tokens, options) => (tokens.length === 0 ? undefined : inside.decode(tokens, options)),
    })),
    ["refuses to decode nothing, and changes nothing"],
  ],
  [
    "refuses in an error of its own",
    altered((inside) => ({
      decode: async (tokens, options) => {
        if (tokens.length === 0) throw new TypeError("no tokens");
        return inside.decode(tokens, options);
      },
    })),
    ["refuses to decode nothing, and changes nothing"],
  ],
  [
    "scores from the second token when it is asked for the first",
    altered((inside) => ({
      decode: (tokens, options) =>
        inside.decode(tokens, options && { scoreFrom: options.scoreFrom === 0 ? 1 : options.scoreFrom }),
    })),
    ["refuses scores that do not exist, and changes nothing"],
  ],
  [
    "takes a truncation to nothing for a clear",
    altered((inside) => ({
      truncate: (length) => (length === 0 ? inside.clear() : inside.truncate(length)),
    })),
    ["refuses lengths that cannot be truncated to, and changes nothing"],
  ],
  [
    "forgets the pending position when it refuses",
    altered((inside) => ({
      evict: async (ranges) => {
        try {
          await inside.evict(ranges);
        } catch (error) {
          await forgetPending(inside);
          throw error;
        }
      },
    })),
    ["refuses ranges that cannot be evicted, and changes nothing"],
  ],
  [
    "shares its cells with every other",
    {
      ...fakeSubject,
      create: async ({ capacity }) => {
        await shared.clear();
        return {
          capabilities: { ...shared.capabilities, capacity },
          decode: (tokens, options) => shared.decode(tokens, options),
          nll: (target) => shared.nll(target),
          createSampler: (options) => shared.createSampler(options),
          evict: (ranges) => shared.evict(ranges),
          truncate: (length) => shared.truncate(length),
          clear: () => shared.clear(),
          dispose: () => Promise.resolve(),
        };
      },
    },
    ["shares nothing with another backend"],
  ],
  [
    "lives on after dispose",
    altered(() => ({ dispose: () => Promise.resolve() })),
    ["refuses every call after dispose"],
  ],
  [
    "draws after dispose",
    altered((inside) => ({
      createSampler: (options) => {
        const sampler = inside.createSampler(options);
        return {
          sample: () =>
            sampler.sample().catch((error: unknown) => {
              if ((error as { code?: unknown }).code === "disposed") return 0;
              throw error;
            }),
          dispose: () => {
            sampler.dispose();
          },
        };
      },
    })),
    ["refuses every call after dispose"],
  ],
  [
    "fails in its second dispose",
    altered((inside) => {
      let isDisposed = false;
      return {
        dispose: async () => {
          if (isDisposed) throw new Error("double free");
          isDisposed = true;
          await inside.dispose();
        },
      };
    }),
    ["may be disposed twice"],
  ],
  [
    "loads a state without its last cell",
    altered((inside) => ({
      loadState: async (state) => {
        await inside.loadState!(state);
        await inside.truncate(inside.tokens.length - 1);
      },
    })),
    ["goes on from a saved state as if nothing had been done since"],
  ],
  [
    "loads only its own states",
    altered((inside) => {
      const own = new Set<string>();
      return {
        saveState: async () => {
          const state = await inside.saveState!();
          own.add(state.join());
          return state;
        },
        loadState: (state) => (own.has(state.join()) ? inside.loadState!(state) : inside.clear()),
      };
    }),
    ["goes on in a second backend from the state of the first"],
  ],
  [
    "saves the cells from before the latest eviction",
    altered((inside) => {
      let before: Uint8Array | undefined;
      return {
        decode: (tokens, options) => {
          before = undefined;
          return inside.decode(tokens, options);
        },
        evict: async (ranges) => {
          before = await inside.saveState!();
          await inside.evict(ranges);
        },
        saveState: async () => before ?? inside.saveState!(),
      };
    }),
    ["saves what an eviction has just moved"],
  ],
  [
    "loses the pending position when it is saved",
    altered((inside) => ({
      saveState: async () => {
        const state = await inside.saveState!();
        await forgetPending(inside);
        return state;
      },
    })),
    ["is saved without losing the pending position"],
  ],
  [
    "counts tokens where it refuses too many cells",
    altered((inside) => ({
      decode: async (tokens, options) => {
        const { capacity } = inside.capabilities;
        if (tokens.length > capacity) checkToken(tokens.length, capacity + 1);
        return inside.decode(tokens, options);
      },
    })),
    ["holds as many cells as it says, and not one more"],
  ],
  [
    "is cleared by an eviction of nothing",
    altered((inside) => ({
      evict: (ranges) => (ranges.length === 0 ? inside.clear() : inside.evict(ranges)),
    })),
    ["removes nothing when no range is named"],
  ],
  [
    "fails at an eviction of nothing",
    altered((inside) => ({
      evict: (ranges) =>
        ranges.length === 0 ? Promise.reject(new TypeError("no first range")) : inside.evict(ranges),
    })),
    ["removes nothing when no range is named", "is refused after an eviction of nothing"],
  ],
  [
    "answers after an eviction of nothing",
    altered((inside) => ({
      evict: (ranges) => (ranges.length === 0 ? Promise.resolve() : inside.evict(ranges)),
    })),
    ["is refused after an eviction of nothing"],
  ],
  [
    "truncates one cell too many after an eviction, and has no oracle",
    {
      ...altered((inside) => {
        let hasEvicted = false;
        return {
          evict: (ranges) => {
            hasEvicted = true;
            return inside.evict(ranges);
          },
          truncate: (length) =>
            inside.truncate(hasEvicted && length > 1 && length < inside.tokens.length ? length - 1 : length),
        };
      }),
      oracle: undefined,
    },
    ["forgets the tail when it is truncated after an eviction"],
  ],
  [
    "scores wrong where two batches meet",
    altered((inside) => ({
      decode: async (tokens, options) => {
        const scores = await inside.decode(tokens, options);
        const { batch } = inside.capabilities;
        return scores?.map((nll, index) => (index + options!.scoreFrom === batch ? nll + 1 : nll));
      },
    })),
    [
      "scores a block as it does token by token",
      "predicts the same however a text is cut into decodes",
      "predicts what the oracle predicts after any history",
    ],
  ],
  [
    "always draws the first token",
    sampling((sampler) => ({ sample: () => sampler.sample().then(() => 0) })),
    ["draws the likeliest token at temperature 0", "draws at random when it is told to"],
  ],
  [
    "draws the token behind the likeliest",
    sampling((sampler) => ({ sample: async () => ((await sampler.sample()) + 1) % 100 })),
    ["draws the likeliest token at temperature 0"],
  ],
  [
    "keeps its first draw for ever",
    sampling((sampler) => {
      let first: number | undefined;
      return {
        sample: async () => {
          const token = await sampler.sample();
          return (first ??= token);
        },
      };
    }),
    ["draws the likeliest token at temperature 0"],
  ],
  [
    "draws a token that does not exist",
    sampling((sampler) => ({ sample: () => sampler.sample().then(() => 100) })),
    ["draws the likeliest token at temperature 0"],
  ],
  [
    "draws at random whatever the temperature",
    samplingWith((options) => ({ ...options, temperature: 1 })),
    ["draws the likeliest token at temperature 0"],
  ],
  [
    "draws the likeliest token whatever the temperature",
    samplingWith((options) => ({ ...options, temperature: 0 })),
    ["draws at random when it is told to"],
  ],
  [
    "ignores its seed",
    samplingWith((options) => ({ ...options, seed: 3 })),
    ["draws other tokens from another seed"],
  ],
  [
    "draws from a seed of its own each time",
    samplingWith((options) => ({ ...options, seed: Math.floor(Math.random() * 2 ** 30) })),
    ["draws the same from the same seed, whatever other samplers do"],
  ],
  [
    "shares one sampler among all",
    altered((inside) => {
      let only: Sampler | undefined;
      return {
        createSampler: (options) => {
          only ??= inside.createSampler(options);
          return { sample: () => only!.sample(), dispose: () => undefined };
        },
      };
    }),
    ["draws the same from the same seed, whatever other samplers do"],
  ],
  [
    "ends every sampler with the first that is disposed",
    altered((inside) => {
      let isDisposed = false;
      return {
        createSampler: (options) => {
          const sampler = inside.createSampler(options);
          return {
            sample: () => (isDisposed ? Promise.reject(new Error("no sampler")) : sampler.sample()),
            dispose: () => {
              isDisposed = true;
              sampler.dispose();
            },
          };
        },
      };
    }),
    ["draws the same from the same seed, whatever other samplers do"],
  ],
  [
    "draws after the sampler's dispose",
    sampling(() => ({ dispose: () => undefined })),
    ["refuses a draw after the sampler's dispose"],
  ],
  [
    "takes the bytes of a state for itself",
    altered((inside) => ({
      loadState: async (state) => {
        await inside.loadState!(state);
        state.fill(0);
      },
    })),
    ["loads the same state again and again"],
  ],
  [
    "loads a state only once",
    altered((inside) => {
      const loaded = new WeakSet<Uint8Array>();
      return {
        loadState: async (state) => {
          if (loaded.has(state)) throw new TypeError("the buffer is detached");
          await inside.loadState!(state);
          loaded.add(state);
        },
      };
    }),
    ["loads the same state again and again"],
  ],
  [
    "takes anything for a state",
    altered((inside) => ({
      loadState: (state) =>
        inside.loadState!(state).catch((error: unknown) => {
          if (!KVPolicyError.isInstance(error, "config")) throw error;
        }),
    })),
    [
      "refuses bytes that are no saved state, and changes nothing",
      "refuses a state that does not fit, and changes nothing",
    ],
  ],
  [
    "is cleared before it refuses a state",
    altered((inside) => ({
      loadState: async (state) => {
        await inside.clear();
        await inside.loadState!(state);
      },
    })),
    [
      "refuses bytes that are no saved state, and changes nothing",
      "refuses a state that does not fit, and changes nothing",
    ],
  ],
  [
    "loads the cells that fit, and forgets the rest",
    altered((inside) => ({
      loadState: async (state) => {
        const { capacity } = inside.capabilities;
        const text = new TextDecoder().decode(state);
        const lists = (text.startsWith("[[") && text.endsWith("]]") ? JSON.parse(text) : []) as number[][];
        const fitting = JSON.stringify(lists.map((list) => list.slice(0, capacity)));
        await inside.loadState!(new TextEncoder().encode(fitting));
      },
    })),
    ["refuses a state that does not fit, and changes nothing"],
  ],
  [
    "evicts the cells beside once a state was loaded",
    afterLoad((inside, isLoaded) => ({
      evict: (ranges) =>
        inside.evict(
          isLoaded() ? ranges.map(({ start, end }) => ({ start: start - 1, end: end - 1 })) : ranges,
        ),
    })),
    ["evicts and scores after a load as before it"],
  ],
  [
    "scores wrong once a state was loaded",
    afterLoad((inside, isLoaded) => ({
      decode: async (tokens, options) => {
        const scores = await inside.decode(tokens, options);
        return isLoaded() ? scores?.map((nll) => nll + 1) : scores;
      },
    })),
    ["evicts and scores after a load as before it"],
  ],
  [
    "fails in every call",
    altered(() => ({ decode: () => Promise.reject(new Error("the engine is on fire")) })),
    backendLaws
      .map(({ name }) => name)
      .filter((name) => !name.startsWith("says honestly") && name !== "may be disposed twice"),
  ],
];

describe("the laws of a backend", () => {
  test.each(mutants)("catch one that %s", async (_, subject, laws) => {
    const broken = await brokenLaws<BackendSubject>(backendLaws, subject);
    expect(broken.map(({ law }) => law)).toEqual(expect.arrayContaining([...laws]));
  });

  test("catch something with every law", () => {
    const caught = new Set(mutants.slice(0, -1).flatMap(([, , laws]) => laws));
    expect(backendLaws.map(({ name }) => name).filter((name) => !caught.has(name))).toEqual([]);
  });
});
