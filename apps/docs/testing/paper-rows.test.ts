import { readFileSync } from "node:fs";

import { describe, expect, test } from "vitest";

/** A row of the report of `kvpolicy reproduce`, as far as the guide quotes it. */
interface Row {
  readonly source: string;
  readonly claim: string;
  readonly paper: string;
  readonly ours: string;
  readonly verdict: string;
}

const results = JSON.parse(
  readFileSync(
    new URL("../../../benchmarks/results/reproduce-SmolLM2-135M-Instruct.Q4_1/results.json", import.meta.url),
    "utf8",
  ),
) as { experiments: { experiment: string; rows: readonly Row[] }[] };
const rows = results.experiments.find(({ experiment }) => experiment === "reproduce")!.rows;
const guide = readFileSync(new URL("../guide/the-paper.md", import.meta.url), "utf8");
const lines = guide.split("\n").map((line) => line.replaceAll(/ +/g, " "));

describe("the guide on the paper quotes the committed results of reproduce", () => {
  test.each(rows.map((row) => [row.claim, row] as const))(
    "%s",
    (_, { source, claim, paper, ours, verdict }) => {
      const start = `| **${source}.** ${claim} _${paper}_ | ${ours} | **${verdict}**`;
      expect(lines.filter((line) => line.startsWith(start))).toHaveLength(1);
    },
  );

  test("and how many rows have which verdict", () => {
    const count = (wanted: string): number => rows.filter(({ verdict }) => verdict === wanted).length;
    expect(guide).toContain(
      `${count("reproduced")} rows are reproduced, ${count("not reproduced")} is not, and ${count("not comparable")} are not comparable`,
    );
  });
});
