import { KVPolicyError } from "./errors.js";
import type { KVCachePolicy } from "./policy.js";

/**
 * Cells freed by one eviction: a number, or `half` of what may leave (llama.cpp's own context shift).
 * A larger stride evicts less often; the cache then holds between budget − stride + 1 and budget cells.
 */
export type Stride = number | "half";

/**
 * Checks an option that counts cells or tokens.
 *
 * @returns the value
 * @throws {KVPolicyError} `config` when it is not a whole number of at least `minimum`.
 */
export function checkCount(owner: string, option: string, value: number, minimum: number): number {
  if (Number.isSafeInteger(value) && value >= minimum) return value;
  throw new KVPolicyError({
    code: "config",
    message: `${owner}: ${option} must be a whole number of at least ${minimum}, not ${value}.`,
    details: { option, value },
  });
}

/**
 * Checks the option `policy` where a stream is opened. Policies may come from plain JavaScript.
 *
 * @throws {KVPolicyError} `config` when it is missing, or no policy: one that was not made yet, or lacks a member, say.
 */
export function checkPolicy(owner: string, policy: KVCachePolicy | undefined): void {
  const problem = findPolicyProblem(policy);
  if (problem === undefined) return;
  throw new KVPolicyError({
    code: "config",
    message: `${owner}: policy must be what definePolicy() or sinkWindow() answers, say: ${problem}.`,
    details: { option: "policy", value: policy },
  });
}

function findPolicyProblem(policy: unknown): string | undefined {
  if (typeof policy !== "object" || policy === null) return `it is of type ${typeof policy}`;
  if ("then" in policy) return "it is a promise, which has to be awaited";
  const { name, requires, plan, describe } = policy as Readonly<Record<string, unknown>>;
  if (typeof plan !== "function") return "it has no function plan";
  if (typeof name !== "string" || name === "") return "it has no name";
  if (!Array.isArray(requires)) return "it has no list requires";
  return typeof describe === "function" ? undefined : "it has no function describe";
}

/**
 * Checks a stride against the window it is taken from, where that is known.
 *
 * @throws {KVPolicyError} `config` when it is neither `half` nor a whole number between 1 and the window.
 */
export function checkStride(owner: string, stride: Stride | undefined, window: number | undefined): void {
  if (stride === undefined || stride === "half") return;
  checkCount(owner, "stride", stride, 1);
  if (window !== undefined && stride > window) {
    throw new KVPolicyError({
      code: "config",
      message: `${owner}: a stride of ${stride} is larger than the window of ${window} cells it is taken from.`,
      details: { option: "stride", value: stride },
    });
  }
}

/**
 * Cells that one eviction frees from a window: the stride, at most the window.
 * The default is a sixteenth of the window, because an eviction costs llama.cpp a rotation of its whole key cache and
 * because many small rotations add rounding to F16 keys.
 */
export function resolveStride(stride: Stride | undefined, window: number): number {
  const cells = stride === "half" ? Math.floor(window / 2) : (stride ?? Math.round(window / 16));
  return Math.max(1, Math.min(cells, window));
}

/** What is left of a budget for a window. */
export interface WindowRoom {
  /** Cells of the budget. */
  readonly budget: number;
  /** Cells that are kept beside the window. */
  readonly kept: number;
  /** What these are, for the message: `4 sinks`. */
  readonly what: string;
  /** The stride as it was given. */
  readonly stride: Stride | undefined;
}

/** Why a budget leaves no window that a stride can be taken from, in words for `checkBudget`; `undefined` when it does. */
export function findWindowProblem({ budget, kept, what, stride }: WindowRoom): string | undefined {
  if (budget <= kept) return `${what} leave no room for a window`;
  if (typeof stride !== "number" || stride <= budget - kept) return undefined;
  return `the stride of ${stride} is larger than the window of ${budget - kept} cells`;
}
