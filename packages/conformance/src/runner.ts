import { KVPolicyError } from "@kvpolicy/core";

import { reasonToSkip, type Law } from "./law.js";

/** A test runner: `{ describe, test }` of vitest, jest or node:test, or mocha's `{ describe, test: it }`. */
export interface TestRunner {
  /** Groups what the body registers. */
  describe(name: string, body: () => void): unknown;
  /** Registers a test; `skip` registers one that is reported and not run. */
  readonly test: ((name: string, body: () => Promise<void>) => unknown) & {
    skip(name: string, body: () => Promise<void>): unknown;
  };
}

/** What every subject of a suite says of itself. */
export interface SuiteSubject {
  /** Name in the report of the tests. */
  readonly name: string;
  /**
   * Laws that it is not held to: name of a law, of a group, or of what laws need → why not. The runner prints the reason.
   */
  readonly skip?: Readonly<Record<string, string>> | undefined;
  /** Seed of the random cases, a 32-bit whole number. Defaults to fast-check's global one, else to another in each run. */
  readonly seed?: number | undefined;
}

/**
 * Registers every law that concerns a subject as a test of the runner.
 *
 * @throws {KVPolicyError} `config` when the subject skips what is no law, no group and no need, gives no reason, or has a seed
 * that is none.
 */
export function registerLaws<Kind extends SuiteSubject>(
  runner: TestRunner,
  title: string,
  laws: readonly Law<Kind>[],
  subject: Kind,
): void {
  checkSkips(laws, subject);
  if (subject.seed !== undefined && subject.seed !== (subject.seed | 0)) {
    throw wrongOption(subject, "seed", subject.seed, "the seed must be a 32-bit whole number");
  }
  const concerned = laws.filter((law) => law.concerns(subject));
  const groups = [...new Set(concerned.map(({ group }) => group))];
  runner.describe(`${subject.name}: ${title}`, () => {
    for (const group of groups) {
      const members = concerned.filter((law) => law.group === group);
      const groupReason = subject.skip?.[group];
      if (groupReason !== undefined) {
        runner.test.skip(`${group} (all ${members.length} laws skipped: ${groupReason})`, () =>
          Promise.resolve(),
        );
        continue;
      }
      runner.describe(group, () => {
        for (const law of members) {
          const check = (): Promise<void> => law.check(subject);
          const reason = reasonToSkip(law, subject);
          if (reason === undefined) runner.test(law.name, check);
          else runner.test.skip(`${law.name} (skipped: ${reason})`, check);
        }
      });
    }
  });
}

/** A subject's option is not what it may be. */
export function wrongOption(
  { name }: SuiteSubject,
  option: string,
  value: unknown,
  problem: string,
): KVPolicyError<"config"> {
  return new KVPolicyError({
    code: "config",
    message: `The subject "${name}" cannot be tested: ${problem}.`,
    details: { option, value },
  });
}

function checkSkips<Kind extends SuiteSubject>(laws: readonly Law<Kind>[], subject: Kind): void {
  const known = new Set(laws.flatMap((law) => [law.name, law.group, ...law.needs]));
  for (const [skipped, reason] of Object.entries(subject.skip ?? {})) {
    const problem = known.has(skipped)
      ? reason.trim() === "" && `it gives no reason to skip "${skipped}"`
      : `it skips "${skipped}", which is neither a law nor a group nor what laws need`;
    if (problem !== false) throw wrongOption(subject, "skip", skipped, problem);
  }
}
