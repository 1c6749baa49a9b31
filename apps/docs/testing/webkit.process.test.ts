import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { noBrowser, openSite, type Site } from "./site.js";
import { noWebKit, openWebKit, type WebKit } from "./webkit.js";

const missing = noBrowser ?? noWebKit;

/** JavaScript for the elements of a panel. */
function inPanel(panel: string, selector: string): string {
  return `[...document.querySelectorAll("#panel-${panel} ${selector}")]`;
}

/** JavaScript for a button of a panel, by its text. */
function button(panel: string, text: string): string {
  return `${inPanel(panel, "button")}.find((one) => one.textContent.trim() === ${JSON.stringify(text)})`;
}

describe.skipIf(missing !== undefined)(
  `the playground in WebKit${missing === undefined ? "" : `: ${missing}`}`,
  () => {
    const opened: AsyncDisposable[] = [];
    let site: Site;
    let webKit: WebKit;
    beforeAll(async () => {
      opened.push((site = await openSite()));
      opened.push((webKit = await openWebKit()));
    });
    afterAll(() => Promise.all(opened.map((one) => one[Symbol.asyncDispose]())));

    test("steps through a text", async () => {
      await webKit.open(`${site.url}playground#cells`);
      await webKit.waitFor(`Boolean(${button("cells", "Step")})`);
      const evicted = `${inPanel("cells", "details summary")}.map((one) => one.textContent)`;
      for (let step = 0; step < 8; step++) await webKit.evaluate(`${button("cells", "Step")}.click()`);
      await webKit.waitFor(`${evicted}.length === 2 && ${evicted}.every((text) => /[1-9]/.test(text))`);
    });

    test("reads with the model in a worker", async () => {
      await webKit.open("about:blank");
      await webKit.open(`${site.url}playground#model`);
      await webKit.waitFor(`${button("model", "Start")}?.disabled === false`);
      await webKit.evaluate(`${button("model", "Start")}.click()`);
      await webKit.waitFor(
        `${inPanel("model", "[data-column=Perplexity]")}.filter((cell) => /\\d/.test(cell.textContent)).length >= 3`,
        60_000,
      );
    });

    test("holds a policy to the laws", async () => {
      await webKit.open("about:blank");
      await webKit.open(`${site.url}playground#your-policy`);
      await webKit.waitFor(
        `/\\d+ hold/.test(document.querySelector(".law-list-summary")?.textContent ?? "")`,
        60_000,
      );
      expect(await webKit.evaluate(`document.querySelector(".law-list-summary").textContent`)).not.toMatch(
        /broken/,
      );
    });
  },
);
