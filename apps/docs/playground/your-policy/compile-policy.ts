import * as core from "@kvpolicy/core";
import { checkPolicy, type KVCachePolicy } from "@kvpolicy/core";
import * as dense from "@kvpolicy/dense";
import * as dispersed from "@kvpolicy/dispersed";
import * as headTail from "@kvpolicy/head-tail";
import * as pinned from "@kvpolicy/pinned";
import * as recompute from "@kvpolicy/recompute";
import * as separator from "@kvpolicy/separator";
import * as sinkWindow from "@kvpolicy/sink-window";
import * as surprise from "@kvpolicy/surprise";
import * as turnAligned from "@kvpolicy/turn-aligned";
import * as window from "@kvpolicy/window";

import { FILE_NAME, lineOf, PolicyCodeError } from "./policy-problem.js";
import { rewriteModule, type RewrittenModule } from "./rewrite-module.js";

type Namespace = Readonly<Record<string, unknown>>;
type Instantiate = (modules: Readonly<Record<string, Namespace>>, exported: { default?: unknown }) => void;

/** What the code may import: the contract, and every policy, to wrap one. */
const MODULES: Readonly<Record<string, Namespace>> = {
  "@kvpolicy/core": core,
  "@kvpolicy/dense": dense,
  "@kvpolicy/dispersed": dispersed,
  "@kvpolicy/head-tail": headTail,
  "@kvpolicy/pinned": pinned,
  "@kvpolicy/recompute": recompute,
  "@kvpolicy/separator": separator,
  "@kvpolicy/sink-window": sinkWindow,
  "@kvpolicy/surprise": surprise,
  "@kvpolicy/turn-aligned": turnAligned,
  "@kvpolicy/window": window,
};

const KNOWN = Object.fromEntries(
  Object.entries(MODULES).map(([name, module]) => [name, Object.keys(module)]),
);

/**
 * Compiles the source of a module whose default export is a policy, or a function that makes one. What it answers runs the module from
 * its beginning and makes the policy: every call another instance, so that state in the module shows.
 *
 * @throws {PolicyCodeError} when the source is no such module, with the line where it is known. The answer throws the same.
 */
export function compilePolicy(source: string): () => KVCachePolicy {
  const module = rewriteModule(source, KNOWN);
  const instantiate = evaluate(module);
  if (!module.hasDefault) throw withoutDefault(module);
  const create = (): KVCachePolicy => make(instantiate);
  create();
  return create;
}

/** The engine decides what is JavaScript; the parser says where it is not. */
function evaluate({ body, brokenLine }: RewrittenModule): Instantiate {
  // Strict, as a module is. `eval` by another name runs in the global scope: the code sees nothing of this file.
  const code = `(function (__modules, __exported) { "use strict"; ${body}\n})\n//# sourceURL=${FILE_NAME}`;
  try {
    return (0, eval)(code) as Instantiate;
  } catch (error) {
    throw new PolicyCodeError(`This is no JavaScript: ${syntaxMessage(error)}.`, brokenLine, {
      cause: error,
    });
  }
}

function make(instantiate: Instantiate): KVCachePolicy {
  const exported: { default?: unknown } = {};
  const policy = attempt("The module threw", () => {
    instantiate(MODULES, exported);
    const { default: value } = exported;
    // As the command does: a function is given the stride of the command, which may be undefined.
    return typeof value === "function"
      ? (value as (options: object) => unknown)({ stride: undefined })
      : value;
  }) as KVCachePolicy;
  attempt("The module exports no policy", () => {
    checkPolicy("the default export", policy);
  });
  return policy;
}

function attempt<Value>(what: string, action: () => Value): Value {
  try {
    return action();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new PolicyCodeError(`${what}: ${withFullStop(message)}`, lineOf(error), { cause: error });
  }
}

function withoutDefault({ names }: RewrittenModule): PolicyCodeError {
  const what = names.length === 0 ? "exports nothing" : `exports ${names.join(", ")} and no default`;
  return new PolicyCodeError(`The module ${what}: write "export default" before the policy.`);
}

/** Engines speak of a function where the reader sees a module. */
function syntaxMessage(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const isOfTheForm = /\b(import|export)\b/.test(message);
  return isOfTheForm ? "something before an import or export is not closed" : message.replace(/\.$/, "");
}

function withFullStop(message: string): string {
  return message.endsWith(".") ? message : `${message}.`;
}
