import { existsSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";

import { chromium as playwright, type BrowserContextOptions, type Page } from "playwright";
import { serve } from "vitepress";

import { chromium } from "../../../testing/chromium.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Size of a phone's screen, in CSS pixels. */
export const PHONE = { width: 390, height: 844 };

/** The built site behind a server of its own, compressed as a host would send it, and a browser without a window. */
export interface Site extends AsyncDisposable {
  /** Address of the start page, with a slash at the end. */
  readonly url: string;
  /** Opens a page of the site in a context of its own, and notes what goes wrong there. */
  open(path: string, options?: BrowserContextOptions): Promise<OpenPage>;
}

/** A page of the site, and what it complained of since it was opened. */
export interface OpenPage extends AsyncDisposable {
  readonly page: Page;
  /** Errors of scripts, on the console, and addresses that could not be fetched. */
  readonly problems: readonly string[];
}

/** Why the site cannot be opened in a browser here, for `describe.skipIf`; `undefined` when it can. */
export const noBrowser: string | undefined =
  chromium === undefined ? "no Chromium is installed, or named by KVPOLICY_CHROMIUM" : undefined;

/**
 * Serves `.vitepress/dist` on a free port and starts Chromium.
 *
 * @throws {Error} When the site is not built.
 */
export async function openSite(): Promise<Site> {
  if (!existsSync(`${ROOT}/.vitepress/dist/index.html`))
    throw new Error("The site is not built: npm run docs:build.");
  const { server } = (await serve({ root: ROOT, port: 0 })) as unknown as { server: Server };
  if (!server.listening) await new Promise((resolve) => server.once("listening", resolve));
  const url = `http://localhost:${(server.address() as AddressInfo).port}/`;
  const browser = await playwright
    .launch({
      ...(chromium !== undefined && { executablePath: chromium }),
      args: ["--no-sandbox", "--disable-gpu"],
    })
    .catch((error: unknown) => {
      server.close();
      throw error;
    });
  return {
    url,
    open: async (path, options = {}) => {
      // Brotli at the server's highest level takes seconds for a model, at every request.
      const context = await browser.newContext({
        extraHTTPHeaders: { "accept-encoding": "gzip" },
        ...options,
      });
      const page = await context.newPage();
      const problems: string[] = [];
      page.on("pageerror", ({ message }) => problems.push(message));
      page.on("console", (message) => {
        if (message.type() === "error") problems.push(message.text());
      });
      page.on("requestfailed", (request) => problems.push(`not fetched: ${request.url()}`));
      await page.goto(new URL(path.replace(/^\//, ""), url).href);
      return { page, problems, [Symbol.asyncDispose]: () => context.close() };
    },
    [Symbol.asyncDispose]: async () => {
      await browser.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
