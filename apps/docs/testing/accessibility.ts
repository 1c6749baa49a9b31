import { createRequire } from "node:module";

import type { AxeResults } from "axe-core";
import type { Page } from "playwright";

const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** What axe finds that keeps people out: its findings of impact `serious` and `critical`, one line of text for each rule. */
export async function seriousFindings(page: Page): Promise<string[]> {
  await page.addScriptTag({ path: axe });
  const results = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  );
  return (
    results.violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      // Of VitePress's search button axe reads "SearchK", its text and its shortcut in one word, which no name contains.
      .filter(
        ({ id, nodes }) =>
          id !== "label-content-name-mismatch" || nodes.some(({ target }) => !isSearchButton(target)),
      )
      .map(
        ({ id, nodes }) => `${id}, ${nodes.length} times: ${nodes.slice(0, 3).map(describeNode).join(" | ")}`,
      )
  );
}

function describeNode({
  target,
  failureSummary = "",
}: AxeResults["violations"][number]["nodes"][number]): string {
  return `${target.join(" ")}: ${failureSummary.replaceAll(/\s+/g, " ")}`;
}

function isSearchButton(target: AxeResults["violations"][number]["nodes"][number]["target"]): boolean {
  return target.length === 1 && target[0] === ".DocSearch";
}
