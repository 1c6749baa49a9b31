import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { tinyModels } from "@kvpolicy/tiny-models";
import type { Locator, Page } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { seriousFindings } from "../testing/accessibility.js";
import { noBrowser, openSite, PHONE, type OpenPage, type Site } from "../testing/site.js";
import { noWebKit, openWebKit } from "../testing/webkit.js";

const PATH = "playground#your-policy";
const STORED = "kvpolicy.your-policy.v1";
const UNENDED = "kvpolicy.your-policy.run";

/** The whole policy in one line, whose last cell to leave can be chosen. */
function fifo(end = "required", name = "typed"): string {
  return `import { definePolicy } from "@kvpolicy/core"; export default definePolicy({ name: "${name}", requires: ["reindex"], plan: ({ required, length }) => ({ evict: [{ start: 0, end: ${end} }], survivors: "reuse" }) });`;
}

const ENDLESS = fifo().replace("plan: ", "plan: () => {\nfor (;;);\n}, other: ");

function editorOf(page: Page): Locator {
  return page.getByRole("textbox", { name: "Code of your policy, in JavaScript" });
}

function lawOf(page: Page, name: string): Locator {
  return page.locator(".law-list li").filter({ hasText: name });
}

function problemOf(page: Page): Locator {
  return page.locator(".your-policy-code > .pg-error");
}

/** Waits until the laws were tried, and answers the sentence that says so. */
async function summaryOf(page: Page): Promise<string> {
  const summary = page.locator(".law-list").getByRole("status");
  await summary.filter({ hasText: /\d+ laws: / }).waitFor({ timeout: 60_000 });
  return summary.innerText();
}

/** Puts code in place of what is there and runs it, with the keyboard alone. */
async function run(page: Page, code: string, { byKey = false } = {}): Promise<void> {
  await editorOf(page).focus();
  await page.keyboard.press("ControlOrMeta+a");
  if (byKey) await page.keyboard.type(code);
  else await page.keyboard.insertText(code);
  await page.keyboard.press("ControlOrMeta+Enter");
}

/** Perplexities by policy, once all have been read. */
async function perplexitiesOf(page: Page): Promise<Map<string, number>> {
  const rows = page.locator(".model-table tbody tr");
  await page.waitForFunction(
    () => document.querySelectorAll(".model-table tbody td").length === 16,
    undefined,
    {
      timeout: 120_000,
    },
  );
  const cells = await rows.evaluateAll((all) =>
    all.map(
      (row) =>
        [row.querySelector("th")?.textContent ?? "", Number(row.querySelector("td")?.textContent)] as const,
    ),
  );
  return new Map(cells);
}

describe.skipIf(noBrowser !== undefined)(
  `a policy of one's own in the playground${noBrowser === undefined ? "" : `: ${noBrowser}`}`,
  () => {
    let site: Site;
    beforeAll(async () => {
      site = await openSite();
    });
    afterAll(() => site[Symbol.asyncDispose]());

    /** Opens the page, and waits until everything has come that it will ever need. */
    async function open(options: Parameters<Site["open"]>[1] = {}): Promise<OpenPage> {
      const opened = await site.open(PATH, options);
      await editorOf(opened.page).waitFor();
      await opened.page.locator(".law-list li").first().waitFor();
      await opened.page.waitForFunction(() =>
        performance.getEntriesByType("resource").some(({ name }) => name.endsWith(".gguf")),
      );
      return opened;
    }

    test("is typed, held to the laws and read with the model, without a network", async () => {
      await using opened = await open();
      const { page, problems } = opened;
      await page.context().setOffline(true);
      await run(page, fifo(), { byKey: true });
      expect(await summaryOf(page)).toBe("21 laws: 15 hold, 6 do not apply.");
      await expect
        .poll(() => page.locator(".cells-pictures").innerText())
        .toMatch(/typed[\s\S]*At the end: 128–159/);
      const perplexities = await perplexitiesOf(page);
      expect([...perplexities.keys()]).toEqual(["typed", "sink-window", "window", "recompute"]);
      const sinkWindow = perplexities.get("sink-window") ?? NaN;
      expect(perplexities.get("typed")).toBeGreaterThan(2 * sinkWindow);
      expect(perplexities.get("window")).toBeGreaterThan(2 * sinkWindow);
      expect((perplexities.get("recompute") ?? NaN) / sinkWindow).toBeCloseTo(1, 1);
      expect(await page.locator(".model-table").innerText()).toContain(tinyModels.sink.disclosure);

      await run(page, fifo("required - 1"));
      expect(await summaryOf(page)).toMatch(/^21 laws: \d+ hold, \d are broken, 6 do not apply\.$/);
      expect(await lawOf(page, "frees at least what is required, or answers null").innerText()).toMatch(
        /[Ii]t frees \d+ cells where \d+ are required\.[\s\S]*seed \d+/,
      );
      expect(await problemOf(page).innerText()).toContain(
        'With 32 cells in use and 1 to be freed, plan() answered {"evict":[{"start":0,"end":0}],"survivors":"reuse"}: [0, 0) is empty.',
      );
      expect(problems).toEqual([]);
    });

    test("may go on for ever: it is stopped, the page lives on, and so does the editor", async () => {
      await using opened = await open();
      const { page } = opened;
      await run(page, ENDLESS);
      const longestFrame = await page.evaluate(async () => {
        let longest = 0;
        let before = performance.now();
        for (const end = before + 1500; before < end;) {
          await new Promise(requestAnimationFrame);
          longest = Math.max(longest, performance.now() - before);
          before = performance.now();
        }
        return longest;
      });
      // A blocked page has one frame for as long as the limit, 4 seconds; a busy machine has long ones, too.
      expect(longestFrame).toBeLessThan(1500);
      await problemOf(page).filter({ hasText: "Is there a loop that does not end?" }).waitFor();
      expect(await problemOf(page).innerText()).toMatch(
        /nothing came for \d+ seconds while a stream of 160 tokens was read with 32 cells/,
      );
      await run(page, fifo());
      expect(await summaryOf(page)).toBe("21 laws: 15 hold, 6 do not apply.");
      expect(await problemOf(page).innerText()).toBe("");
    });

    test("asks no other host for anything", async () => {
      const asked: (string | undefined)[] = [];
      const other = createServer((request, response) => {
        asked.push(request.url);
        response.writeHead(200, { "access-control-allow-origin": "*", "content-type": "text/javascript" });
        response.end();
      });
      await new Promise<void>((resolve) => other.listen(0, resolve));
      const url = `http://localhost:${(other.address() as AddressInfo).port}/`;
      await using opened = await open();
      const { page } = opened;
      const importing = (from: string): string => `import('${url}${from}').catch(() => {})`;
      await run(
        page,
        `Function("${importing("function")}")(); setTimeout("${importing("timer")}"); ${fifo()}`,
      );
      expect(await summaryOf(page)).toBe("21 laws: 15 hold, 6 do not apply.");
      other.closeAllConnections();
      other.close();
      expect(asked).toEqual([]);
    });

    test("is told where it is wrong, and led there", async () => {
      await using opened = await open();
      const { page } = opened;
      await run(page, "const a = 1;\nconst b = (1 + ;\nexport default a;");
      await problemOf(page).filter({ hasText: "This is no JavaScript: Unexpected token ';'." }).waitFor();
      await page.keyboard.press("ControlOrMeta+Home");
      await problemOf(page).getByRole("button", { name: "Go to line 2" }).focus();
      await page.keyboard.press("Enter");
      await page.keyboard.type("/* here */");
      expect(await page.locator(".cm-line").nth(1).innerText()).toBe("/* here */const b = (1 + ;");

      await run(
        page,
        fifo().replace(
          "plan: ({ required, length }) =>",
          "plan: (view) => view.no.thing,\nother: ({ required }) =>",
        ),
      );
      await problemOf(page)
        .filter({ hasText: /plan\(\) threw: .*thing/ })
        .waitFor();
      expect(await problemOf(page).getByRole("button").innerText()).toBe("Go to line 1");
    });

    test("is left with Escape and Tab, and Tab alone indents", async () => {
      await using opened = await open();
      const { page } = opened;
      await run(page, fifo());
      const isInside = (): Promise<boolean> =>
        page.evaluate(() => document.activeElement?.closest(".cm-editor") !== null);
      await page.keyboard.press("ControlOrMeta+Home");
      await page.keyboard.press("Tab");
      expect(await isInside()).toBe(true);
      expect(await page.locator(".cm-line").first().innerText()).toMatch(/^ {2}import/);
      await page.keyboard.press("Escape");
      await page.keyboard.press("Tab");
      expect(await isInside()).toBe(false);
    });

    test("is still there after a reload, and gone after a reset", async () => {
      await using opened = await open();
      const { page } = opened;
      await run(page, fifo());
      await page.getByRole("checkbox", { name: "goes on for ever" }).check();
      await page.reload();
      await editorOf(page).waitFor();
      expect(await editorOf(page).innerText()).toContain('name: "typed"');
      expect(await summaryOf(page)).toBe("21 laws: 16 hold, 5 do not apply.");
      await page.getByRole("button", { name: "Reset" }).click();
      await expect.poll(() => editorOf(page).innerText()).toContain("my-sink-window");
      expect(await page.getByRole("checkbox", { name: "goes on for ever" }).isChecked()).toBe(false);
    });

    test("is not run unasked where it ended the page before", async () => {
      await using opened = await open();
      const { page } = opened;
      await summaryOf(page);
      await page.locator(".model-table tbody td").nth(15).waitFor({ timeout: 120_000 });
      await page.evaluate((key) => {
        sessionStorage.setItem(key, "1");
      }, UNENDED);
      await page.reload();
      await problemOf(page)
        .filter({ hasText: "It was not run: the page ended while it ran before." })
        .waitFor();
      await page.getByRole("button", { name: "Run", exact: true }).click();
      await summaryOf(page);
      expect(await problemOf(page).innerText()).toBe("");
      await page.reload();
      await summaryOf(page);
    });

    test.each(["light", "dark"] as const)("keeps nobody out: %s", async (colorScheme) => {
      await using opened = await open({ colorScheme });
      const { page } = opened;
      await summaryOf(page);
      expect(await seriousFindings(page)).toEqual([]);
      await run(page, fifo("required - 1"));
      await summaryOf(page);
      await page.locator(".law-list summary").first().click();
      expect(await seriousFindings(page)).toEqual([]);
    });

    test("does not scroll sideways on a phone", async () => {
      await using opened = await open({ viewport: PHONE });
      const { page } = opened;
      await page.getByRole("combobox", { name: "Begin with" }).selectOption("One with a fault");
      await lawOf(page, "answers the same for the same view").filter({ hasText: "asked again" }).waitFor();
      await page.locator(".cells-pictures").waitFor();
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(
        PHONE.width,
      );
    });

    test.skipIf(noWebKit !== undefined)(
      `runs in WebKit, too${noWebKit === undefined ? "" : `: ${noWebKit}`}`,
      async () => {
        await using webKit = await openWebKit();
        const summary = `document.querySelector(".law-list-summary")?.innerText ?? ""`;
        const problem = `document.querySelector(".your-policy-code > .pg-error")?.innerText ?? ""`;
        const openWith = async (source: string): Promise<void> => {
          const code = JSON.stringify({ source, promises: { endless: false, newest: false, pinned: false } });
          await webKit.evaluate(`localStorage.setItem(${JSON.stringify(STORED)}, ${JSON.stringify(code)})`);
          await webKit.open(`${site.url}guide/glossary`);
          await webKit.open(`${site.url}${PATH}`);
          await webKit.waitFor(`document.querySelector(".cm-content") !== null`);
        };
        await webKit.open(`${site.url}${PATH}`);
        await openWith(fifo());
        await webKit.waitFor(`(${summary}) === "21 laws: 15 hold, 6 do not apply."`, 60_000);
        await webKit.waitFor(`document.querySelectorAll(".model-table tbody td").length === 16`, 120_000);
        await openWith(fifo().replace("plan: ", "\n\nplan: () => view.no.thing, other: "));
        await webKit.waitFor(`/plan\\(\\) threw.*Go to line 3/s.test(${problem})`);
        await openWith("const a = 1;\nconst b = (1 + ;\nexport default a;");
        await webKit.waitFor(`/no JavaScript.*Go to line 2/s.test(${problem})`);
        await openWith(ENDLESS);
        await webKit.waitFor(`(${problem}).includes("Is there a loop that does not end?")`);
      },
      300_000,
    );
  },
);
