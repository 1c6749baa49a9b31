import { describe, expect, test } from "vitest";
import { definePolicy, withRequired, type CacheView, type KVCachePolicy } from "./policy.js";

function viewOf(length: number): CacheView {
  return {
    length,
    budget: length,
    required: 1,
    marks: [{ name: "turn", start: 0, end: 1 }],
    token: (index) => index * 10,
    streamPosition: (index) => index + 100,
  };
}

describe("definePolicy", () => {
  const fifo = definePolicy({
    name: "fifo",
    requires: ["reindex"],
    plan: ({ required }) => ({ evict: [{ start: 0, end: required }], survivors: "reuse" }),
  });

  test("takes an object with methods of its class", () => {
    class Oldest {
      readonly name = "oldest";
      readonly start = 1;
      plan(): ReturnType<KVCachePolicy["plan"]> {
        return { evict: [{ start: this.start, end: this.start + 1 }], survivors: "reuse" };
      }
      checkBudget(budget: number): string | undefined {
        return budget > this.start ? undefined : "too small";
      }
    }
    const policy = definePolicy(new Oldest());
    expect(policy.plan(viewOf(4))).toMatchObject({ evict: [{ start: 1, end: 2 }] });
    expect(policy.checkBudget?.(1)).toBe("too small");
  });

  test("refuses one without a plan", () => {
    expect(() => definePolicy({ name: "empty" } as never)).toThrow(
      expect.objectContaining({ code: "config" }),
    );
  });

  test("makes the smallest policy whole", () => {
    expect(fifo.plan(viewOf(4))).toEqual({ evict: [{ start: 0, end: 1 }], survivors: "reuse" });
    expect(fifo.requires).toEqual(["reindex"]);
    expect(fifo.describe()).toEqual({ name: "fifo", shape: "opaque", options: {} });
    expect(Object.isFrozen(fifo)).toBe(true);
  });

  test("requires nothing unless told", () => {
    expect(definePolicy({ name: "dense", plan: () => null }).requires).toEqual([]);
  });

  test.each([0, -1, 1.5, NaN])("refuses a budget of %d", (budget) => {
    expect(() => definePolicy({ name: "fixed", budget, plan: () => null })).toThrow(
      expect.objectContaining({ code: "config", details: { option: "budget", value: budget } }) as Error,
    );
  });

  test("refuses a policy without a name", () => {
    expect(() => definePolicy({ name: "", plan: () => null })).toThrow(
      expect.objectContaining({ code: "config", details: { option: "name", value: "" } }) as Error,
    );
  });

  test("is checked by the compiler", () => {
    const wrong: unknown[] = [
      // @ts-expect-error a policy has a name
      () => definePolicy({ plan: () => null }),
      // @ts-expect-error a policy has a plan
      () => definePolicy({ name: "idle" }),
      // @ts-expect-error survivors are reused or recomputed
      () => definePolicy({ name: "odd", plan: () => ({ evict: [], survivors: "keep" }) }),
      // @ts-expect-error a plan is not a promise
      () => definePolicy({ name: "slow", plan: async () => Promise.resolve(null) }),
      // @ts-expect-error there is no such requirement
      () => definePolicy({ name: "greedy", requires: ["logits"], plan: () => null }),
      (view: CacheView) => {
        // @ts-expect-error a view is read-only
        view.required = 2;
      },
      (view: CacheView) => {
        // @ts-expect-error values are there only when the policy requires them
        view.nll(0);
      },
      (policy: KVCachePolicy) => {
        // @ts-expect-error a policy is read-only
        policy.name = "other";
      },
    ];
    expect(wrong).toHaveLength(8);
  });
});

describe("withRequired", () => {
  test("is the same view, asking for more", () => {
    const view = viewOf(4);
    const raised = withRequired(view, 3);
    expect(raised).toMatchObject({ length: 4, budget: 4, required: 3, marks: view.marks });
    expect([raised.token(2), raised.streamPosition(2)]).toEqual([20, 102]);
    expect("nll" in raised).toBe(false);
    expect(view.required).toBe(1);
  });

  test("forwards values when there are any", () => {
    expect(withRequired({ ...viewOf(2), nll: (index) => index / 2 }, 1).nll?.(1)).toBe(0.5);
  });

  test.each([0, 5, 1.5, NaN])("refuses to require %d of 4 cells", (required) => {
    expect(() => withRequired(viewOf(4), required)).toThrow(
      expect.objectContaining({ code: "range" }) as Error,
    );
  });
});
