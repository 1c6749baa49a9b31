import { createStream, definePolicy, type CacheStream, type KVCacheBackend } from "@kvpolicy/core";

import { demand } from "../breach.js";
import type { Law } from "../law.js";
import { FEW_CELLS, type BackendSubject } from "./subject.js";
import { backendLaw } from "./workbench.js";

const group = "streams";
const COUNT = 3 * FEW_CELLS;

/** A stream over the backend, with several evictions. */
export const streamLaws: readonly Law<BackendSubject>[] = [
  backendLaw({
    group,
    name: "scores a stream the same however it is cut into calls",
    why: "What a model reads must not depend on how it is fed.",
    check: async (workbench) => {
      const score = (size: number): Promise<number[]> =>
        workbench.use(async (backend) => {
          const stream = openStream(backend);
          const text = workbench.text(backend, COUNT);
          const scores: number[] = [];
          for (let start = 0; start < COUNT; start += size) {
            scores.push(...(await stream.score(text.subarray(start, start + size))));
          }
          return scores.slice(1);
        });
      const whole = await score(COUNT);
      for (const size of [1, 5]) {
        workbench.demandSameScores(await score(size), whole, `of a stream in calls of ${size} tokens`);
      }
    },
  }),
  backendLaw({
    group,
    name: "goes on after an aborted append as if nothing had happened",
    why: "An abort lands between two steps: what was appended stays, the rest can follow.",
    check: async (workbench) => {
      const scoreAfter = (isAborted: boolean): Promise<Float64Array> =>
        workbench.use(async (backend) => {
          const stream = openStream(backend);
          const text = workbench.text(backend, COUNT);
          let appended = COUNT;
          if (!isAborted) await stream.append(text);
          else {
            const controller = new AbortController();
            const { signal } = controller;
            const onStep = (count: number): void => {
              appended = count;
              if (count > FEW_CELLS) controller.abort();
            };
            const reason: unknown = await stream
              .append(text, { signal, onStep })
              .catch((error: unknown) => error);
            demand(
              reason === signal.reason,
              `the append ended with ${String(reason)}, not with the abort's reason`,
            );
          }
          await stream.append(text.subarray(appended));
          return stream.score(workbench.text(backend, COUNT + 4, { start: COUNT }));
        });
      workbench.demandSameScores(await scoreAfter(true), await scoreAfter(false), "after the abort");
    },
  }),
  backendLaw({
    group,
    name: "generates the same tokens at temperature 0",
    why: "Greedy sampling has nothing random in it: runs that differ cannot be compared.",
    needs: ["greedy"],
    check: async (workbench) => {
      const generate = (): Promise<number[]> =>
        workbench.use(async (backend) => {
          const stream = openStream(backend);
          await stream.append(workbench.text(backend, FEW_CELLS));
          const tokens: number[] = [];
          const options = { ...(workbench.subject.greedy ?? {}), maxTokens: FEW_CELLS };
          for await (const { token } of stream.generate(options)) tokens.push(token);
          return tokens;
        });
      workbench.demandEqual(await generate(), await generate(), "the tokens of a second generation");
    },
  }),
];

/** A stream that keeps the first four cells and evicts three at a time, in the way that the backend can. */
function openStream(backend: KVCacheBackend<unknown>): CacheStream<unknown> {
  const survivors = backend.capabilities.reindex === true ? "reuse" : "recompute";
  const policy = definePolicy({
    name: "first-four",
    plan: () => ({ evict: [{ start: 4, end: 7 }], survivors }),
  });
  return createStream<unknown>({ backend, policy, budget: FEW_CELLS });
}
