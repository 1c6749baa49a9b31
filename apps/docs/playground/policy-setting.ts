/** A policy that wraps another one. */
export type WrapperName = "pinned" | "turn-aligned";

/** A policy as the forms of the playground set it: plain data, so that it can be sent to a worker. */
export interface PolicySetting {
  /** Name of the policy, such as `sink-window`. */
  readonly policy: string;
  /** The options that were set, by their names in code; those left out have the policy's defaults. */
  readonly options: Readonly<Record<string, number | string>>;
  /** What wraps it, in any order: `pinned` always goes outside. Left out, nothing does. */
  readonly wrappers?: readonly WrapperName[];
}
