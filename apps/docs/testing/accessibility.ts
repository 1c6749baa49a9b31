import { createRequire } from "node:module";

import type { AxeResults } from "axe-core";
import type { Page } from "playwright";

const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** What axe finds that keeps people out: its findings of impact `serious` and `critical`, each as one line of text. */
export async function seriousFindings(page: Page): Promise<string[]> {
  await page.addScriptTag({ path: axe });
  const results = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  );
  return results.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id}: ${target.join(" ")}: ${failureSummary ?? ""}`),
    );
}
