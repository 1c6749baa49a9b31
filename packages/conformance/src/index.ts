/**
 * The laws that every KV-cache policy and every backend obeys, as suites for any test runner.
 *
 * @module @kvpolicy/conformance
 */
export { backendLaws, backendSuite } from "./backend/backend-suite.js";
export type { BackendSubject, BackendWish, Tolerance } from "./backend/subject.js";
export { brokenLaws, LawBroken, type Law } from "./law.js";
export { policyLaws, policySuite } from "./policy/policy-suite.js";
export type { PolicyPromises, PolicySubject } from "./policy/subject.js";
export { klDivergence, predictionError } from "./prediction-error.js";
export type { SuiteSubject, TestRunner } from "./runner.js";
export { recordTrace, type Oracle, type Trace, type TraceRecorder } from "./trace.js";
