import type { KVCacheBackend, Sampler } from "@kvpolicy/core";

import { Breach, demand } from "../breach.js";
import type { Law } from "../law.js";
import type { BackendSubject } from "./subject.js";
import { backendLaw, withSampler, type Workbench } from "./workbench.js";

const group = "sampling";
const TEXTS = 8;
const DRAWS = 64;

/** What a sound sampler does less often than this in a suite is a fault. */
const UNLIKELY = 1e-9;

/** Samplers draw from the pending position, each on its own. */
export const samplingLaws: readonly Law<BackendSubject>[] = [
  backendLaw({
    group,
    name: "draws the likeliest token at temperature 0",
    why: "A sampler that reads another row, or another id, still writes text: only the likelihoods tell.",
    needs: ["nll", "greedy"],
    check: (workbench) =>
      workbench.use((backend) =>
        withSampler(backend, workbench.subject.greedy, async (sampler) => {
          await onTexts(workbench, backend, async () => {
            const token = await draw(backend, sampler);
            const nll = await backend.nll(token);
            for (const probe of workbench.probes(backend)) {
              const other = await backend.nll(probe);
              const what = `token ${token} is drawn although token ${probe} is likelier: the difference in nats`;
              if (!(nll <= other)) workbench.demandWithin(nll - other, workbench.tolerance.nll, what);
            }
          });
        }),
      ),
  }),
  backendLaw({
    group,
    name: "draws the same from the same seed, whatever other samplers do",
    why: "A generation must be repeatable beside others, and after others have ended.",
    needs: ["seeded"],
    check: (workbench) =>
      workbench.use(async (backend) => {
        const { seeded } = workbench.subject;
        await backend.decode(workbench.text(backend, 8));
        await withSampler(backend, seeded, async (lasting) => {
          const early = await withSampler(backend, seeded, (first) => drawSeveral(backend, first, 4));
          const drawn = await drawSeveral(backend, lasting, 8);
          workbench.demandEqual(drawn.slice(0, 4), early, "the tokens of a second sampler");
          const later = await withSampler(backend, seeded, (third) => drawSeveral(backend, third, 8));
          workbench.demandEqual(later, drawn, "the tokens of a third sampler");
        });
      }),
  }),
  backendLaw({
    group,
    name: "draws at random when it is told to",
    why: "A temperature that is ignored makes every generation the same.",
    needs: ["nll", "seeded"],
    check: (workbench) =>
      demandChance(workbench, "it always drew the same token", async (backend) => {
        const drawn = await withSampler(backend, workbench.subject.seeded, (sampler) =>
          drawSeveral(backend, sampler, DRAWS),
        );
        return new Set(drawn).size > 1 ? undefined : drawn;
      }),
  }),
  backendLaw({
    group,
    name: "draws other tokens from another seed",
    why: "A seed that is ignored gives everyone the same text.",
    needs: ["nll", "seeded", "reseeded"],
    check: (workbench) =>
      demandChance(workbench, "it drew the same tokens from both seeds", async (backend) => {
        const { seeded, reseeded } = workbench.subject;
        const drawWith = (options: unknown): Promise<number[]> =>
          withSampler(backend, options, (sampler) => drawSeveral(backend, sampler, DRAWS));
        const drawn = await drawWith(seeded);
        return (await drawWith(reseeded)).join() === drawn.join() ? drawn : undefined;
      }),
  }),
  backendLaw({
    group,
    name: "refuses a draw after the sampler's dispose",
    why: "The memory is gone: a read of it ends the process or answers nonsense.",
    needs: [],
    check: (workbench) =>
      workbench.use(async (backend) => {
        const { greedy } = workbench.subject;
        await backend.decode(workbench.text(backend, 8));
        const sampler = backend.createSampler(greedy);
        await draw(backend, sampler);
        sampler.dispose();
        const { details } = await workbench.demandRefusal(() => sampler.sample(), "disposed", "a draw");
        demand(details.what === "sampler", `the refusal says that the ${details.what} was disposed`);
        await withSampler(backend, greedy, (other) => draw(backend, other));
      }),
  }),
];

/** Does something at the pending position after each of a few texts. */
async function onTexts(
  workbench: Workbench,
  backend: KVCacheBackend<unknown>,
  task: () => Promise<void>,
): Promise<void> {
  for (let seed = 0; seed < TEXTS; seed += 1) {
    await backend.clear();
    await backend.decode(workbench.text(backend, 8, { seed }));
    await task();
  }
}

/**
 * Draws after each of a few texts. `suspect` answers draws that look as if nothing was random, and nothing as soon as they do not.
 *
 * @throws {Breach} when all are suspect, and a sound sampler hardly ever draws them.
 */
function demandChance(
  workbench: Workbench,
  problem: string,
  suspect: (backend: KVCacheBackend<unknown>) => Promise<readonly number[] | undefined>,
): Promise<void> {
  return workbench.use(async (backend) => {
    // A vocabulary of a single token leaves no choice.
    let isSound = backend.capabilities.vocabularySize === 1;
    let nats = 0;
    await onTexts(workbench, backend, async () => {
      const drawn = isSound ? undefined : await suspect(backend);
      isSound = drawn === undefined;
      for (const token of drawn ?? []) nats += await backend.nll(token);
    });
    const chance = Math.exp(-nats);
    demand(isSound || chance > UNLIKELY, `${problem}, which has a chance of ${chance}`);
  });
}

async function drawSeveral(
  backend: KVCacheBackend<unknown>,
  sampler: Sampler,
  count: number,
): Promise<number[]> {
  const drawn: number[] = [];
  while (drawn.length < count) drawn.push(await draw(backend, sampler));
  return drawn;
}

/** @throws {Breach} when what is drawn is no token id. */
async function draw(
  { capabilities: { vocabularySize } }: KVCacheBackend<unknown>,
  sampler: Sampler,
): Promise<number> {
  const token = await sampler.sample();
  if (Number.isSafeInteger(token) && token >= 0 && token < vocabularySize) return token;
  throw new Breach(`it drew ${String(token)}, which is no token id`);
}
