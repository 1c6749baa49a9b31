import type { Reporter, TestCase, TestModule } from "vitest/node";

/** Names every skipped test with its reason, and closes with one line that counts them all. */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const inState = (state: ReturnType<TestCase["result"]>["state"]): TestCase[] =>
      tests.filter((test) => test.result().state === state);
    const skipped = inState("skipped");
    for (const test of skipped) {
      const result = test.result();
      const reason = result.state === "skipped" && result.note ? ` (${result.note})` : "";
      console.log(`skipped: ${test.module.relativeModuleId} > ${test.fullName}${reason}`);
    }
    const brokenModules = modules.filter(
      (module) => module.state() === "failed" && module.errors().length > 0,
    ).length;
    const failed = inState("failed").length + brokenModules;
    console.log(`\n${inState("passed").length} passed, ${failed} failed, ${skipped.length} skipped`);
  }
}
