import type { CacheRange, KVCacheBackend } from "@kvpolicy/core";
import fc from "fast-check";

import type { Law } from "../law.js";
import { forAll } from "../property.js";
import { History } from "./history.js";
import { randomSteps, takeStep } from "./random-steps.js";
import { FEW_CELLS, type BackendSubject } from "./subject.js";
import { backendLaw, type Need } from "./workbench.js";

const group = "exactness";

const SINKS = 4;
const WINDOWS = 20;
/** Cells that leave at each of the many evictions. */
const STRIDE = 2;

/** What a backend predicts is what its cells say. */
export const exactnessLaws: readonly Law<BackendSubject>[] = [
  backendLaw({
    group,
    name: "predicts what the oracle predicts after any history",
    why: "Keys are kept at the wrong position, or of the wrong cell: the text goes wrong and nothing fails.",
    needs: ["nll", "oracle"],
    check: (workbench) =>
      forAll(
        workbench.subject,
        fc.record({
          capacity: fc.integer({ min: 4, max: workbench.settings.capacity }),
          steps: fc.array(randomSteps, { minLength: 1, maxLength: 12, size: "max" }),
          seed: fc.nat(1000),
        }),
        ({ capacity, steps, seed }) =>
          workbench.use(async (backend) => {
            const history = new History(workbench, backend, seed);
            await history.decode(Math.ceil(capacity / 2));
            for (const step of steps) await takeStep(history, step, capacity);
            if (history.length < capacity) await history.decode(1);
            await history.demandOracle();
          }, capacity),
        { numRuns: workbench.settings.runs },
      ),
  }),
  survivorsLaw("reuses the values of the survivors when the first cell leaves", [{ start: 0, end: 1 }]),
  survivorsLaw("reuses the value of the last cell when all before it leave", [{ start: 0, end: 11 }]),
  survivorsLaw("leaves the cells before a range where they are", [{ start: 8, end: 12 }]),
  survivorsLaw("closes every gap when several ranges leave", [
    { start: 1, end: 3 },
    { start: 4, end: 5 },
    { start: 7, end: 10 },
  ]),
  backendLaw({
    group,
    name: "evicts several ranges at once as it does one by one",
    why: "Ranges are indices before the eviction: those that follow a removed one must not move.",
    needs: ["nll", "reindex"],
    check: async (workbench) => {
      const first = { start: 1, end: 3 };
      const last = { start: 6, end: 10 };
      const predictAfter = (...evictions: CacheRange[][]): Promise<Float64Array> =>
        workbench.predictAfter(async (backend) => {
          await backend.decode(workbench.text(backend, 12));
          for (const ranges of evictions) await backend.evict(ranges);
          await backend.decode(workbench.text(backend, 13, { start: 12 }));
        });
      const apart = await predictAfter([last], [first]);
      workbench.demandSame(await predictAfter([first, last]), apart, "after both ranges");
    },
  }),
  backendLaw({
    group,
    name: "removes nothing when no range is named",
    why: "A caller with nothing to evict must not lose the conversation.",
    needs: ["nll", "reindex"],
    check: async (workbench) => {
      const predictAfter = (evict: boolean): Promise<Float64Array> =>
        workbench.predictAfter(async (backend) => {
          if (evict) await backend.evict([]);
          await backend.decode(workbench.text(backend, 8));
          if (evict) await backend.evict([]);
          await backend.decode(workbench.text(backend, 9, { start: 8 }));
        });
      workbench.demandSame(await predictAfter(true), await predictAfter(false), "after no range left");
    },
  }),
  backendLaw({
    group,
    name: "does not grow less exact with the number of evictions",
    why: "A stream never ends: an error that each eviction adds to ruins it in the end.",
    needs: ["nll", "reindex", "oracle"],
    check: (workbench) =>
      workbench.use(async (backend) => {
        const history = new History(workbench, backend);
        await history.decode(FEW_CELLS, { read: false });
        const window = FEW_CELLS - SINKS;
        for (let token = STRIDE; token <= WINDOWS * window; token += STRIDE) {
          await history.backend.evict([{ start: SINKS, end: SINKS + STRIDE }]);
          await history.decode(STRIDE, { read: token % window === 0 });
        }
        const growth = slope(await history.demandOracle()) * WINDOWS;
        workbench.demandWithin(
          growth,
          workbench.tolerance.logits,
          `the growth of the error over ${WINDOWS} windows`,
        );
      }),
  }),
  forgettingLaw("forgets everything when it is cleared", [], (backend) => backend.clear()),
  forgettingLaw(
    "forgets everything when it is cleared right after an eviction",
    ["reindex"],
    async (backend) => {
      await backend.evict([{ start: 1, end: 5 }]);
      await backend.clear();
    },
  ),
  forgettingLaw("forgets everything when every cell is evicted", ["reindex"], (backend) =>
    backend.evict([{ start: 0, end: 9 }]),
  ),
  backendLaw({
    group,
    name: "forgets the tail when it is truncated",
    why: "Going back in a stream must give what it was then.",
    needs: ["nll", "truncate"],
    check: async (workbench) => {
      for (const length of [1, 5, 9]) {
        const predictAfter = (undone: number): Promise<Float64Array> =>
          workbench.predictAfter(async (backend) => {
            await backend.decode(workbench.text(backend, length));
            if (undone > 0) await backend.decode(workbench.text(backend, undone, { seed: 1 }));
            if (undone > 0) await backend.truncate(length);
            await backend.decode(workbench.text(backend, 12, { start: 10 }));
          });
        const never = await predictAfter(0);
        workbench.demandSame(await predictAfter(10 - length), never, `after ${length} cells were kept`);
      }
    },
  }),
  backendLaw({
    group,
    name: "forgets the tail when it is truncated after an eviction",
    why: "After an eviction there are fewer cells than tokens: an engine that counts tokens cuts elsewhere.",
    needs: ["nll", "reindex", "truncate"],
    check: async (workbench) => {
      const predictAfter = (undone: number): Promise<Float64Array> =>
        workbench.predictAfter(async (backend) => {
          await backend.decode(workbench.text(backend, 10));
          await backend.evict([{ start: 2, end: 5 }]);
          if (undone > 0) {
            await backend.decode(workbench.text(backend, undone, { seed: 1 }));
            await backend.truncate(7);
          }
          await backend.decode(workbench.text(backend, 12, { start: 10 }));
        });
      const never = await predictAfter(0);
      for (const undone of [1, 4])
        workbench.demandSame(await predictAfter(undone), never, `after ${undone} tokens were undone`);
    },
  }),
  backendLaw({
    group,
    name: "scores a block as it does token by token",
    why: "Perplexity is measured in blocks, and must not depend on their size.",
    check: async (workbench) => {
      const count = 12;
      for (const scoreFrom of [1, 5, count - 1]) {
        const block = await workbench.use((backend) =>
          backend.decode(workbench.text(backend, count), { scoreFrom }),
        );
        const single = await workbench.use(async (backend) => {
          const scores: number[] = [];
          for (const [index, token] of workbench.text(backend, count).entries()) {
            if (index >= scoreFrom) scores.push(await backend.nll(token));
            await backend.decode(Uint32Array.of(token));
          }
          return scores;
        });
        workbench.demandSameScores(block, single, `of a block scored from token ${scoreFrom}`);
      }
    },
  }),
  backendLaw({
    group,
    name: "predicts the same however a text is cut into decodes",
    why: "A stream cuts a text at its budget and at the batch: that must not show.",
    check: async (workbench) => {
      const count = FEW_CELLS;
      const predictions = [];
      for (const size of [count, 1, 3, 7]) {
        predictions.push(
          await workbench.use(async (backend) => {
            const text = workbench.text(backend, count);
            const scores: number[] = [];
            for (let start = 0; start < count; start += size) {
              const block = text.subarray(start, start + size);
              if (start > 0) scores.push(await backend.nll(block[0] ?? 0));
              scores.push(
                ...((await backend.decode(block, block.length > 1 ? { scoreFrom: 1 } : undefined)) ?? []),
              );
            }
            return { size, scores, next: await workbench.predict(backend) };
          }),
        );
      }
      const [whole, ...pieces] = predictions;
      for (const { size, scores, next } of pieces) {
        workbench.demandSame(next, whole?.next ?? [], `after decodes of ${size} tokens`);
        workbench.demandSameScores(scores, whole?.scores ?? [], `in decodes of ${size} tokens`);
      }
    },
  }),
];

/** Law on the cells that stay when others leave a cache of 12. */
function survivorsLaw(name: string, ranges: readonly CacheRange[]): Law<BackendSubject> {
  return backendLaw({
    group,
    name,
    why: "What was seen of the tokens that have left lives on in the values of the survivors: that is what `reuse` promises.",
    needs: ["nll", "reindex", "oracle"],
    check: (workbench) =>
      workbench.use(async (backend) => {
        const history = new History(workbench, backend);
        await history.decode(12);
        await history.backend.evict(ranges);
        await history.decode(3, { scored: true });
        await history.demandOracle();
      }),
  });
}

/** Law on a way to empty a cache of 9 cells. */
function forgettingLaw(
  name: string,
  needs: readonly Need[],
  forget: (backend: KVCacheBackend<unknown>) => Promise<void>,
): Law<BackendSubject> {
  return backendLaw({
    group,
    name,
    why: "A new conversation must not know of the one before it.",
    needs: ["nll", ...needs],
    check: async (workbench) => {
      const fresh = await workbench.predictAfter((backend) => backend.decode(workbench.text(backend, 6)));
      const used = await workbench.predictAfter(async (backend) => {
        await backend.decode(workbench.text(backend, 9, { seed: 1 }));
        await forget(backend);
        await backend.decode(workbench.text(backend, 6));
      });
      workbench.demandSame(used, fresh, "on an emptied cache");
    },
  });
}

/** Slope of the line of least squares through values at 0, 1, 2 … */
function slope(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let products = 0;
  let squares = 0;
  values.forEach((value, index) => {
    products += (index - middle) * (value - mean);
    squares += (index - middle) ** 2;
  });
  return products / squares;
}
