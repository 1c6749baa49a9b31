import type { KVCacheBackend } from "@kvpolicy/core";

import type { Law } from "../law.js";
import { FEW_CELLS, type BackendSubject } from "./subject.js";
import { backendLaw, withSampler, type Need, type Workbench } from "./workbench.js";

const group = "pending position";

/** The pending position is the prediction after the last token, or refused. */
export const pendingLaws: readonly Law<BackendSubject>[] = [
  backendLaw({
    group,
    name: "predicts what follows the last token of a decode",
    why: "A block is split into batches, and the row of another token is easily read instead.",
    check: async (workbench) => {
      const batch = await workbench.use(({ capabilities }) => Promise.resolve(capabilities.batch));
      const sizes = new Set([2, 3, batch - 1, batch, batch + 1, FEW_CELLS]);
      for (const size of [...sizes].filter((count) => count >= 2 && count <= FEW_CELLS)) {
        const single = await workbench.predictAfter(async (backend) => {
          await backend.decode(workbench.text(backend, size - 1));
          await backend.decode(workbench.text(backend, size, { start: size - 1 }));
        });
        for (const options of [undefined, { scoreFrom: 1 }, { scoreFrom: size - 1 }]) {
          const block = await workbench.predictAfter((backend) =>
            backend.decode(workbench.text(backend, size), options),
          );
          const scored = options ? `scored from token ${options.scoreFrom}` : "not scored";
          workbench.demandSame(block, single, `after a block of ${size} tokens, ${scored}`);
        }
      }
    },
  }),
  refusedAfter("is refused before the first decode", [], () => Promise.resolve(), 0),
  refusedAfter("is refused after an eviction", ["reindex"], (backend) =>
    backend.evict([{ start: 2, end: 4 }]),
  ),
  refusedAfter("is refused after an eviction of everything", ["reindex"], (backend) =>
    backend.evict([{ start: 0, end: 8 }]),
  ),
  refusedAfter("is refused after an eviction of nothing", ["reindex"], (backend) => backend.evict([])),
  refusedAfter("is refused after a truncation", ["truncate"], (backend) => backend.truncate(4)),
  refusedAfter("is refused after a clear", [], (backend) => backend.clear()),
  backendLaw({
    group,
    name: "can be read again and again",
    why: "A policy, a score and a sampler may all want the same prediction.",
    check: (workbench) =>
      workbench.use(async (backend) => {
        await backend.decode(workbench.text(backend, 8));
        const first = await workbench.predict(backend);
        workbench.demandSame(await workbench.predict(backend), first, "when it is read a second time");
      }),
  }),
  backendLaw({
    group,
    name: "moves no sampler when a likelihood is read",
    why: "What is generated must not depend on whether somebody measures.",
    needs: ["nll", "seeded"],
    check: async (workbench) => {
      const plain = await drawBetweenReads(workbench, 0);
      workbench.demandEqual(await drawBetweenReads(workbench, 3), plain, "the tokens drawn between reads");
    },
  }),
];

function refusedAfter(
  name: string,
  needs: readonly Need[],
  change: (backend: KVCacheBackend<unknown>) => Promise<void>,
  decoded = 8,
): Law<BackendSubject> {
  return backendLaw({
    group,
    name,
    why: "An engine keeps the logits of its last decode, and would answer for cells that are gone.",
    needs: ["nll", ...needs],
    check: (workbench) =>
      workbench.use((backend) =>
        withSampler(backend, workbench.subject.greedy, async (sampler) => {
          if (decoded > 0) await backend.decode(workbench.text(backend, decoded));
          await change(backend);
          await workbench.demandRefusal(() => backend.nll(0), "empty", "a likelihood");
          await workbench.demandRefusal(() => sampler.sample(), "empty", "a draw");
          await backend.decode(workbench.text(backend, 1));
          await backend.nll(0);
          await sampler.sample();
        }),
      ),
  });
}

function drawBetweenReads(workbench: Workbench, reads: number): Promise<number[]> {
  return workbench.use(async (backend) => {
    const { vocabularySize } = backend.capabilities;
    await backend.decode(workbench.text(backend, 8));
    return withSampler(backend, workbench.subject.seeded, async (sampler) => {
      const drawn: number[] = [];
      for (let draw = 0; draw < 6; draw += 1) {
        for (let read = 0; read < reads; read += 1) await backend.nll(read % vocabularySize);
        drawn.push(await sampler.sample());
      }
      return drawn;
    });
  });
}
