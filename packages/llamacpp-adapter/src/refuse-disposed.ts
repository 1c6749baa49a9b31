import { KVPolicyError } from "@kvpolicy/core";
import type { LlamaModel } from "node-llama-cpp";

/** @throws {KVPolicyError} `disposed` when the model was disposed. */
export function refuseDisposed({ disposed }: LlamaModel): void {
  if (disposed) throw disposedModel();
}

/** The model, and with it everything that stands on it, is gone. */
export function disposedModel(cause?: unknown): KVPolicyError {
  return new KVPolicyError({
    code: "disposed",
    message: "The model was disposed.",
    details: { what: "model" },
    cause,
  });
}
