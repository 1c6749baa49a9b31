import { basename } from "node:path";

import type { KVCachePolicy, Stride } from "@kvpolicy/core";

import { findNearestName } from "./nearest-name.js";
import {
  KINDS,
  SpecOptions,
  withoutModel,
  WRAPPERS,
  type PolicyContext,
  type PolicyKind,
} from "./policy-kinds.js";
import { isModuleSpec, loadPolicyModule } from "./policy-module.js";
import { badOption } from "./report-error.js";

/** A policy as the command line names it. */
export interface PolicySpec {
  /** The spec itself, for tables and charts; of a module the policy's own name and the file's. */
  readonly name: string;
  /** Makes the policy, once the model is there. */
  readonly create: (context: PolicyContext) => KVCachePolicy;
}

/**
 * Reads a policy from the command line: a name, then options as `name:option=value,option=value`. What the options leave of the
 * budget is the window. A policy that wraps another has it in brackets: `wrapper(spec)`. A path, `./my-policy.js` or
 * `./my-policy.js#name`, is a module that exports one.
 *
 * @param spec - For example `sink-window:sinks=1,stride=16`, or `pinned(turn-aligned(sink-window))`.
 * @param stride - The stride where the spec names none; undefined for the policy's own default.
 * @param budget - The budget where it is known.
 * @throws {KVPolicyError} `config` for an unknown policy or option, a module that has no policy, or a value that cannot work; the
 * message says what is known.
 */
export async function parsePolicySpec(
  spec: string,
  stride: Stride | undefined,
  budget?: number,
): Promise<PolicySpec> {
  const read = await readPolicy(spec, spec, stride);
  // What cannot work is found now, and not when the model is loaded.
  read.create(withoutModel(budget));
  return read;
}

/** Reads a part of a spec. */
async function readPolicy(spec: string, part: string, stride: Stride | undefined): Promise<PolicySpec> {
  const [, wrapperName, inner] = /^([^:()]*)\((.*)\)$/s.exec(part) ?? [];
  if (wrapperName !== undefined && inner !== undefined) {
    const wrap = WRAPPERS.get(wrapperName);
    if (!wrap) {
      const known = [...WRAPPERS.keys()];
      const problem = `no policy "${wrapperName}" wraps another`;
      throw refuse(spec, suggest(problem, wrapperName, known, `those that do are ${known.join(", ")}`));
    }
    const { name, create } = await readPolicy(spec, inner, stride);
    return { name: `${wrapperName}(${name})`, create: (context) => wrap(create(context)) };
  }
  if (isModuleSpec(part)) {
    const create = await loadPolicyModule(part);
    // Where the module lies is nobody's business who reads a report.
    return { name: `${create({ stride }).name} (${basename(part)})`, create: () => create({ stride }) };
  }
  const [name = "", ...rest] = part.split(":");
  const kind = KINDS.get(name);
  if (!kind) throw refuse(spec, describeUnknown(name));
  if (rest.length > 1) throw refuse(spec, "it has more than one colon");
  const options = new SpecOptions(spec, readOptions(spec, kind, rest[0]), stride);
  return { name: part, create: (context) => kind.create(options, context) };
}

function describeUnknown(name: string): string {
  if (WRAPPERS.has(name))
    return `"${name}" wraps another policy, which it has in brackets: ${name}(sink-window)`;
  if (/[()]/.test(name)) return "its brackets do not match";
  const names = [...KINDS.keys(), ...WRAPPERS.keys()];
  const known = names.map((one) => (WRAPPERS.has(one) ? `${one}(…)` : one)).join(", ");
  const rest = `known are ${known}, and a path of your own, ./my-policy.js`;
  return suggest(`there is no policy "${name}"`, name, names, rest);
}

/** A problem with a name, the known name that was probably meant, if any, and the rest of what there is to say. */
function suggest(problem: string, name: string, known: readonly string[], rest: string): string {
  const nearest = findNearestName(name, known);
  if (nearest === undefined) return `${problem}; ${rest}`;
  return `${problem}; did you mean ${nearest}? ${rest.charAt(0).toUpperCase()}${rest.slice(1)}`;
}

function readOptions(spec: string, kind: PolicyKind, text: string | undefined): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  if (text === undefined) return options;
  for (const assignment of text.split(",")) {
    const [option = "", value, ...rest] = assignment.split("=");
    if (!kind.options.includes(option)) {
      const known = kind.options.length === 0 ? "it takes none" : `it takes ${kind.options.join(", ")}`;
      throw refuse(spec, suggest(`"${option}" is no option of this policy`, option, kind.options, known));
    }
    if (value === undefined || value === "" || rest.length > 0)
      throw refuse(spec, `"${assignment}" is not option=value`);
    if (options.has(option)) throw refuse(spec, `${option} is given twice`);
    options.set(option, value);
  }
  return options;
}

function refuse(spec: string, problem: string): Error {
  return badOption("policy", spec, `--policy ${spec} cannot be read: ${problem}.`);
}
