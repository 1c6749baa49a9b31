import { cellContent, FakeBackend, predictNll, type FakeSampling } from "@kvpolicy/core/testing";

import type { BackendSubject, Oracle } from "../src/index.js";

const VOCABULARY = 100;

/** What the fake predicts, worked out from its two hash functions alone. */
const fakeOracle: Oracle = ({ tokens, visible }, rows) => {
  const contents: number[] = [];
  visible.forEach((seen, row) => {
    contents.push(
      cellContent(
        [...seen.subarray(0, -1)].map((other) => contents[other]!),
        tokens[row]!,
      ),
    );
  });
  return rows.map((row) => {
    const cells = [...visible[row]!].map((other) => contents[other]!);
    return Float64Array.from({ length: VOCABULARY }, (_, token) => -predictNll(cells, token));
  });
};

/** The fake backend as a subject: sound, with an exact oracle. */
export const fakeSubject: BackendSubject<FakeSampling> = {
  name: "the fake backend",
  create: ({ capacity, batch }) => new FakeBackend({ capacity, batch, vocabularySize: VOCABULARY }),
  oracle: fakeOracle,
  greedy: { temperature: 0 },
  seeded: { seed: 5 },
  reseeded: { seed: 6 },
};
