import { KVPolicyError } from "./errors.js";

/** What was asked for cannot be done here. */
export function unsupported(feature: string, reason: string): KVPolicyError {
  return new KVPolicyError({
    code: "unsupported",
    message: `${feature} is not supported: ${reason}.`,
    details: { feature, reason },
  });
}

/** The stream is gone. */
export function disposed(): KVPolicyError {
  return new KVPolicyError({
    code: "disposed",
    message: "The stream was disposed.",
    details: { what: "stream" },
  });
}

/** A number is not a whole number between two others. */
export function outOfRange(what: string, value: number, minimum: number, maximum: number): KVPolicyError {
  return new KVPolicyError({
    code: "range",
    message: `The ${what} is ${value}, not a whole number between ${minimum} and ${maximum}.`,
    details: { what, value, minimum, maximum },
  });
}
