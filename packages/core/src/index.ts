/**
 * The contract between KV-cache policies and LLM backends, and the stream that binds one policy to one backend.
 *
 * @module @kvpolicy/core
 */
export { askPolicy, type CallProgress } from "./ask-policy.js";
export type {
  BackendCapabilities,
  Capability,
  KVCacheBackend,
  Sampler,
  TokenCodec,
  TokenDecoder,
} from "./backend.js";
export {
  checkDecode,
  checkEviction,
  checkSupported,
  checkToken,
  checkTruncation,
  disposedBackend,
  disposedSampler,
  nothingPending,
} from "./backend-checks.js";
export { createStream } from "./create-stream.js";
export {
  KVPolicyError,
  type CacheFullDetails,
  type ErrorActor,
  type ErrorCode,
  type ErrorDetails,
  type InvalidPlanDetails,
} from "./errors.js";
export { BOS_MARK, PINNED_MARK, TURN_MARK, type Mark } from "./mark.js";
export {
  checkCount,
  checkPolicy,
  checkStride,
  findWindowProblem,
  resolveStride,
  type Stride,
  type WindowRoom,
} from "./options.js";
export {
  definePolicy,
  withRequired,
  type CacheView,
  type EvictionPlan,
  type KVCachePolicy,
  type PolicyDefinition,
  type PolicyDescription,
  type PolicyShape,
  type Requirement,
} from "./policy.js";
export { keepHighest, type KeepHighestOptions } from "./keep-highest.js";
export { countCells, mergeRanges, subtractRanges, type CacheRange } from "./range.js";
export { resolveBudget } from "./resolve-budget.js";
export type {
  AppendOptions,
  CacheStream,
  EvictionEvent,
  GeneratedToken,
  GenerateOptions,
  GenerationEnd,
  ScoreOptions,
  Snapshot,
  StreamOptions,
  StreamStats,
} from "./stream.js";
