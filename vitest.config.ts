import { defineConfig } from "vitest/config";

const conditions = ["@kvpolicy/source"];
const resolve = { conditions: [...conditions, "node", "import", "module", "default"] };
const ssr = {
  resolve: {
    conditions: [...conditions, "node", "import", "module", "default"],
    externalConditions: conditions,
  },
};
const exclude = ["**/node_modules/**", "**/dist/**"];

/**
 * Tests lie next to the source and run on it, nothing built. By file name:
 * - `*.test.ts`: no native code, in parallel;
 * - `*.llama.test.ts`: on llama.cpp, one worker at a time, because a failed native assertion ends the process;
 * - `*.process.test.ts`: on the built packages, as child processes (`npm run test:process`).
 */
export default defineConfig({
  test: {
    reporters: ["default", "./testing/summary-reporter.ts"],
    projects: process.env["KVPOLICY_TEST_BUILT"]
      ? [
          {
            test: {
              name: "process",
              include: ["packages/**/src/**/*.process.test.ts", "testing/**/*.process.test.ts"],
              exclude,
              testTimeout: 180_000,
              fileParallelism: false,
            },
          },
        ]
      : [
          {
            resolve,
            ssr,
            test: {
              name: "unit",
              setupFiles: ["./testing/property-seed.ts"],
              include: ["packages/**/src/**/*.test.ts", "testing/**/*.test.ts"],
              testTimeout: 60_000,
              exclude: [...exclude, "**/*.llama.test.ts", "**/*.process.test.ts"],
            },
          },
          {
            resolve,
            ssr,
            test: {
              name: "llama",
              include: ["packages/**/src/**/*.llama.test.ts"],
              exclude,
              pool: "forks",
              fileParallelism: false,
              testTimeout: 120_000,
              hookTimeout: 120_000,
            },
          },
        ],
  },
});
