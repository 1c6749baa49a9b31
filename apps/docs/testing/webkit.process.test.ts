import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { noBrowser, openSite, type Site } from "./site.js";
import { noWebKit, openWebKit, type WebKit } from "./webkit.js";

const missing = noBrowser ?? noWebKit;

/** JavaScript for a button of the panel in sight, by its text. */
function button(text: string): string {
  return `[...document.querySelectorAll("[role=tabpanel]:not([hidden]) button")].find((one) => one.textContent.trim() === ${JSON.stringify(text)})`;
}

describe.skipIf(missing !== undefined)(
  `the playground in WebKit${missing === undefined ? "" : `: ${missing}`}`,
  () => {
    let site: Site;
    let webKit: WebKit;
    beforeAll(async () => {
      site = await openSite();
      webKit = await openWebKit();
    });
    afterAll(async () => {
      await webKit[Symbol.asyncDispose]();
      await site[Symbol.asyncDispose]();
    });

    test("steps through a text", async () => {
      await webKit.open(`${site.url}playground#cells`);
      await webKit.waitFor(`Boolean(${button("Step")})`);
      const evicted = `[...document.querySelectorAll("[role=tabpanel]:not([hidden]) details summary")].map((one) => one.textContent)`;
      for (let step = 0; step < 8; step++) await webKit.evaluate(`${button("Step")}.click()`);
      await webKit.waitFor(`${evicted}.every((text) => /[1-9]/.test(text))`);
    });

    test("reads with the model in a worker", async () => {
      await webKit.open("about:blank");
      await webKit.open(`${site.url}playground#model`);
      await webKit.waitFor(`${button("Start")}?.disabled === false`);
      await webKit.evaluate(`${button("Start")}.click()`);
      await webKit.waitFor(
        `[...document.querySelectorAll("[role=tabpanel]:not([hidden]) tbody tr")].filter((row) => /\\d/.test(row.cells[1].textContent)).length >= 3`,
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
