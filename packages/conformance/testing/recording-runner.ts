import type { TestRunner } from "../src/index.js";

/** A test that was registered. */
export interface RegisteredTest {
  readonly path: readonly string[];
  readonly skipped: boolean;
  readonly body: () => Promise<void>;
}

/** A runner that only notes what is registered. */
export function recordingRunner(): { runner: TestRunner; tests: RegisteredTest[] } {
  const tests: RegisteredTest[] = [];
  const path: string[] = [];
  const register =
    (skipped: boolean) =>
    (name: string, body: RegisteredTest["body"]): void => {
      tests.push({ path: [...path, name], skipped, body });
    };
  const describe: TestRunner["describe"] = (name, body) => {
    path.push(name);
    body();
    path.pop();
  };
  return { runner: { describe, test: Object.assign(register(false), { skip: register(true) }) }, tests };
}
