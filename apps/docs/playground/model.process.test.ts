import { readFile } from "node:fs/promises";

import { createTokenizer, loadModel, openStream } from "@kvpolicy/reference-backend";
import { sinkWindow } from "@kvpolicy/sink-window";
import { tinyModels } from "@kvpolicy/tiny-models";
import { window } from "@kvpolicy/window";
import type { Locator, Page } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { seriousFindings } from "../testing/accessibility.js";
import { noBrowser, openSite, PHONE, type OpenPage, type Site } from "../testing/site.js";
import { cutExcerpt } from "./model/moby-dick.js";
import { formatNumber } from "./model/numbers.js";

const SHORT_TEXT = cutExcerpt().slice(0, 600);

function row(page: Page, policy: string): Locator {
  return page.getByRole("row").filter({ has: page.getByRole("rowheader", { name: policy, exact: true }) });
}

/** Milliseconds: a machine that does other work as well may be slow. */
const PATIENCE = 150_000;

/** What stands in the table, as text. */
async function cell(page: Page, policy: string, column: string): Promise<string> {
  return (await row(page, policy).locator(`[data-column="${column}"]`).innerText()).trim();
}

/** The table's figure; NaN while there is none. */
async function figure(page: Page, policy: string, column: string): Promise<number> {
  return Number.parseFloat((await cell(page, policy, column)).replace(",", ""));
}

/** Waits until all policies have read so many tokens. */
async function waitForTokens(page: Page, tokens: number): Promise<void> {
  const progress = page.getByRole("progressbar", { name: "Tokens read" });
  await expect
    .poll(async () => Number(await progress.getAttribute("value")), { timeout: PATIENCE, interval: 200 })
    .toBeGreaterThanOrEqual(tokens);
}

async function remove(page: Page, ...policies: readonly string[]): Promise<void> {
  for (const policy of policies)
    await page.getByRole("button", { name: `Remove ${policy}`, exact: true }).click();
}

async function readOwnText(page: Page, text: string): Promise<void> {
  await page.getByLabel("Text", { exact: true }).selectOption("own");
  await page.getByLabel("Your text").fill(text);
}

/** Perplexity of the short text from stream position `budget` on, computed here. */
async function perplexityInNode(policy: ReturnType<typeof window>, budget: number): Promise<number> {
  const model = await loadModel(await readFile(tinyModels.sink.url));
  await using stream = openStream(model, { policy, budget });
  const first = stream.position;
  const nlls = await stream.score(createTokenizer(model.metadata).encode(SHORT_TEXT));
  const counted = nlls.subarray(budget - first);
  return Math.exp(counted.reduce((sum, nll) => sum + nll, 0) / counted.length);
}

describe.skipIf(noBrowser !== undefined)(
  `the model of the playground${noBrowser === undefined ? "" : `: ${noBrowser}`}`,
  () => {
    let site: Site;
    beforeAll(async () => {
      site = await openSite();
    });
    afterAll(() => site[Symbol.asyncDispose]());

    async function open(options: Parameters<Site["open"]>[1] = {}): Promise<OpenPage> {
      const opened = await site.open("playground#model", options);
      opened.page.setDefaultTimeout(PATIENCE);
      await opened.page.getByRole("button", { name: "Start", exact: true }).waitFor();
      return opened;
    }

    test("shows the sink, also without a network", async () => {
      await using opened = await open();
      const { page } = opened;
      await page.getByRole("button", { name: "Start", exact: true }).click();
      await page.locator(".chart .lines path").first().waitFor();
      const seconds = ((await page.evaluate(() => performance.now())) / 1000).toFixed(1);
      console.log(`from navigation to the first point of the curve: ${seconds} s`);

      await waitForTokens(page, 144);
      await page.waitForLoadState("networkidle");
      await page.context().setOffline(true);
      await waitForTokens(page, 168);
      await page.getByRole("button", { name: "Pause" }).click();
      await page
        .getByText(/^Paused, \d+ of 1,000 tokens\.$/)
        .first()
        .waitFor();

      expect(await figure(page, "window", "Ratio")).toBeGreaterThan(1.5);
      expect(await figure(page, "recompute", "Ratio")).toBeCloseTo(1, 1);
      expect(await cell(page, "sink-window", "Ratio")).toBe("1.00×");
      expect(await cell(page, "sink-window", "Evaluated")).toBe("1.00");
      expect(await figure(page, "recompute", "Evaluated")).toBeGreaterThan(60);
      expect(await figure(page, "window", "Tokens/s")).toBeGreaterThan(
        await figure(page, "recompute", "Tokens/s"),
      );
      await page.getByRole("img", { name: /^Perplexity of the last 64 tokens .*; sink-window / }).waitFor();

      await page
        .getByRole("img", { name: /^Attention of sink-window in layer 0, head 0.* gets [678]\d % of it/ })
        .waitFor();
      await page.getByRole("img", { name: /^Attention of window in layer 0/ }).waitFor();
      await page.getByLabel("Attention under").selectOption({ label: "recompute" });
      await page
        .getByRole("img", { name: /^Attention of recompute in layer 0, head 0.* gets [678]\d % of it/ })
        .waitFor();

      await page.getByRole("combobox", { name: "Model" }).selectOption("plain");
      await remove(page, "dense", "recompute");
      await page.getByRole("button", { name: "Start", exact: true }).click();
      await waitForTokens(page, 300);
      expect(await figure(page, "window", "Ratio")).toBeCloseTo(1, 1);
      expect(opened.problems).toEqual([]);
    });

    test("computes what Node computes, and shows what a policy refuses in its row", async () => {
      await using opened = await open();
      const { page } = opened;
      await remove(page, "dense", "recompute");
      await page.getByRole("button", { name: "Add a policy" }).click();
      await page.getByLabel("Policy", { exact: true }).selectOption("sink-window");
      await page.getByLabel("Sinks").fill("70");
      await page.getByRole("button", { name: "Add sink-window (sinks 70)" }).click();
      await readOwnText(page, SHORT_TEXT);
      await page.getByLabel("Budget, in cells").fill("64");
      await page.getByLabel("Stride").first().fill("4");
      await page.getByRole("button", { name: "Start", exact: true }).click();
      await page
        .getByText(/^Complete: \d+ tokens\.$/)
        .first()
        .waitFor();

      const expected = {
        window: await perplexityInNode(window({ stride: 4 }), 64),
        "sink-window": await perplexityInNode(sinkWindow({ stride: 4 }), 64),
      };
      expect(await cell(page, "window", "Perplexity")).toBe(formatNumber(expected.window));
      expect(await cell(page, "sink-window", "Perplexity")).toBe(formatNumber(expected["sink-window"]));
      expect(await row(page, "sink-window (sinks 70)").innerText()).toContain("Stopped (config)");
      expect(opened.problems).toEqual([]);
    });

    test("can be used by keyboard alone", async () => {
      await using opened = await open();
      const { page } = opened;
      await page.getByRole("tab", { name: "Model" }).focus();
      await page.keyboard.press("Tab");
      expect(await page.evaluate(() => document.activeElement?.textContent.trim())).toBe("Start");
      await page.keyboard.press("Enter");
      await waitForTokens(page, 64);
      await page.keyboard.press("Enter");
      await page
        .getByText(/^Paused, /)
        .first()
        .waitFor();

      const heads = page.getByRole("group", { name: "By layer and head; choose one to see it" });
      await heads.first().getByRole("radio", { checked: true }).focus();
      await page.keyboard.press("ArrowRight");
      await page.getByRole("img", { name: /^Attention of window in layer 0, head 1,/ }).waitFor();
      await page.getByRole("img", { name: /^Attention of sink-window in layer 0, head 1,/ }).waitFor();
      expect(opened.problems).toEqual([]);
    });

    test("says what cannot be read", async () => {
      await using opened = await open();
      const { page } = opened;
      await readOwnText(page, "");
      await page.getByText("There is nothing to read: write or paste a text.").waitFor();
      expect(await page.getByRole("button", { name: "Start", exact: true }).isDisabled()).toBe(true);
      await page.getByLabel("Your text").fill("Call me Ishmael.");
      await page.getByText(/The text has \d+ tokens and the cache 128 cells: it is never full/).waitFor();
      await page.getByLabel("Budget, in cells").fill("1000");
      await page.getByLabel("Budget, in cells").press("Tab");
      await page.getByText("The budget must be a whole number from 16 to 256").waitFor();
      // Refused settings change nothing: the reading that is shown is the one before.
      expect(await page.locator(".perplexities caption").innerText()).toContain(
        "From stream position 128 on",
      );
      expect(opened.problems).toEqual([]);
    });

    test("begins again when the worker's script could not be fetched", async () => {
      await using opened = await site.open("playground");
      const { page } = opened;
      page.setDefaultTimeout(PATIENCE);
      await page.context().route(/model\.worker/, (route) => route.abort(), { times: 1 });
      await page.getByRole("tab", { name: "Model" }).click();
      await page.getByText("The worker could not be started.").first().waitFor();

      await page.getByRole("button", { name: "Reset" }).click();
      await page.getByText("Ready: 1,000 tokens.").first().waitFor();
      await page.getByRole("button", { name: "Start", exact: true }).click();
      await page.getByRole("img", { name: /^Attention of sink-window in layer 0, head 0/ }).waitFor();
      await waitForTokens(page, 16);
      expect(page.workers()).toHaveLength(1);
    });

    test("leaves no worker behind", async () => {
      await using opened = await open();
      const { page } = opened;
      await page.getByRole("button", { name: "Start", exact: true }).click();
      await waitForTokens(page, 16);
      expect(page.workers()).toHaveLength(1);
      await page.getByRole("navigation").getByRole("link", { name: "Guide" }).first().click();
      await page.waitForURL(/guide/);
      await expect.poll(() => page.workers(), { timeout: PATIENCE }).toHaveLength(0);
      expect(opened.problems).toEqual([]);
    });

    test.each(["light", "dark"] as const)(
      "keeps nobody out, on a phone in the %s theme",
      async (colorScheme) => {
        await using opened = await open({ colorScheme, viewport: PHONE, reducedMotion: "reduce" });
        const { page } = opened;
        await remove(page, "recompute");
        await page.getByRole("button", { name: "Start", exact: true }).click();
        await waitForTokens(page, 200);
        await page.getByRole("button", { name: "Pause" }).click();
        await page.getByRole("button", { name: "Add a policy" }).click();
        expect(await seriousFindings(page)).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(
          PHONE.width,
        );
        expect(opened.problems).toEqual([]);
      },
    );
  },
);
