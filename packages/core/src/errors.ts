/** Who has to act for an error to go away. */
export type ErrorActor = "caller" | "policy" | "backend";

/** The numbers that each error carries, by code. */
export interface ErrorDetails {
  /** An option, or a combination of options, that cannot work. Nothing was created. */
  config: { readonly option: string; readonly value: unknown };
  /** The backend, model or stream lacks something that the call or the policy needs. Nothing was changed. */
  unsupported: { readonly feature: string; readonly reason: string; readonly policy?: string };
  /** The policy lets nothing leave and every cell is in use. The stream stays usable. */
  "cache-full": CacheFullDetails;
  /** The policy answered with a plan that cannot be carried out. The backend was not touched by it. */
  "invalid-plan": InvalidPlanDetails;
  /** The tokens that the call names have left the cache. Nothing was changed. */
  evicted: { readonly start: number; readonly end: number; readonly position: number };
  /** There is nothing to predict from, or nothing to read. */
  empty: { readonly what: string };
  /** A number lies outside what it may be. Nothing was changed. */
  range: {
    readonly what: string;
    readonly value: number;
    readonly minimum: number;
    readonly maximum: number;
  };
  /** The backend refused or failed. `appended` tokens of this call are in the stream. */
  "backend-failed": { readonly operation: string; readonly appended: number };
  /** The backend failed earlier in the middle of a change: only `clear`, `restore` and `dispose` are left. */
  broken: { readonly operation: string };
  /** The stream, or what it stands on, was disposed. */
  disposed: { readonly what: string };
}

/** Numbers of a `cache-full` error. */
export interface CacheFullDetails {
  /** Name of the policy. */
  readonly policy: string;
  /** Cells that may be in use. */
  readonly budget: number;
  /** Tokens of this call that were appended before the cache was full; NaN where the engine does not say. */
  readonly appended: number;
  /** Tokens of this call that were not; NaN where the engine does not say. */
  readonly remaining: number;
}

/** Numbers of an `invalid-plan` error. */
export interface InvalidPlanDetails {
  /** Name of the policy. */
  readonly policy: string;
  /** What is wrong with the plan. */
  readonly problem: string;
  /** What the policy answered. */
  readonly plan: unknown;
  /** Cells in use when the policy was asked. */
  readonly length: number;
  /** Fewest cells that had to be freed. */
  readonly required: number;
  /** Tokens of this call that were appended before the policy was asked; NaN where the engine does not say. */
  readonly appended: number;
}

/** The stable codes of {@link KVPolicyError}. */
export type ErrorCode = keyof ErrorDetails;

const marker = Symbol.for("@kvpolicy/error");

const actors: Readonly<Record<ErrorCode, ErrorActor>> = {
  config: "caller",
  unsupported: "caller",
  "cache-full": "caller",
  "invalid-plan": "policy",
  evicted: "caller",
  empty: "caller",
  range: "caller",
  "backend-failed": "backend",
  broken: "caller",
  disposed: "caller",
};

/**
 * The one error of the project. `code` is stable, `details` holds the numbers behind the message and `actor` says who
 * has to do something about it.
 *
 * Test with {@link KVPolicyError.isInstance} instead of `instanceof`: it also knows errors of a second installed copy.
 */
export class KVPolicyError<Code extends ErrorCode = ErrorCode> extends Error {
  /** What happened; stable across versions. */
  readonly code: Code;
  /** The numbers behind the message. */
  readonly details: ErrorDetails[Code];
  /** Who has to act. */
  readonly actor: ErrorActor;

  constructor({
    code,
    message,
    details,
    cause,
  }: {
    code: Code;
    message: string;
    details: ErrorDetails[Code];
    cause?: unknown;
  }) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "KVPolicyError";
    this.code = code;
    this.details = details;
    this.actor = actors[code];
    Object.defineProperty(this, marker, { value: true });
  }

  /** Whether a value is such an error (of this or another installed copy), and of this code when one is given. */
  static isInstance<Code extends ErrorCode = ErrorCode>(
    value: unknown,
    code?: Code,
  ): value is KVPolicyError<Code> {
    return (
      typeof value === "object" &&
      value !== null &&
      marker in value &&
      (code === undefined || ("code" in value && value.code === code))
    );
  }
}
