import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { checkPolicy, KVPolicyError, type KVCachePolicy, type Stride } from "@kvpolicy/core";

import { badOption } from "./report-error.js";

/** What a module's function gets that makes a policy. */
export interface ModuleOptions {
  /** The stride of the command; undefined for the policy's own default. */
  readonly stride: Stride | undefined;
}

/** Whether a spec names a module by its path, and not a policy. */
export function isModuleSpec(spec: string): boolean {
  return /^(?:\.{0,2}[\\/]|file:|[a-z]:[\\/])/i.test(spec);
}

/**
 * Loads a policy of one's own: the default export of a module, or the export named behind `#`. It is a policy, or a function that
 * makes one of `{ stride }`.
 *
 * @throws {KVPolicyError} `config` when the module cannot be loaded or exports no policy. What it answers throws the same when a function
 * makes none.
 */
export async function loadPolicyModule(spec: string): Promise<(options: ModuleOptions) => KVCachePolicy> {
  const [, path = spec, name = "default"] = /^(.*)#([^#/\\]+)$/s.exec(spec) ?? [];
  const exported = await load(spec, path);
  const value: unknown = exported[name];
  if (value === undefined) {
    const known = Object.keys(exported).sort().join(", ");
    throw refuse(
      spec,
      `the module has no export ${name}; ${known === "" ? "it has none" : `it has ${known}`}`,
    );
  }
  return (options) => {
    let made: unknown;
    try {
      made = typeof value === "function" ? (value as (given: ModuleOptions) => unknown)(options) : value;
    } catch (cause) {
      if (KVPolicyError.isInstance(cause)) throw cause;
      throw refuse(spec, `its export ${name} failed: ${String(cause)}`, cause);
    }
    const policy = made as KVCachePolicy;
    checkPolicy(spec, policy);
    return policy;
  };
}

async function load(spec: string, path: string): Promise<Readonly<Record<string, unknown>>> {
  const url = path.startsWith("file:") ? path : pathToFileURL(resolve(path)).href;
  try {
    return (await import(url)) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw refuse(
      spec,
      `the module cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}`,
      cause,
    );
  }
}

function refuse(spec: string, problem: string, cause?: unknown): Error {
  return badOption("policy", spec, `--policy ${spec} cannot be read: ${problem}.`, cause);
}
