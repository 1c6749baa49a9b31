import { existsSync, statSync } from "node:fs";
import { env } from "node:process";

const PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** The Chromium that the browser tests run in: `KVPOLICY_CHROMIUM`, or the system's own; `undefined` where there is none. */
export const chromium: string | undefined = findChromium(env["KVPOLICY_CHROMIUM"]);

function findChromium(named: string | undefined): string | undefined {
  if (named === undefined) return PLACES.find((path) => existsSync(path));
  if (statSync(named, { throwIfNoEntry: false })?.isFile()) return named;
  throw new Error(`KVPOLICY_CHROMIUM names no file: ${named}`);
}
