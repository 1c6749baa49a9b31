import type { KVCachePolicy, Stride } from "@kvpolicy/core";
import { dense } from "@kvpolicy/dense";
import { pinned } from "@kvpolicy/pinned";
import { recompute } from "@kvpolicy/recompute";
import { sinkWindow } from "@kvpolicy/sink-window";
import { turnAligned } from "@kvpolicy/turn-aligned";
import { window } from "@kvpolicy/window";

import { badOption } from "./report-error.js";

/** A policy as the command line names it. */
export interface PolicySpec {
  /** The spec itself, for tables and charts. */
  readonly name: string;
  /** The policy. */
  readonly policy: KVCachePolicy;
}

type Options = ReadonlyMap<string, string>;

interface Kind {
  readonly options: readonly string[];
  readonly create: (options: Options, stride: Stride | undefined) => KVCachePolicy;
}

const KINDS: ReadonlyMap<string, Kind> = new Map([
  ["dense", { options: [], create: () => dense() }],
  ["window", { options: ["stride"], create: (_, stride) => window({ stride }) }],
  [
    "recompute",
    {
      options: ["head", "stride"],
      create: (options, stride) => recompute({ stride, head: readHead(options) }),
    },
  ],
  [
    "sink-window",
    {
      options: ["sinks", "stride"],
      create: (options, stride) => sinkWindow({ stride, sinks: readCount(options, "sinks", 0) }),
    },
  ],
]);

/** Policies that wrap a policy. */
const WRAPPERS: ReadonlyMap<string, (inner: KVCachePolicy) => KVCachePolicy> = new Map([
  ["pinned", pinned],
  ["turn-aligned", (inner) => turnAligned(inner)],
]);

/**
 * Reads a policy from the command line: a name, then options as `name:option=value,option=value`. What the options leave of the
 * budget is the window. A policy that wraps another has it in brackets: `wrapper(spec)`.
 *
 * @param spec - For example `sink-window:sinks=1,stride=16`, or `pinned(turn-aligned(sink-window))`.
 * @param stride - The stride where the spec names none; undefined for the policy's own default.
 * @throws {KVPolicyError} `config` for an unknown policy or option, or a value that cannot work; the message says what is known.
 */
export function parsePolicySpec(spec: string, stride: Stride | undefined): PolicySpec {
  return { name: spec, policy: readPolicy(spec, spec, stride) };
}

/** Reads a part of a spec. */
function readPolicy(spec: string, part: string, stride: Stride | undefined): KVCachePolicy {
  const [, wrapperName, inner] = /^([^:()]*)\((.*)\)$/s.exec(part) ?? [];
  if (wrapperName !== undefined && inner !== undefined) {
    const wrap = WRAPPERS.get(wrapperName);
    if (wrap) return wrap(readPolicy(spec, inner, stride));
    const known = [...WRAPPERS.keys()].join(", ");
    throw refuse(spec, `no policy "${wrapperName}" wraps another; those that do are ${known}`);
  }
  const [name = "", ...rest] = part.split(":");
  const kind = KINDS.get(name);
  if (!kind) throw refuse(spec, describeUnknown(name));
  if (rest.length > 1) throw refuse(spec, "it has more than one colon");
  const options = readOptions(spec, kind, rest[0]);
  return kind.create(options, readStride(options, stride));
}

function describeUnknown(name: string): string {
  if (WRAPPERS.has(name))
    return `"${name}" wraps another policy, which it has in brackets: ${name}(sink-window)`;
  if (/[()]/.test(name)) return "its brackets do not match";
  const known = [...KINDS.keys(), ...[...WRAPPERS.keys()].map((wrapper) => `${wrapper}(…)`)];
  return `there is no policy "${name}"; known are ${known.join(", ")}`;
}

function readOptions(spec: string, kind: Kind, text: string | undefined): Options {
  const options = new Map<string, string>();
  if (text === undefined) return options;
  for (const assignment of text.split(",")) {
    const [option = "", value, ...rest] = assignment.split("=");
    if (!kind.options.includes(option)) {
      const known = kind.options.length === 0 ? "it takes none" : `it takes ${kind.options.join(", ")}`;
      throw refuse(spec, `"${option}" is no option of this policy; ${known}`);
    }
    if (value === undefined || value === "" || rest.length > 0)
      throw refuse(spec, `"${assignment}" is not option=value`);
    if (options.has(option)) throw refuse(spec, `${option} is given twice`);
    options.set(option, value);
  }
  return options;
}

function readStride(options: Options, otherwise: Stride | undefined): Stride | undefined {
  if (options.get("stride") === "half") return "half";
  return readCount(options, "stride", 1) ?? otherwise;
}

function readHead(options: Options): "none" | "bos" | number {
  const head = options.get("head");
  if (head === undefined || head === "bos") return "bos";
  return head === "none" ? "none" : (readCount(options, "head", 0) ?? 0);
}

function readCount(options: Options, option: string, minimum: number): number | undefined {
  const text = options.get(option);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= minimum) return value;
  const words = { stride: "half or ", head: "none, bos or " }[option] ?? "";
  throw badOption(
    "policy",
    text,
    `--policy: ${option} must be ${words}a whole number of at least ${minimum}, not "${text}".`,
  );
}

function refuse(spec: string, problem: string): Error {
  return badOption("policy", spec, `--policy ${spec} cannot be read: ${problem}.`);
}
