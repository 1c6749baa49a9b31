import type { KVCacheBackend } from "@kvpolicy/core";

import { demand } from "../breach.js";
import type { Law } from "../law.js";
import type { BackendSubject } from "./subject.js";
import { backendLaw, type Need } from "./workbench.js";

const group = "refusals";

/** Cells in use when something impossible is asked. */
const CELLS = 10;

type Attempts = Readonly<Record<string, (backend: KVCacheBackend<unknown>) => unknown>>;

const evict =
  (...bounds: readonly (readonly [start: number, end: number])[]) =>
  (backend: KVCacheBackend<unknown>): Promise<void> =>
    backend.evict(bounds.map(([start, end]) => ({ start, end })));

/** What cannot be done is refused before anything is changed. */
export const refusalLaws: readonly Law<BackendSubject>[] = [
  backendLaw({
    group,
    name: "holds as many cells as it says, and not one more",
    why: "A budget is sized to the capacity: one cell less fails in the middle of a stream, one more may overwrite memory.",
    check: (workbench) =>
      workbench.use(async (backend) => {
        const { capacity } = backend.capabilities;
        const text = workbench.text(backend, 2 * capacity);
        await backend.decode(text.subarray(0, capacity - 1));
        const before = await workbench.predict(backend);
        for (const cells of [capacity + 1, 2 * capacity]) {
          const { details } = await workbench.demandRefusal(
            () => backend.decode(text.subarray(capacity - 1, cells)),
            "range",
            `a decode to ${cells} cells`,
          );
          demand(
            details.value === cells && details.maximum === capacity,
            `the refusal says ${details.value} of ${details.maximum} cells where ${cells} of ${capacity} were asked for`,
          );
          workbench.demandSame(await workbench.predict(backend), before, "after the refusal");
        }
        await backend.decode(text.subarray(capacity - 1, capacity));
        await workbench.demandRefusal(
          () => backend.decode(text.subarray(capacity, capacity + 1)),
          "range",
          `a token into a full cache of ${capacity} cells`,
        );
        await backend.nll(0);
      }),
  }),
  refuses(
    "refuses ranges that cannot be evicted, and changes nothing",
    "Native code may end the process, or move the wrong cells without a word.",
    ["reindex"],
    () => ({
      "a reversed range": evict([6, 4]),
      "an empty range": evict([4, 4]),
      "a range past the end": evict([8, CELLS + 1]),
      "a range behind the end": evict([CELLS, CELLS + 1]),
      "a negative range": evict([-1, 2]),
      "a fractional start": evict([0.5, 2]),
      "a fractional end": evict([1, 2.5]),
      "a bound that is no number": evict([NaN, 2]),
      "a valid range and one that overlaps it": evict([1, 4], [3, 6]),
      "a valid range and one before it": evict([5, 7], [1, 2]),
      "a valid range and one past the end": evict([0, 2], [8, CELLS + 1]),
    }),
  ),
  refuses(
    "refuses lengths that cannot be truncated to, and changes nothing",
    "Native code may end the process, or drop every cell without a word.",
    ["truncate"],
    () => ({
      "a truncation to nothing": (backend) => backend.truncate(0),
      "a truncation to more than there is": (backend) => backend.truncate(CELLS + 1),
      "a truncation to a negative length": (backend) => backend.truncate(-1),
      "a truncation to a fraction": (backend) => backend.truncate(2.5),
    }),
  ),
  refuses(
    "refuses tokens outside the vocabulary, and changes nothing",
    "Native code reads beyond its embeddings.",
    [],
    ({ vocabularySize }) => ({
      "a decode of the token after the last": (backend) => backend.decode(Uint32Array.of(0, vocabularySize)),
      "a decode of the largest number": (backend) => backend.decode(Uint32Array.of(2 ** 32 - 1)),
      "the likelihood of the token after the last": (backend) => backend.nll(vocabularySize),
      "the likelihood of a negative token": (backend) => backend.nll(-1),
      "the likelihood of a fractional token": (backend) => backend.nll(0.5),
    }),
  ),
  refuses(
    "refuses to decode nothing, and changes nothing",
    "There would be no last token to predict from.",
    [],
    () => ({
      "a decode of no tokens": (backend) => backend.decode(new Uint32Array()),
    }),
  ),
  refuses(
    "refuses scores that do not exist, and changes nothing",
    "Nothing predicts the first token of a decode: its score would be another token's.",
    [],
    () =>
      Object.fromEntries(
        [0, 3, 4, -1, 1.5, NaN].map((scoreFrom) => [
          `a decode of 3 tokens scored from ${scoreFrom}`,
          (backend: KVCacheBackend<unknown>) => backend.decode(Uint32Array.of(0, 0, 0), { scoreFrom }),
        ]),
      ),
  ),
  backendLaw({
    group,
    name: "refuses what its capabilities say it cannot do",
    why: "A capability says why not; what happens all the same may end the process.",
    needs: [],
    check: (workbench) =>
      workbench.use(async (backend) => {
        const { reindex, truncate, nll } = backend.capabilities;
        await backend.decode(workbench.text(backend, CELLS));
        const attempts: [Capability: unknown, what: string, () => unknown][] = [
          [reindex, "an eviction", () => backend.evict([{ start: 0, end: 1 }])],
          [truncate, "a truncation", () => backend.truncate(1)],
          [nll, "a likelihood", () => backend.nll(0)],
          [nll, "a scored decode", () => backend.decode(workbench.text(backend, 2), { scoreFrom: 1 })],
        ];
        for (const [capability, what, call] of attempts) {
          if (capability !== true) await workbench.demandRefusal(call, "unsupported", what);
        }
      }),
  }),
];

/** A law that attempts are refused with `range`, and that the next predictions are those of a backend that saw no attempt. */
function refuses(
  name: string,
  why: string,
  needs: readonly Need[],
  attemptsFor: (capabilities: KVCacheBackend<unknown>["capabilities"]) => Attempts,
): Law<BackendSubject> {
  return backendLaw({
    group,
    name,
    why,
    needs: ["nll", ...needs],
    check: async (workbench) => {
      const undisturbed = await workbench.predictAfter(async (backend) => {
        await backend.decode(workbench.text(backend, CELLS));
        await backend.decode(workbench.text(backend, CELLS + 1, { start: CELLS }));
      });
      await workbench.use(async (backend) => {
        await backend.decode(workbench.text(backend, CELLS));
        const before = await workbench.predict(backend);
        for (const [what, attempt] of Object.entries(attemptsFor(backend.capabilities))) {
          await workbench.demandRefusal(() => attempt(backend), "range", what);
          workbench.demandSame(await workbench.predict(backend), before, `after ${what} was refused`);
        }
        await backend.decode(workbench.text(backend, CELLS + 1, { start: CELLS }));
        workbench.demandSame(
          await workbench.predict(backend),
          undisturbed,
          "of the token after the refusals",
        );
      });
    },
  });
}
