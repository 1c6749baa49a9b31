import { existsSync, readdirSync, readFileSync } from "node:fs";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { seriousFindings } from "./accessibility.js";
import { noBrowser, openSite, PHONE, type Site } from "./site.js";

const ROOT = new URL("../../../", import.meta.url);
const PAGES = [
  "",
  "guide/what-and-why",
  "guide/choosing-a-policy",
  "guide/glossary",
  "api/",
  "api/@kvpolicy/sink-window",
];

describe.skipIf(noBrowser !== undefined)(
  `the built site${noBrowser === undefined ? "" : `: ${noBrowser}`}`,
  () => {
    let site: Site;
    beforeAll(async () => {
      site = await openSite();
    });
    afterAll(() => site[Symbol.asyncDispose]());

    test("sends less than 300 kB for the start page, and asks nobody else for anything", async () => {
      await using opened = await site.open("about:blank");
      const session = await opened.page.context().newCDPSession(opened.page);
      await session.send("Network.enable");
      let bytes = 0;
      const foreign: string[] = [];
      session.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
      opened.page.on("request", (request) => {
        if (!request.url().startsWith(site.url)) foreign.push(request.url());
      });
      await opened.page.goto(site.url, { waitUntil: "networkidle" });
      console.log(`The start page: ${(bytes / 1000).toFixed(0)} kB.`);
      expect(bytes).toBeGreaterThan(10_000);
      expect(bytes).toBeLessThan(300_000);
      expect(foreign).toEqual([]);
      expect(opened.problems).toEqual([]);
    });

    test.each(PAGES)("/%s keeps nobody out, in light and dark", async (path) => {
      for (const colorScheme of ["light", "dark"] as const) {
        await using opened = await site.open(path, { colorScheme });
        await opened.page.waitForLoadState("networkidle");
        expect(await seriousFindings(opened.page), colorScheme).toEqual([]);
        expect(opened.problems).toEqual([]);
      }
    });

    test.each([...PAGES, "playground"])("/%s does not scroll sideways on a phone", async (path) => {
      await using opened = await site.open(path, { viewport: PHONE });
      await opened.page.waitForLoadState("networkidle");
      expect(await opened.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(
        PHONE.width,
      );
    });

    test("finds a page without a network", async () => {
      await using opened = await site.open("guide/what-and-why");
      const { page } = opened;
      await page.waitForLoadState("networkidle");
      await page.keyboard.press("Control+k");
      await page.locator(".VPLocalSearchBox").waitFor();
      await page.waitForLoadState("networkidle");
      await page.context().setOffline(true);
      await page.keyboard.type("attention sinks");
      const first = page.locator(".VPLocalSearchBox .result").first();
      await first.waitFor();
      expect(await page.locator(".VPLocalSearchBox .result").count()).toBeGreaterThan(3);
    });
  },
);

describe("the pages of the API", () => {
  const directory = new URL("../api/@kvpolicy/", import.meta.url);
  const pages = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((path) =>
    path.endsWith(".md"),
  );

  test("there is one for every package that is a library", () => {
    const packages = [
      ...readdirSync(new URL("packages", ROOT)),
      ...readdirSync(new URL("packages/policies", ROOT)),
    ];
    const libraries = packages.filter((name) => !["policies", "cli"].includes(name));
    expect(pages).toEqual(expect.arrayContaining(libraries.map((name) => `${name}.md`)));
  });

  test("link to sources that exist", () => {
    const sources = pages.flatMap((page) => [
      ...readFileSync(new URL(page, directory), "utf8").matchAll(
        /github\.com\/kvpolicy\/kvpolicy\/blob\/main\/([^)#]+)#L/g,
      ),
    ]);
    expect(sources.length).toBeGreaterThan(100);
    expect(sources.map(([, path]) => path!).filter((path) => !existsSync(new URL(path, ROOT)))).toEqual([]);
  });
});
