import { demand } from "../breach.js";
import type { Law } from "../law.js";
import { FEW_CELLS, type BackendSubject } from "./subject.js";
import { backendLaw } from "./workbench.js";

const group = "life";

/** From its creation to its end. */
export const lifeLaws: readonly Law<BackendSubject>[] = [
  backendLaw({
    group,
    name: "says honestly what it offers",
    why: "Budgets, batches and tokens are checked against these numbers.",
    needs: [],
    check: (workbench) =>
      workbench.use((backend) => {
        const { capacity, batch, vocabularySize, ...abilities } = backend.capabilities;
        for (const [name, value] of Object.entries({ capacity, batch, vocabularySize })) {
          demand(Number.isSafeInteger(value) && value > 0, `${name} is ${value}, no positive whole number`);
        }
        demand(capacity >= FEW_CELLS, `it was asked for ${FEW_CELLS} cells and has ${capacity}`);
        for (const name of ["reindex", "truncate", "nll", "attention", "keys"] as const) {
          const ability: unknown = abilities[name];
          const isSaid = ability === true || (typeof ability === "string" && ability.trim() !== "");
          demand(isSaid, `${name} is ${String(ability)}, neither true nor why not in words`);
        }
        return Promise.resolve();
      }),
  }),
  backendLaw({
    group,
    name: "shares nothing with another backend",
    why: "Two conversations on one model would read each other's cells.",
    check: async (workbench) => {
      const alone = await workbench.predictAfter(async (backend) => {
        await backend.decode(workbench.text(backend, 8));
        await backend.decode(workbench.text(backend, 9, { start: 8 }));
      });
      await workbench.use((first) =>
        workbench.use(async (second) => {
          await first.decode(workbench.text(first, 8));
          await second.decode(workbench.text(second, 5, { seed: 1 }));
          await first.nll(0);
          await first.decode(workbench.text(first, 9, { start: 8 }));
          await second.clear();
          workbench.demandSame(await workbench.predict(first), alone, "beside another backend");
        }),
      );
      const later = await workbench.predictAfter(async (backend) => {
        await backend.decode(workbench.text(backend, 8));
        await backend.decode(workbench.text(backend, 9, { start: 8 }));
      });
      workbench.demandSame(later, alone, "of a backend made after another was disposed");
    },
  }),
  backendLaw({
    group,
    name: "refuses every call after dispose",
    why: "The memory is gone: a read of it ends the process or answers nonsense.",
    needs: [],
    check: (workbench) =>
      workbench.use(async (backend) => {
        const text = workbench.text(backend, 2);
        await backend.decode(text);
        const sampler = backend.createSampler(workbench.subject.greedy);
        await backend.dispose();
        const calls: Readonly<Record<string, () => unknown>> = {
          decode: () => backend.decode(text),
          "a scored decode": () => backend.decode(text, { scoreFrom: 1 }),
          nll: () => backend.nll(0),
          createSampler: () => backend.createSampler(workbench.subject.greedy),
          "a draw": () => sampler.sample(),
          evict: () => backend.evict([{ start: 0, end: 1 }]),
          truncate: () => backend.truncate(1),
          clear: () => backend.clear(),
          ...(backend.saveState && { saveState: () => backend.saveState?.() }),
          ...(backend.loadState && { loadState: () => backend.loadState?.(new Uint8Array()) }),
        };
        for (const [what, call] of Object.entries(calls))
          await workbench.demandRefusal(call, "disposed", what);
        sampler.dispose();
      }),
  }),
  backendLaw({
    group,
    name: "may be disposed twice",
    why: "A stream that fails while it opens and its owner may both clean up.",
    needs: [],
    check: (workbench) =>
      workbench.use(async (backend) => {
        await backend.dispose();
        await backend.dispose();
      }),
  }),
];
