import { defineConfig } from "vitest/config";

const sourceCondition = "@kvpolicy/source";
const conditions = [sourceCondition, "node", "import", "module", "default"];
const onSource = {
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: [sourceCondition] } },
};
const exclude = ["**/node_modules/**", "**/dist/**"];

/**
 * Tests lie next to the source, and their names tell their kind:
 * - `*.test.ts`: on source, no native code, in parallel;
 * - `*.llama.test.ts`: on source and llama.cpp, one worker at a time, because a failed native assertion ends the process;
 * - `*.process.test.ts`: on the built packages, as child processes (`npm run test:process`).
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
          include: ["packages/**/src/**/*.test.ts", "testing/**/*.test.ts"],
          exclude: [...exclude, "**/*.llama.test.ts", "**/*.process.test.ts"],
          testTimeout: 60_000,
        },
      },
      {
        ...onSource,
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
      {
        test: {
          name: "process",
          include: ["packages/**/src/**/*.process.test.ts"],
          exclude,
          fileParallelism: false,
          testTimeout: 180_000,
        },
      },
    ],
  },
});
