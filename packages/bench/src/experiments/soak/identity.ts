import { KVPolicyError } from "@kvpolicy/core";
import type { z } from "zod";

import type { Surroundings } from "../../results/header.js";
import { soakStateSchema, type SoakIdentity, type SoakState } from "./soak-state.js";

/** What decides whether figures may be put together. */
export interface IdentityParts {
  /** Model, machine, engine and versions. */
  readonly surroundings: Surroundings;
  /** SHA-256 of the text. */
  readonly textSha256: string;
  /** The settings, by the names that the message shows. */
  readonly settings: SoakIdentity;
}

/** What the figures of a soak rest on. */
export function identify({ surroundings, textSha256, settings }: IdentityParts): SoakIdentity {
  const { model, machine, engine, versions } = surroundings;
  return {
    model: model.sha256,
    text: textSha256,
    ...settings,
    "type of the keys": engine.keyType,
    "type of the values": engine.valueType,
    threads: engine.threads ?? "the engine's choice",
    device: machine.device,
    processor: machine.processor,
    kvpolicy: versions.kvpolicy,
    "node-llama-cpp": versions.nodeLlamaCpp,
    Node: versions.node,
  };
}

/**
 * Reads back what was saved with a stream.
 *
 * @param saved - What the storage answered.
 * @param identity - What the figures rest on now.
 * @param textPosition - Tokens of the text that the stream has read.
 * @throws {KVPolicyError} `config` when it is no soak's, of another format, does not belong to the stream, or anything that the figures
 * rest on differs.
 */
export function continueState(saved: unknown, identity: SoakIdentity, textPosition: number): SoakState {
  const parsed = soakStateSchema.safeParse(saved);
  if (!parsed.success)
    throw refuse(`it holds no soak that this version can read (${describeIssue(parsed.error)})`);
  const state = parsed.data;
  const names = [...new Set([...Object.keys(identity), ...Object.keys(state.identity)])];
  const differences = names
    .filter((name) => state.identity[name] !== identity[name])
    .map((name) => `${name}: ${shorten(state.identity[name])} then, ${shorten(identity[name])} now`);
  if (differences.length > 0) throw refuse(`it was begun otherwise (${differences.join("; ")})`);
  // The comparison at the end read on, and nothing is to be read after it.
  if (state.read !== textPosition && !state.sideBySide)
    throw refuse(`its stream has read ${textPosition} tokens, and its figures are of ${state.read}`);
  return state;
}

function describeIssue({ issues: [issue] }: z.ZodError): string {
  const path = issue?.path.join(".") ?? "";
  return `${path === "" ? "it" : path}: ${issue?.message ?? "cannot be read"}`;
}

/** A digest is recognised by its beginning. */
function shorten(value: string | number | undefined): string {
  if (value === undefined) return "unknown";
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value) ? `${value.slice(0, 12)}…` : String(value);
}

function refuse(problem: string): KVPolicyError<"config"> {
  return new KVPolicyError({
    code: "config",
    message:
      `The checkpoint cannot be gone on from: ${problem}. It was left as it is; go on with what it was begun with, start over, ` +
      "or keep the new soak elsewhere.",
    details: { option: "checkpoint", value: problem },
  });
}
