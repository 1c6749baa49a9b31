// fast-check prints the seed and the path of a failing property. To run the same cases again:
// KVPOLICY_TEST_SEED=-123 KVPOLICY_TEST_RUNS=1000 npx vitest run --project unit packages/core
const seed = process.env["KVPOLICY_TEST_SEED"];
const runs = process.env["KVPOLICY_TEST_RUNS"];

if (seed !== undefined || runs !== undefined) {
  const { configureGlobal } = await import("fast-check");
  configureGlobal({
    ...(seed !== undefined && { seed: Number(seed) }),
    ...(runs !== undefined && { numRuns: Number(runs) }),
  });
}
