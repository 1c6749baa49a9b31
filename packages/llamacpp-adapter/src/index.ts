/**
 * KV-cache policies on llama.cpp through node-llama-cpp: CPU, CUDA, Metal and Vulkan.
 *
 * @module @kvpolicy/llamacpp-adapter
 */
export type { Chat, ChatEvictionEvent, ChatReply, ChatUsage, PromptOptions } from "./chat/chat.js";
export type { ChatSampling } from "./chat/chat-sampling.js";
export { openChat, type OpenChatOptions } from "./chat/open-chat.js";
export type { StopTrigger } from "./chat/stop-detector.js";
export { contextShift, type PolicyContextShift } from "./context-shift.js";
export { estimateMemory, type EstimateMemoryOptions, type MemoryEstimate } from "./estimate-memory.js";
export { findTokens } from "./find-tokens.js";
export {
  inspectModel,
  type Fidelity,
  type InspectModelOptions,
  type ModelInspection,
  type PolicyVerdict,
} from "./gate/inspect-model.js";
export type { ModelFacts } from "./gate/model-facts.js";
export { checkModelFile } from "./model-file.js";
export {
  openBackend,
  type ContextOptions,
  type OpenBackendOptions,
  type OpenedBackend,
} from "./open-backend.js";
export { openStream, type LlamaStream, type OpenStreamOptions, type StreamWarning } from "./open-stream.js";
export type { CacheType } from "./cache-types.js";
export { checkReindex } from "./gate/reindex-gate.js";
export type { ReindexFacts, Remedy } from "./gate/reindex-rules.js";
export type { LlamaSampling } from "./sampling.js";
export type { SaveOptions } from "./snapshot/save-stream.js";
export type { CellsOrigin } from "./snapshot/saved-cells.js";
export type { SnapshotInfo, SnapshotVersions } from "./snapshot/snapshot-file.js";
export type { ShiftSelfTest } from "./gate/shift-self-test.js";
export { createTokenCodec, type TokenCodecOptions } from "./token-codec.js";
