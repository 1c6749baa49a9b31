import type { Locator, Page } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { seriousFindings } from "../testing/accessibility.js";
import { noBrowser, openSite, PHONE, type OpenPage, type Site } from "../testing/site.js";

/** The part of the page that shows what one policy does. */
function lane(page: Page, index: number): Locator {
  return page.locator(".lane").nth(index);
}

/** What that part says of the token read last. */
function said(page: Page, index: number): Locator {
  return lane(page, index).locator(".lane-said");
}

/** In-cache and stream positions as they are shown under the cells. */
async function positions(part: Locator): Promise<{ inCache: number[]; inStream: number[] }> {
  const read = async (name: string): Promise<number[]> =>
    (await part.locator(name).allInnerTexts()).map((text) => Number(/\d+$/.exec(text)?.[0]));
  return { inCache: await read(".cell-index"), inStream: await read(".cell-stream") };
}

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index);
}

describe.skipIf(noBrowser !== undefined)(
  `the cells of the playground${noBrowser === undefined ? "" : `: ${noBrowser}`}`,
  () => {
    let site: Site;
    beforeAll(async () => {
      site = await openSite();
    });
    afterAll(() => site[Symbol.asyncDispose]());

    async function open(path = "playground", options: Parameters<Site["open"]>[1] = {}): Promise<OpenPage> {
      const opened = await site.open(path, options);
      await opened.page.locator(".cell").first().waitFor();
      return opened;
    }

    test("show what leaves and where the rest goes, by keyboard alone", async () => {
      await using opened = await open();
      const { page } = opened;
      expect(await positions(lane(page, 0))).toEqual({ inCache: range(0, 16), inStream: range(0, 16) });

      await page.getByRole("group", { name: "Stage" }).focus();
      await page.keyboard.press("ArrowRight");
      await said(page, 0).getByText("“a” needed a cell: “called” left.").waitFor();
      expect(await positions(lane(page, 0))).toEqual({
        inCache: range(0, 16),
        inStream: [0, 1, 2, 3, ...range(5, 17)],
      });
      expect((await positions(lane(page, 1))).inStream).toEqual(range(1, 17));

      await page.keyboard.press("ArrowLeft");
      await said(page, 0).getByText("took the last free cell").waitFor();
      expect((await positions(lane(page, 1))).inStream).toEqual(range(0, 16));
      expect(opened.problems).toEqual([]);
    });

    test("follow the policy that is chosen by keyboard", async () => {
      await using opened = await open();
      const { page } = opened;
      await page.getByLabel("Policy", { exact: true }).focus();
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowDown");
      await lane(page, 0).getByRole("heading", { name: "recompute" }).waitFor();
      await page.keyboard.press("Tab");
      await page.keyboard.press("Tab");
      await page.keyboard.type("half");
      await page.getByRole("button", { name: "Step" }).click();
      await said(page, 0).getByText("8 tokens left").waitFor();
      await said(page, 0).getByText("The 8 survivors were evaluated again.").waitFor();
      expect((await positions(lane(page, 0))).inStream).toEqual(range(8, 17));
      await lane(page, 0).getByText("(8 again)").waitFor();
      expect(opened.problems).toEqual([]);
    });

    test("play, and stop at the end of the text", async () => {
      await using opened = await open();
      const { page } = opened;
      await page.getByLabel("Speed").selectOption("200");
      await page.getByRole("group", { name: "Stage" }).focus();
      await page.keyboard.press("Space");
      await page.getByText("Token 185 of 185").waitFor();
      await page.getByRole("button", { name: "Play" }).waitFor();
      expect((await positions(lane(page, 0))).inStream).toEqual([0, 1, 2, 3, ...range(173, 185)]);
      expect(opened.problems).toEqual([]);
    });

    test("go through a long text and back", async () => {
      await using opened = await open();
      const { page } = opened;
      await page.getByLabel("Text", { exact: true }).selectOption({ label: "200 numbered lines" });
      await page.getByRole("group", { name: "Stage" }).focus();
      await page.keyboard.press("End");
      await page.getByText("Token 1799 of 1799").waitFor();
      await expect.poll(async () => (await positions(lane(page, 1))).inStream).toEqual(range(1783, 1799));
      await page.keyboard.press("Home");
      await page.getByText("Token 0 of 1799").waitFor();
      expect((await positions(lane(page, 0))).inStream).toEqual([]);
      expect(opened.problems).toEqual([]);
    });

    test("say what a policy refuses, and how to go on", async () => {
      await using opened = await open();
      const { page } = opened;
      // The words of the text by keyboard: the seventh is pinned.
      await page.getByRole("listbox").focus();
      for (const key of [...Array<string>(6).fill("ArrowRight"), "Enter"]) await page.keyboard.press(key);
      await page.getByRole("option", { name: "Lindqvist", selected: true }).waitFor();
      await page.getByRole("group", { name: "Stage" }).focus();
      await page.keyboard.press("End");
      await said(page, 0).getByText("invalid-plan").waitFor();
      await lane(page, 0).getByRole("button", { name: "Put the policy in pinned()" }).click();
      await expect
        .poll(async () => (await positions(lane(page, 0))).inStream)
        .toEqual([0, 1, 2, 3, 6, ...range(174, 185)]);
      await page.getByText("const policy = pinned(sinkWindow());").waitFor();
      expect(opened.problems).toEqual([]);
    });

    test("say what options cannot work, where they are set", async () => {
      await using opened = await open();
      const { page } = opened;
      await page.getByRole("textbox", { name: "Sinks" }).fill("16");
      await page
        .getByText("sink-window: with a budget of 16, 16 sinks leave no room for a window.")
        .first()
        .waitFor();
      await said(page, 0).getByText("config").waitFor();
      await page.getByRole("textbox", { name: "Sinks" }).fill("2");
      await expect.poll(async () => (await positions(lane(page, 0))).inStream).toEqual(range(0, 16));
      expect(opened.problems).toEqual([]);
    });

    test("come back from a link, and give the code", async () => {
      const setup = {
        first: { policy: "dense", options: {} },
        second: null,
        budget: 8,
        text: "one two three",
      };
      const path = `playground?${new URLSearchParams({ cells: JSON.stringify(setup) }).toString()}#cells`;
      await using opened = await open(path, { permissions: ["clipboard-read", "clipboard-write"] });
      const { page } = opened;
      expect((await positions(lane(page, 0))).inStream).toEqual([0, 1, 2]);
      await page.getByRole("button", { name: "Copy the code: dense" }).click();
      await page.getByText("Copied.").waitFor();
      expect(await page.evaluate(() => navigator.clipboard.readText())).toContain(
        "const policy = dense();\nawait using stream = await openStream(model, { policy, budget: 8 });",
      );
      await page.getByRole("button", { name: "Copy a link to this" }).click();
      await page.getByText("The link is copied.").waitFor();
      const link = new URL(await page.evaluate(() => navigator.clipboard.readText()));
      expect(JSON.parse(link.searchParams.get("cells") ?? "")).toMatchObject(setup);
      expect(opened.problems).toEqual([]);
    });

    test("are one of three tabs, which arrow keys change and the address names", async () => {
      await using opened = await open();
      const { page } = opened;
      await page.getByRole("tab", { name: "Cells" }).focus();
      await page.keyboard.press("ArrowLeft");
      await page.getByRole("tab", { name: "Your policy", selected: true }).waitFor();
      expect(new URL(page.url()).hash).toBe("#your-policy");
      expect(await page.locator(".cells-playground").isVisible()).toBe(false);
      await page.keyboard.press("Home");
      await page.getByRole("tab", { name: "Cells", selected: true }).waitFor();
      expect(await page.locator(".cells-playground").isVisible()).toBe(true);
      expect(
        await page.getByRole("tab", { name: "Cells" }).evaluate((tab) => tab === document.activeElement),
      ).toBe(true);
    });

    test("leave the tab open when the address names another part of the page", async () => {
      await using opened = await open();
      const { page } = opened;
      await page.getByRole("tab", { name: "Your policy" }).click();
      await page.getByRole("link", { name: "Skip to content" }).focus();
      await page.keyboard.press("Enter");
      await expect.poll(() => new URL(page.url()).hash).toBe("#VPContent");
      await page.getByRole("tab", { name: "Your policy", selected: true }).waitFor();
      await page.evaluate(() => (location.hash = "cells"));
      await page.getByRole("tab", { name: "Cells", selected: true }).waitFor();
    });

    test("leave the keys of the browser alone", async () => {
      await using opened = await open();
      const { page } = opened;
      for (const focused of [
        page.getByRole("tab", { name: "Cells" }),
        page.getByRole("group", { name: "Stage" }),
        page.getByRole("listbox"),
      ]) {
        const goesOn = await focused.evaluate((element) =>
          element.dispatchEvent(
            new KeyboardEvent("keydown", { key: "ArrowLeft", altKey: true, bubbles: true, cancelable: true }),
          ),
        );
        expect(goesOn).toBe(true);
      }
      await page.getByText("Token 16 of 185").waitFor();
      expect(await page.getByRole("tab", { name: "Cells", selected: true }).count()).toBe(1);
    });

    test("refuse a link that would be too long, and say when it holds a text of one's own", async () => {
      await using opened = await open("playground", { permissions: ["clipboard-read", "clipboard-write"] });
      const { page } = opened;
      await page.getByLabel("Text", { exact: true }).selectOption({ label: "Your own" });
      await page.getByText("The link holds your text.").waitFor();
      await page.getByRole("button", { name: "Copy a link to this" }).click();
      await page.getByText("The link is copied.").waitFor();
      const copied = await page.evaluate(() => navigator.clipboard.readText());
      await page.getByLabel("Your text").fill("word ".repeat(2000));
      await page.getByRole("button", { name: "Copy a link to this" }).click();
      await page.getByText("The text is too long for a link.").waitFor();
      expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(copied);
      expect(opened.problems).toEqual([]);
    });

    test.each(["light", "dark"] as const)("keep nobody out (%s)", async (colorScheme) => {
      await using opened = await open("playground#cells", { colorScheme });
      const { page } = opened;
      await page.getByRole("button", { name: "Pin the first sentence" }).click();
      await page.getByRole("button", { name: "Step" }).click();
      await said(page, 0).getByText("invalid-plan").waitFor();
      expect(await seriousFindings(page)).toEqual([]);
      expect(opened.problems).toEqual([]);
    });

    test("do not scroll sideways on a phone", async () => {
      await using opened = await open("playground", { viewport: PHONE });
      const { page } = opened;
      await page.getByRole("button", { name: "Step" }).click();
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(
        PHONE.width,
      );
    });
  },
);
