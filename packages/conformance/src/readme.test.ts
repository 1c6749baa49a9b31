import { expect, test } from "vitest";

import readme from "../README.md?raw";
import { backendLaws, policyLaws } from "./index.js";

const groups = new Set([...policyLaws, ...backendLaws].map(({ group }) => group));

test("the README lists every law, in order, with what it takes", () => {
  const cells = readme.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
  const rows = cells
    .filter(([, group]) => groups.has(group ?? ""))
    .map(([, group, name, needs]) => `${group}: ${name} (${needs ?? ""})`);
  expect(rows).toEqual(
    [...policyLaws, ...backendLaws].map(
      ({ group, name, needs }) => `${group}: ${name} (${needs.join(", ")})`,
    ),
  );
});
