import type { Reporter, SerializedError, TestCase, TestModule } from "vitest/node";

/**
 * Names every skipped test with its reason, which is the test's note or part of its title, and closes with one line that counts them all. What fails outside a test (a file
 * that does not load, a hook, a stray rejection) counts as failed, so that the line never looks better than the run.
 */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const inState = (state: ReturnType<TestCase["result"]>["state"]): TestCase[] =>
      tests.filter((test) => test.result().state === state);
    const skipped = inState("skipped");
    for (const test of skipped) {
      const result = test.result();
      const note = result.state === "skipped" ? result.note : undefined;
      const reason = note === undefined ? "" : ` (${note})`;
      console.log(`skipped: ${test.module.relativeModuleId} > ${test.fullName}${reason}`);
    }
    const groups = modules.flatMap((module) => [module, ...module.children.allSuites()]);
    const failed =
      inState("failed").length +
      groups.filter((group) => group.errors().length > 0).length +
      unhandledErrors.length;
    console.log(`\n${inState("passed").length} passed, ${failed} failed, ${skipped.length} skipped`);
  }
}
