import { playwright } from "@vitest/browser-playwright";
import { defineConfig, type TestProjectConfiguration } from "vitest/config";

import { chromium } from "./testing/chromium.js";

const sourceCondition = "@kvpolicy/source";
const conditions = [sourceCondition, "node", "import", "module", "default"];
const onSource = {
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: [sourceCondition] } },
};
const exclude = ["**/node_modules/**", "**/dist/**"];

const inBrowser: TestProjectConfiguration = {
  resolve: { conditions: [sourceCondition, "browser", "import", "module", "default"] },
  test: {
    name: "browser",
    include: ["packages/**/src/**/*.browser.test.ts"],
    exclude,
    testTimeout: 120_000,
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({
        launchOptions: {
          ...(chromium !== undefined && { executablePath: chromium }),
          args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
        },
      }),
      instances: [{ browser: "chromium" }],
    },
  },
};

/**
 * Tests lie next to the source, and their names tell their kind:
 * - `*.test.ts`: on source, no native code, in parallel;
 * - `*.llama.test.ts`: on source and llama.cpp, one worker at a time, because a failed native assertion ends the process;
 * - `*.browser.test.ts`: on source, in a Chromium without a window; left out where there is none, which a skipped test says;
 * - `*.process.test.ts`: on the built packages, as child processes, or on the built site in real browsers (`npm run test:process`).
 */
export default defineConfig({
  test: {
    reporters: ["default", "./testing/summary-reporter.ts"],
    projects: [
      {
        ...onSource,
        test: {
          name: "unit",
          setupFiles: ["./testing/property-seed.ts"],
          include: [
            "{packages,examples}/**/src/**/*.test.ts",
            "apps/docs/{playground,testing}/**/*.test.ts",
            "testing/**/*.test.ts",
          ],
          exclude: [...exclude, "**/*.{llama,browser,process}.test.ts"],
          testTimeout: 60_000,
        },
      },
      {
        ...onSource,
        test: {
          name: "llama",
          setupFiles: ["./testing/property-seed.ts"],
          include: ["packages/**/src/**/*.llama.test.ts"],
          exclude,
          pool: "forks",
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      ...(chromium === undefined ? [] : [inBrowser]),
      {
        test: {
          name: "process",
          include: ["packages/**/src/**/*.process.test.ts", "testing/**/*.process.test.ts"],
          exclude,
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "process-site",
          include: ["apps/docs/**/*.process.test.ts"],
          exclude,
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
