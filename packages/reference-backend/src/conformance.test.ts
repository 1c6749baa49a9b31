import { backendSuite } from "@kvpolicy/conformance";
import { describe, test } from "vitest";

import { cases, loadCase } from "../testing/cases.js";
import { maskedForward, ReferenceBackend } from "./index.js";

for (const options of cases) {
  const loading = loadCase(options);
  backendSuite(
    { describe, test },
    {
      name: `the reference backend on a random model: ${options.name}`,
      create: async ({ capacity, batch }) => new ReferenceBackend(await loading, { capacity, batch }),
      oracle: async (trace, rows) => maskedForward(await loading, trace, rows),
      greedy: { temperature: 0 },
      seeded: { temperature: 1, seed: 1 },
      reseeded: { temperature: 1, seed: 2 },
      tolerance: { logits: 1e-10, nll: 1e-9 },
    },
  );
}
