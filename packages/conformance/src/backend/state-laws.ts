import type { KVCacheBackend } from "@kvpolicy/core";

import { Breach, demand } from "../breach.js";
import { hash } from "../hash.js";
import type { Law } from "../law.js";
import { FEW_CELLS, type BackendSubject } from "./subject.js";
import { backendLaw, type Workbench } from "./workbench.js";

const group = "saved state";
const needs = ["nll", "saved state"] as const;

/** Cells as bytes, and back. */
export const stateLaws: readonly Law<BackendSubject>[] = [
  backendLaw({
    group,
    name: "goes on from a saved state as if nothing had been done since",
    why: "A snapshot is a promise to be able to go back.",
    needs,
    check: (workbench) =>
      workbench.use(async (backend) => {
        const { state, next } = await save(workbench, backend);
        await backend.clear();
        await backend.decode(workbench.text(backend, 5, { seed: 1 }));
        await load(backend, state);
        await backend.decode(workbench.text(backend, 9, { start: 8 }));
        workbench.demandSame(await workbench.predict(backend), next, "after the state was loaded");
      }),
  }),
  backendLaw({
    group,
    name: "goes on in a second backend from the state of the first",
    why: "Snapshots outlive the process that took them.",
    needs,
    check: async (workbench) => {
      const { state, next } = await workbench.use((backend) => save(workbench, backend));
      const later = await workbench.predictAfter(async (backend) => {
        await load(backend, state);
        await backend.decode(workbench.text(backend, 9, { start: 8 }));
      });
      workbench.demandSame(later, next, "in the second backend");
    },
  }),
  backendLaw({
    group,
    name: "saves what an eviction has just moved",
    why: "An engine that moves its keys only at the next decode saves them where they were.",
    needs: [...needs, "reindex"],
    check: async (workbench) => {
      const evictAndSave = async (backend: KVCacheBackend<unknown>): Promise<Uint8Array> => {
        await backend.decode(workbench.text(backend, 8));
        await backend.evict([{ start: 1, end: 4 }]);
        return saveState(backend);
      };
      const decodeNext = (backend: KVCacheBackend<unknown>): Promise<unknown> =>
        backend.decode(workbench.text(backend, 9, { start: 8 }));
      const { state, next } = await workbench.use(async (backend) => {
        const saved = await evictAndSave(backend);
        await decodeNext(backend);
        return { state: saved, next: await workbench.predict(backend) };
      });
      const later = await workbench.predictAfter(async (backend) => {
        await load(backend, state);
        await decodeNext(backend);
      });
      workbench.demandSame(later, next, "after the state was loaded");
    },
  }),
  backendLaw({
    group,
    name: "is saved without losing the pending position",
    why: "A snapshot in the middle of a conversation must not disturb it.",
    needs,
    check: (workbench) =>
      workbench.use(async (backend) => {
        await backend.decode(workbench.text(backend, 8));
        const before = await workbench.predict(backend);
        await backend.saveState?.();
        workbench.demandSame(await workbench.predict(backend), before, "after the state was saved");
      }),
  }),
  backendLaw({
    group,
    name: "has nothing pending after a state was loaded",
    why: "The prediction that is left over belongs to other cells.",
    needs,
    check: (workbench) =>
      workbench.use(async (backend) => {
        const { state } = await save(workbench, backend);
        await load(backend, state);
        await workbench.demandRefusal(() => backend.nll(0), "empty", "a likelihood");
      }),
  }),
  backendLaw({
    group,
    name: "loads the same state again and again",
    why: "A snapshot is a place to come back to: its bytes may be neither changed nor transferred.",
    needs,
    check: (workbench) =>
      workbench.use(async (backend) => {
        const { state, next } = await save(workbench, backend);
        const bytes = state.join();
        for (const time of ["first", "second", "third"]) {
          await load(backend, state);
          await backend.decode(workbench.text(backend, 9, { start: 8 }));
          workbench.demandSame(await workbench.predict(backend), next, `after the ${time} load`);
          demand(state.join() === bytes, `the ${time} load changed the bytes`);
        }
      }),
  }),
  backendLaw({
    group,
    name: "evicts and scores after a load as before it",
    why: "Going on is more than one more token: positions and counts must be those of the cells that were loaded.",
    needs: [...needs, "reindex"],
    check: async (workbench) => {
      const goOn = (isLoaded: boolean): Promise<{ scores: Float64Array; next: Float64Array }> =>
        workbench.use(async (backend) => {
          await backend.decode(workbench.text(backend, 8));
          if (isLoaded) {
            const state = await saveState(backend);
            await backend.clear();
            await backend.decode(workbench.text(backend, 5, { seed: 1 }));
            await load(backend, state);
          }
          const first = await backend.decode(workbench.text(backend, 11, { start: 8 }), { scoreFrom: 1 });
          await backend.evict([
            { start: 1, end: 3 },
            { start: 6, end: 7 },
          ]);
          const second = await backend.decode(workbench.text(backend, 14, { start: 11 }), { scoreFrom: 1 });
          return {
            scores: Float64Array.of(...(first ?? []), ...(second ?? [])),
            next: await workbench.predict(backend),
          };
        });
      const never = await goOn(false);
      const loaded = await goOn(true);
      workbench.demandSameScores(loaded.scores, never.scores, "after the state was loaded");
      workbench.demandSame(loaded.next, never.next, "after the state was loaded");
    },
  }),
  refusesState(
    "refuses bytes that are no saved state, and changes nothing",
    "Files are cut short and mixed up: half a conversation is worse than none.",
    () => 8,
    (state) => ({
      "a state of no bytes": new Uint8Array(),
      "a state of 100 other bytes": Uint8Array.from({ length: 100 }, (_, index) => hash(3, index)),
      "the first half of a state": state.slice(0, state.length >> 1),
    }),
  ),
  refusesState(
    "refuses a state that does not fit, and changes nothing",
    "More cells than there is room for overwrite memory, or are lost without a word.",
    (capacity) => capacity + 1,
    (state) => ({ "a state of more cells than it holds": state }),
  ),
];

/** A law that a backend refuses a state with `config`, and that its pending prediction is the same afterwards. */
function refusesState(
  name: string,
  why: string,
  capacityOf: (capacity: number) => number,
  attemptsFrom: (state: Uint8Array) => Readonly<Record<string, Uint8Array>>,
): Law<BackendSubject> {
  return backendLaw({
    group,
    name,
    why,
    needs,
    check: (workbench) =>
      workbench.use(async (backend) => {
        const { capacity } = backend.capabilities;
        const cells = capacityOf(capacity);
        const most = workbench.settings.capacity;
        if (cells > most) {
          throw new Breach(
            `it takes ${cells} cells to try, because a backend of ${FEW_CELLS} has room for ${capacity}, and the suite may ask ` +
              `for ${most}. Raise \`capacity\` to ${cells}, or skip this law with a reason`,
          );
        }
        const state = await workbench.use(async (other) => {
          await other.decode(workbench.text(other, cells));
          return saveState(other);
        }, cells);
        await backend.decode(workbench.text(backend, 8));
        const before = await workbench.predict(backend);
        for (const [what, bytes] of Object.entries(attemptsFrom(state))) {
          await workbench.demandRefusal(() => load(backend, bytes), "config", what);
          workbench.demandSame(await workbench.predict(backend), before, `after ${what} was refused`);
        }
      }),
  });
}

/** The state of a backend after 8 tokens, and its prediction after the next. */
async function save(
  workbench: Workbench,
  backend: KVCacheBackend<unknown>,
): Promise<{ state: Uint8Array; next: Float64Array }> {
  await backend.decode(workbench.text(backend, 8));
  const state = await saveState(backend);
  await backend.decode(workbench.text(backend, 9, { start: 8 }));
  return { state, next: await workbench.predict(backend) };
}

async function saveState(backend: KVCacheBackend<unknown>): Promise<Uint8Array> {
  const state = await backend.saveState?.();
  if (!state) throw new Breach("saveState answered nothing");
  return state;
}

async function load(backend: KVCacheBackend<unknown>, state: Uint8Array): Promise<void> {
  await backend.loadState?.(state);
}
