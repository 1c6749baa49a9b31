import { describe, expect, test, vi } from "vitest";
import { KVPolicyError } from "./errors.js";

const details = { option: "budget", value: 0 };

describe("KVPolicyError", () => {
  test("carries code, details, actor and cause", () => {
    const cause = new Error("deeper");
    const error = new KVPolicyError({ code: "config", message: "No.", details, cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: "KVPolicyError", message: "No.", code: "config", actor: "caller" });
    expect(error.details.option).toBe("budget");
    expect(error.cause).toBe(cause);
    expect("cause" in new KVPolicyError({ code: "config", message: "No.", details })).toBe(false);
  });

  test("is known to another installed copy, which is not the same class", async () => {
    vi.resetModules();
    const copy = await import("./errors.js");
    expect(copy.KVPolicyError).not.toBe(KVPolicyError);
    const foreign = new copy.KVPolicyError({ code: "config", message: "No.", details });
    expect(foreign).not.toBeInstanceOf(KVPolicyError);
    expect(KVPolicyError.isInstance(foreign)).toBe(true);
    expect(KVPolicyError.isInstance(foreign, "config")).toBe(true);
    expect(KVPolicyError.isInstance(foreign, "range")).toBe(false);
  });

  test.each([undefined, null, "config", 1, {}, { code: "config" }, new Error("config")])(
    "%o is none",
    (value) => {
      expect(KVPolicyError.isInstance(value)).toBe(false);
    },
  );

  test("narrows the details by code", () => {
    const error: unknown = new KVPolicyError({
      code: "cache-full",
      message: "Full.",
      details: { policy: "dense", budget: 4, appended: 3, remaining: 1 },
    });
    if (!KVPolicyError.isInstance(error, "cache-full")) throw new Error("not recognised");
    const remaining: number = error.details.remaining;
    expect(remaining).toBe(1);
  });

  test("shows no marker among its own properties", () => {
    const error = new KVPolicyError({ code: "config", message: "No.", details });
    expect(Object.keys(error).toSorted()).toEqual(["actor", "code", "details", "name"]);
  });
});
