/** Code to begin with. */
export interface StartingPoint {
  /** What it is called in the list. */
  readonly name: string;
  /** The module. */
  readonly source: string;
}

const FIFO = `import { definePolicy } from "@kvpolicy/core";

// First in, first out: the oldest cells leave, as many as are required.
export default definePolicy({
  name: "fifo",
  requires: ["reindex"],
  plan: ({ required }) => ({
    evict: [{ start: 0, end: required }],
    survivors: "reuse",
  }),
});
`;

const SINKS = `import { definePolicy } from "@kvpolicy/core";

const SINKS = 4;

// The first tokens stay for ever, and a window of recent ones.
export default definePolicy({
  name: "my-sink-window",
  requires: ["reindex"],

  // Asked when a stream opens: why a budget cannot work.
  checkBudget: (budget) =>
    budget > SINKS ? undefined : "the sinks leave no room",

  plan: ({ length, budget, required }) => {
    const stride = Math.round((budget - SINKS) / 16);
    const end = SINKS + Math.max(required, stride);
    if (end > length) return null; // only sinks are left
    return { evict: [{ start: SINKS, end }], survivors: "reuse" };
  },

  // In plain data, for reports. The laws hold you to it.
  describe: () => ({
    name: "my-sink-window",
    shape: {
      first: SINKS,
      recent: "rest",
      stride: "default",
      survivors: "reuse",
    },
    options: { sinks: SINKS },
  }),
});
`;

const RARE = `import { definePolicy, keepHighest } from "@kvpolicy/core";

const SINKS = 4;
const RARE = 12;

// Sinks, a window, and between them what is rarest in the cache.
export default definePolicy({
  name: "rare-tokens",
  requires: ["reindex"],

  checkBudget: (budget) =>
    budget > SINKS + RARE ? undefined : "there is no room left",

  plan: (view) => {
    const cells = new Map();
    for (let index = 0; index < view.length; index += 1) {
      const id = view.token(index);
      cells.set(id, (cells.get(id) ?? 0) + 1);
    }
    return keepHighest(view, {
      first: SINKS,
      between: RARE,
      stride: 2,
      // The higher, the longer a cell stays.
      score: (index) => -cells.get(view.token(index)),
    });
  },

  describe: () => ({
    name: "rare-tokens",
    shape: "opaque",
    first: SINKS,
    options: { rare: RARE },
  }),
});
`;

const FAULT = `import { definePolicy } from "@kvpolicy/core";

let evictions = 0;

// A policy with a deliberate fault: it counts. Which law finds it?
export default definePolicy({
  name: "every-tenth",
  requires: ["reindex"],
  plan: ({ length, required }) => {
    evictions += 1;
    const start =
      evictions % 10 === 0 ? 0 : Math.min(4, length - required);
    return {
      evict: [{ start, end: start + required }],
      survivors: "reuse",
    };
  },
});
`;

/** What the editor offers, the first one unasked. */
export const STARTING_POINTS: readonly [StartingPoint, ...StartingPoint[]] = [
  { name: "Sinks and a window", source: SINKS },
  { name: "First in, first out", source: FIFO },
  { name: "Rare tokens, by a score", source: RARE },
  { name: "One with a fault", source: FAULT },
];
