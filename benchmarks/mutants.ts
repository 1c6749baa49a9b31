/**
 * Backends with a known fault, and the laws that find it: how far each is off, in multiples of what the suite tolerates. The
 * faults are those of the reference backend's tests.
 */
import { backendLaws, brokenLaws } from "@kvpolicy/conformance";
import { maskedForward } from "@kvpolicy/reference-backend";
import fc from "fast-check";

import { cases, loadCase } from "../packages/reference-backend/testing/cases.js";
import { mutants } from "../packages/reference-backend/testing/mutants.js";
import { round, writeFigures } from "./shared.js";

const SEED = 1;
fc.configureGlobal({ seed: SEED });

const exactness = backendLaws.filter(({ group }) => group === "exactness");
const figures = [];
for (const { fault, caughtBy, model: name = "llama", create } of mutants) {
  const options = cases.find((one) => one.name === name);
  if (!options) throw new Error(`there is no case ${name}`);
  const model = await loadCase(options);
  const broken = await brokenLaws(exactness, {
    name: fault,
    create: ({ capacity }) => Promise.resolve(create(model, capacity)),
    oracle: (trace, rows) => maskedForward(model, trace, rows),
    runs: 5,
  });
  const found = broken.find(({ law }) => law === caughtBy);
  const [measured, tolerance] = [found?.measured ?? NaN, found?.tolerance ?? NaN];
  figures.push({
    fault,
    model: name,
    caughtBy,
    measured: round(measured),
    tolerance,
    timesTheTolerance: round(measured / tolerance),
    alsoBroken: broken.map(({ law }) => law).filter((law) => law !== caughtBy),
  });
}
await writeFigures("mutants", ["mutants.ts"], { seed: SEED, figures });
