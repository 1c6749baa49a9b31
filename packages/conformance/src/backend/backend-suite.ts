import type { Law } from "../law.js";
import { registerLaws, type TestRunner } from "../runner.js";
import { exactnessLaws } from "./exactness-laws.js";
import { lifeLaws } from "./life-laws.js";
import { pendingLaws } from "./pending-laws.js";
import { refusalLaws } from "./refusal-laws.js";
import { samplingLaws } from "./sampling-laws.js";
import { stateLaws } from "./state-laws.js";
import { streamLaws } from "./stream-laws.js";
import { settleBackend, type BackendSubject } from "./subject.js";

/** What every backend does, one law a test. */
export const backendLaws: readonly Law<BackendSubject>[] = [
  ...exactnessLaws,
  ...pendingLaws,
  ...samplingLaws,
  ...refusalLaws,
  ...streamLaws,
  ...lifeLaws,
  ...stateLaws,
];

/**
 * Registers the laws of backends as tests. Those that need an oracle, or sampling options, are reported as skipped when the
 * subject has none.
 *
 * A law that needs what a capability says is lacking fails and names it, because capabilities are known only once a backend
 * was created, after the tests were registered: skip the capability, with the reason that it gives.
 *
 * @example
 * ```ts
 * backendSuite({ describe, test }, { name: "my engine", create: ({ capacity }) => createBackend(capacity), oracle });
 * ```
 * @throws {KVPolicyError} `config` when the subject skips what is no law, no group and no need, gives no reason, or has an option
 * that is not what it may be.
 */
export function backendSuite<Sampling>(runner: TestRunner, subject: BackendSubject<Sampling>): void {
  settleBackend(subject);
  registerLaws<BackendSubject>(runner, "the laws of a backend", backendLaws, subject);
}
